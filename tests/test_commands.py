# -*- coding: utf-8 -*-
from ftw.monitor import commands
from ftw.monitor import instance
from ftw.monitor.checks.databases import Databases
from ftw.monitor.checks.watch import Watch
from ftw.monitor.commands import basics
from ftw.monitor.commands.checks import checks
from ftw.monitor.commands.connections import monitor
from ftw.monitor.commands.databases import dbinfo
from ftw.monitor.commands.databases import zeocache
from ftw.monitor.commands.databases import zeostatus
from ftw.monitor.commands.health import alive_check
from ftw.monitor.commands.health import health_check
from ftw.monitor.commands.health import warmup
from ftw.monitor.commands.health import warmup_figures
from ftw.monitor.commands.health import warmup_state
from ftw.monitor.commands.metrics import perf_metrics
from ftw.monitor.commands.requests import requests
from ftw.monitor.commands.requests import threads
from ftw.monitor.conflicts import Conflicts
from ftw.monitor.instance.worker_pool import Workers
from ftw.monitor.interfaces import CommandError
from ftw.monitor.interfaces import IChecks
from ftw.monitor.interfaces import IConflicts
from ftw.monitor.interfaces import IDatabases
from ftw.monitor.interfaces import ILifecycle
from ftw.monitor.interfaces import ILoopbackCommand
from ftw.monitor.interfaces import IMonitorPlugin
from ftw.monitor.interfaces import IQuickCommand
from ftw.monitor.interfaces import IRunningRequests
from ftw.monitor.lifecycle import Lifecycle
from ftw.monitor.running_requests import RunningRequest
from ftw.monitor.running_requests import RunningRequests
from ftw.monitor.server.markers import INTERACTIVE_MARKER
from ftw.monitor.server.markers import QUIT_MARKER
from persistent.mapping import PersistentMapping
from tests.checks import DummyCheck
from tests.patch import patch
from tests.recorded_log import RecordedLog
from transaction import TransactionManager
from ZODB import DB
from ZODB.blob import BlobStorage
from ZODB.DemoStorage import DemoStorage
from ZODB.FileStorage import FileStorage
from ZODB.MappingStorage import MappingStorage
from zope.component import getUtilitiesFor
from zope.component import getUtility
from zope.component import provideUtility
from zope.component import testing
from zope.configuration import xmlconfig
import json
import os
import psutil
import re
import shutil
import tempfile
import time
import unittest
import zope.component


try:
    INTEGERS = (int, long)
except NameError:
    INTEGERS = (int,)


class DummyConnection(object):
    """What a command writes its answer to."""

    def __init__(self):
        self.text = ''

    def write(self, text):
        self.text += text


class DummyCache(object):
    """The cache of a ZEO client: ``getStats`` as ZEO has it."""

    def getStats(self):
        return (1, 22, 333, 4444, 55555)


class DummyClientStorage(MappingStorage):

    connected = True

    def __init__(self):
        MappingStorage.__init__(self)
        self._cache = DummyCache()

    def is_connected(self):
        return self.connected

    def getSize(self):
        if not self.connected:
            raise AssertionError('It would block.')
        return MappingStorage.getSize(self)


class DummyBrokenStorage(MappingStorage):

    def getSize(self):
        raise IOError('LOOK, no\ndisk')


class CommandCase(unittest.TestCase):

    def setUp(self):
        testing.setUp()
        self.addCleanup(testing.tearDown)
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        self.all = {}
        self.main = self.open('main', MappingStorage())
        provideUtility(Lifecycle(), ILifecycle)
        provideUtility(Conflicts(), IConflicts)
        databases = Databases(self.main)
        databases.monitor_activity()
        provideUtility(databases, IDatabases)

    def open(self, name, storage, **options):
        database = DB(storage, databases=self.all, database_name=name,
                      **options)
        self.addCleanup(database.close)
        return database

    def open_file(self, name, **options):
        return self.open(
            name, FileStorage(os.path.join(self.directory, name + '.fs')),
            **options)

    def connect(self, database):
        connection = database.open(TransactionManager())
        self.addCleanup(self.disconnect, connection)
        return connection

    def disconnect(self, connection):
        if connection.opened:
            connection.transaction_manager.abort()
            connection.close()

    def store(self, database, count):
        """Store *count* new objects, and the root object again."""
        connection = database.open(TransactionManager())
        # ZODB 5 made the root object in this connection, ZODB 3 did not.
        connection.root()._p_activate()
        connection.getTransferCounts(True)
        for number in range(count):
            connection.root()[number] = PersistentMapping()
        connection.transaction_manager.commit()
        connection.close()

    def answer(self, command, *args):
        connection = DummyConnection()
        self.assertIsNone(command(connection, *args))
        return connection.text

    def assertError(self, expected, command, *args):
        connection = DummyConnection()
        with self.assertRaises(CommandError) as caught:
            command(connection, *args)
        self.assertEqual(str(caught.exception), expected)
        self.assertEqual(connection.text, '')


class TestTheConfiguration(CommandCase):

    def load(self):
        context = xmlconfig.file('meta.zcml', zope.component)
        xmlconfig.file('configure.zcml', commands, context=context)

    def test_every_command_is_registered_and_documented(self):
        self.load()
        registered = dict(getUtilitiesFor(IMonitorPlugin))
        self.assertEqual(sorted(registered), [
            'alive_check', 'checks', 'dbinfo', 'health_check', 'help',
            'interactive', 'monitor', 'perf_metrics', 'quit', 'requests',
            'threads', 'warmup', 'warmup_state', 'zeocache', 'zeostatus'])
        for name, command in registered.items():
            self.assertEqual(command.__name__, name)
            self.assertTrue(IMonitorPlugin.providedBy(command), name)
            self.assertTrue(command.__doc__.split('\n')[0].strip(), name)

    def test_those_that_answer_from_memory_are_marked(self):
        self.load()
        quick = [name for name, command in getUtilitiesFor(IMonitorPlugin)
                 if IQuickCommand.providedBy(command)]
        self.assertEqual(sorted(quick), [
            'alive_check', 'checks', 'health_check', 'help', 'interactive',
            'quit', 'warmup', 'warmup_state'])

    def test_those_that_are_not_for_strangers_are_marked(self):
        self.load()
        self.assertEqual(['requests', 'threads'], sorted(
            name for name, command in getUtilitiesFor(IMonitorPlugin)
            if ILoopbackCommand.providedBy(command)))


class TestBasics(CommandCase):

    def setUp(self):
        CommandCase.setUp(self)
        for command in (basics.help, basics.quit, dbinfo):
            provideUtility(command, IMonitorPlugin, command.__name__)

    def test_help_lists_the_commands(self):
        self.assertEqual(
            self.answer(basics.help),
            'Supported commands:\n'
            '  dbinfo -- Show the activity of a database\n'
            '  help -- Get help about server commands\n'
            '  quit -- Quit the monitor\n')

    def test_help_for_a_command_is_its_docstring(self):
        self.assertEqual(
            self.answer(basics.help, 'dbinfo'),
            'Help for dbinfo:\n\n%s\n' % dbinfo.__doc__)

    def test_help_for_an_unknown_command(self):
        self.assertError("There is no command 'nope'.", basics.help, 'nope')

    def test_interactive(self):
        connection = DummyConnection()
        self.assertIs(basics.interactive(connection), INTERACTIVE_MARKER)
        self.assertEqual(connection.text,
                         'Interactive mode on.  Use "quit" To exit.\n')

    def test_quit(self):
        connection = DummyConnection()
        self.assertIs(basics.quit(connection), QUIT_MARKER)
        self.assertEqual(connection.text, 'Goodbye.\n')


class TestHealth(CommandCase):

    def test_health_check_is_the_verdict(self):
        self.assertEqual(self.answer(health_check), 'OK\n')
        getUtility(ILifecycle).want_warmup()
        self.assertEqual(self.answer(health_check), 'Instance is booting\n')

    def test_alive_check_is_for_the_process_alone(self):
        lifecycle = getUtility(ILifecycle)
        lifecycle.want_warmup()
        self.assertEqual('OK\n', self.answer(alive_check))
        lifecycle.require_to_live('workers', lambda: 'stuck')
        self.assertEqual('Error: workers: stuck\n', self.answer(alive_check))

    def test_warmup_state_is_two_numbers(self):
        lifecycle = getUtility(ILifecycle)
        self.assertEqual(self.answer(warmup_state), '0 0\n')
        lifecycle.begin_warmup()
        self.assertEqual(self.answer(warmup_state), '0 1\n')
        lifecycle.end_warmup([], [])
        self.assertEqual(self.answer(warmup_state), '1 0\n')
        lifecycle.begin_warmup()
        self.assertEqual(self.answer(warmup_state), '1 1\n')


class DummyChecks(object):

    def __init__(self, *watches):
        self._watches = watches

    def watches(self):
        return self._watches


class TestChecks(CommandCase):

    def test_before_they_are_asked(self):
        self.assertError('The checks have not been started yet.', checks)

    def test_one_line_for_each(self):
        optional = DummyCheck()
        optional.required = False
        provideUtility(DummyChecks(
            Watch('database:main', DummyCheck()),
            Watch('not\nOK', optional)), IChecks)
        self.assertTrue(re.match(
            r'^database:main pending \d+\.\d has not been asked yet\n'
            r'not Ok pending \d+\.\d has not been asked yet'
            r' \(not required\)\n$',
            self.answer(checks)), self.answer(checks))


class TestRequests(CommandCase):

    def setUp(self):
        CommandCase.setUp(self)
        self.running = RunningRequests()
        provideUtility(self.running, IRunningRequests)
        patch(self, instance, 'workers', lambda: Workers(3, 4, 2))

    def test_how_busy_the_workers_are(self):
        self.assertEqual('workers: 4\nbusy: 3\nwaiting: 2\n',
                         self.answer(requests))

    def test_the_one_that_runs_with_its_thread(self):
        self.running.begin('GET', '/Plone/news')
        line = self.answer(requests).splitlines()[3]
        self.assertTrue(re.match(
            r'^\d+\.\d GET /Plone/news \(MainThread\)$', line), line)

    def test_the_longest_one_is_last(self):
        found = [RunningRequest(1, number, 'GET', '/%d' % number)
                 for number in range(3)]
        self.running.longest_first = lambda: found
        self.assertEqual(['/2', '/1', '/0'], [
            line.split()[2]
            for line in self.answer(requests).splitlines()[3:]])

    def test_what_all_threads_do(self):
        self.running.begin('GET', '/Plone/news')
        text = self.answer(threads)
        self.assertIn('GET /Plone/news', text)
        self.assertIn('test_what_all_threads_do', text)


class TestWarmup(CommandCase):

    def setUp(self):
        CommandCase.setUp(self)
        self.lifecycle = getUtility(ILifecycle)
        self.log = RecordedLog.installed(self)

    def figure(self, key):
        return dict(warmup_figures(self.lifecycle))[key]

    def assertState(self, state, warm):
        self.assertEqual((state, warm),
                         (self.figure('state'), self.figure('warm')))

    def test_before_the_first_one_there_is_nothing_to_tell(self):
        self.lifecycle.want_warmup()
        self.assertEqual(
            'state: booting\n'
            'warm: no\n'
            'waiting for: none\n'
            'stage: none\n'
            'site: none\n'
            'worker: 0 of 0\n'
            'step: 0 of 0\n'
            'objects: 0\n'
            'seconds: 0.0\n'
            'warnings: 0\n'
            'last error: none\n'
            'next try: none\n'
            'previous boot: unknown\n', self.answer(warmup))

    def test_one_in_progress(self):
        self.lifecycle.want_warmup()
        self.lifecycle.previous_warmup_seconds = 5.12
        self.lifecycle.begin_warmup()
        progress = self.lifecycle.progress
        progress.site = '/Plone'
        progress.worker, progress.workers = 2, 4
        progress.step, progress.steps = 3, 8
        progress.begin_stage('catalog', 30000)
        progress.count(12034)
        progress.seconds = lambda: 4.2345
        self.lifecycle.warn_of_warmup('a page is missing')
        self.assertEqual(
            'state: in progress\n'
            'warm: no\n'
            'waiting for: none\n'
            'stage: catalog\n'
            'site: /Plone\n'
            'worker: 2 of 4\n'
            'step: 3 of 8\n'
            'objects: 12034 of 30000\n'
            'seconds: 4.2\n'
            'warnings: 1\n'
            'last error: none\n'
            'next try: none\n'
            'previous boot: 5.1\n', self.answer(warmup))

    def test_how_many_objects_there_are_may_be_unknown(self):
        self.lifecycle.begin_warmup()
        self.lifecycle.progress.begin_stage('pages')
        self.lifecycle.progress.count(12)
        self.assertEqual('12', self.figure('objects'))

    def test_the_states_of_a_boot(self):
        lifecycle = self.lifecycle
        lifecycle.want_warmup()
        self.assertState('booting', 'no')
        lifecycle.warmup_waiting_for = 'instance1 (process 12)'
        self.assertState('waiting', 'no')
        self.assertEqual('instance1 (process 12)', self.figure('waiting for'))
        lifecycle.warmup_waiting_for = None
        lifecycle.begin_warmup()
        self.assertState('in progress', 'no')
        lifecycle.fail_warmup('KeyError: 1')
        self.assertState('failed', 'no')
        lifecycle.warmup_waiting_for = 'instance2 (process 13)'
        self.assertState('waiting', 'no')
        lifecycle.begin_warmup()
        self.assertState('in progress', 'no')
        self.assertEqual('none', self.figure('waiting for'))
        lifecycle.end_warmup([], [])
        self.assertState('done', 'yes')

    def test_a_further_one_of_a_warm_instance(self):
        self.lifecycle.begin_warmup()
        self.lifecycle.end_warmup([], [])
        self.lifecycle.begin_warmup()
        self.assertState('in progress', 'yes')
        self.lifecycle.fail_warmup('KeyError: 1')
        self.assertState('failed', 'yes')
        self.lifecycle.begin_warmup()
        self.lifecycle.end_warmup([], [])
        self.assertState('done', 'yes')

    def test_one_that_need_not_be(self):
        self.assertState('not wanted', 'no')
        # The instance serves meanwhile, but it will be.
        self.lifecycle.autowarmup_runs = True
        self.assertState('booting', 'no')

    def test_one_of_a_single_site_leaves_the_others_cold(self):
        self.lifecycle.want_warmup()
        self.lifecycle.begin_warmup()
        self.lifecycle.end_warmup(['/a'], ['/a', '/b'])
        self.assertState('booting', 'no')

    def test_the_last_error_is_kept_and_is_one_line(self):
        self.lifecycle.begin_warmup()
        self.lifecycle.fail_warmup('KeyError: a\nLOOK: b')
        self.assertEqual('KeyError: a LOOk: b', self.figure('last error'))
        self.lifecycle.begin_warmup()
        self.lifecycle.end_warmup([], [])
        self.assertEqual('KeyError: a LOOk: b', self.figure('last error'))
        self.assertEqual(13, self.answer(warmup).count('\n'))

    def test_when_a_failed_one_is_tried_again(self):
        self.lifecycle.begin_warmup()
        self.lifecycle.fail_warmup('KeyError')
        self.lifecycle.warmup_retry_pause = lambda: 0.94
        # Nobody is there to do it.
        self.assertEqual('none', self.figure('next try'))
        self.lifecycle.autowarmup_runs = True
        self.assertEqual('0.9', self.figure('next try'))
        self.lifecycle.begin_warmup()
        self.assertEqual('none', self.figure('next try'))


class TestNamingADatabase(CommandCase):

    def setUp(self):
        CommandCase.setUp(self)
        self.temporary = self.open('temporary', MappingStorage())
        self.connect(self.temporary).root()['x'] = None

    def test_an_unknown_one_is_an_error_that_lists_those_there_are(self):
        message = "There is no database 'nope', only: main, temporary."
        self.assertError(message, dbinfo, 'nope')
        self.assertError(message, zeostatus, 'nope')
        self.assertError(message, zeocache, 'nope')
        self.assertError(message, monitor, '100', 'nope')
        self.assertError(message, perf_metrics, 'nope')

    def test_the_root_database_has_three_names(self):
        self.connect(self.main)
        for name in ('', '-', 'main'):
            self.assertEqual(self.answer(dbinfo, name),
                             self.answer(dbinfo))
            self.assertEqual(
                self.answer(monitor, '100', name).split('\n')[0], '1')
        self.assertNotEqual(self.answer(dbinfo, 'temporary'),
                            self.answer(dbinfo))

    def test_before_zope_has_opened_them(self):
        zope.component.getGlobalSiteManager().unregisterUtility(
            provided=IDatabases)
        message = 'The databases are not open yet.'
        for command in (dbinfo, zeostatus, zeocache, monitor, perf_metrics):
            self.assertError(message, command)

    def test_a_number_of_seconds_that_nobody_has_lived_ends_as_well(self):
        # ZODB would look for its activity for ever.
        for text in ('9' * 30, '1e300'):
            self.assertEqual(self.answer(dbinfo), self.answer(
                dbinfo, '-', text))

    def test_a_number_of_seconds_that_is_none(self):
        for text in ('x', '0', '-1', 'nan', 'inf', '', '1e999', '5 s'):
            message = '%r is not a number of seconds above 0.' % text
            self.assertError(message, dbinfo, '-', text)
            self.assertError(message, perf_metrics, '-', text)
            self.assertError(message, monitor, text)


class TestDBInfo(CommandCase):

    def test_one_line_of_five_numbers(self):
        self.assertTrue(re.match(r'^\d+ \d+ \d+ \d+ \d+\n$',
                                 self.answer(dbinfo)))

    def test_loads_stores_and_connections(self):
        database = self.open('other', MappingStorage())
        getUtility(IDatabases).monitor_activity()
        self.store(database, 3)
        self.assertEqual(self.numbers('other')[:3], [0, 4, 1])
        connection = database.open(TransactionManager())
        connection.cacheMinimize()
        for mapping in connection.root().values():
            len(mapping)
        connection.close()
        self.assertEqual(self.numbers('other')[:3], [4, 4, 2])

    def test_only_of_the_last_seconds(self):
        database = self.open('other', MappingStorage())
        getUtility(IDatabases).monitor_activity()
        self.store(database, 3)
        log = database.getActivityMonitor().log
        # Ten seconds ago.
        log[:] = [(entry[0] - 10,) + tuple(entry[1:]) for entry in log]
        self.assertEqual(self.numbers('other', '5')[:3], [0, 0, 0])
        self.assertEqual(self.numbers('other', '1000')[:3], [0, 4, 1])
        self.assertEqual(self.numbers('other')[:3], [0, 4, 1])

    def test_objects_in_the_caches(self):
        database = self.open('other', MappingStorage())
        self.store(database, 3)
        self.assertEqual(self.numbers('other')[3:], [4, 4])
        connection = self.connect(database)
        connection.cacheMinimize()
        # Another connection has a cache of its own.
        second = self.connect(database)
        self.assertEqual(len(second.root()), 3)
        self.assertEqual(self.numbers('other')[3:],
                         [sum(column) for column in zip(
                             *[(each['size'], each['ngsize'])
                               for each in database.cacheDetailSize()])])
        self.assertTrue(self.numbers('other')[4] < self.numbers('other')[3])

    def test_without_an_activity_monitor(self):
        self.open('other', MappingStorage())
        self.assertEqual(self.numbers('other')[:3], [-1, -1, -1])

    def test_it_opens_no_connection_and_loads_nothing(self):
        storage = DummyClientStorage()
        database = self.open('zeo', storage)
        before = database.cacheDetailSize()
        storage.load = storage.loadBefore = database.open = None
        storage.connected = False
        self.numbers('zeo')
        self.answer(zeostatus, 'zeo')
        self.answer(zeocache, 'zeo')
        self.answer(monitor, '100', 'zeo')
        self.answer(perf_metrics, 'zeo')
        self.assertEqual(database.cacheDetailSize(), before)

    def numbers(self, *args):
        return [int(word) for word in self.answer(dbinfo, *args).split()]


class TestZEO(CommandCase):

    def test_connected_or_not(self):
        storage = DummyClientStorage()
        self.open('zeo', storage)
        self.assertEqual(self.answer(zeostatus, 'zeo'), 'True\n')
        storage.connected = False
        self.assertEqual(self.answer(zeostatus, 'zeo'), 'False\n')
        # Some storages answer with another kind of value.
        storage.connected = None
        self.assertEqual(self.answer(zeostatus, 'zeo'), 'False\n')

    def test_the_cache(self):
        self.open('zeo', DummyClientStorage())
        self.assertEqual(
            self.answer(zeocache, 'zeo'), '1 22 333 4444 55555\n')

    def test_another_storage_is_an_error_that_says_what_it_is(self):
        self.open_file('file')
        self.open('demo', DemoStorage(base=MappingStorage()))
        self.open('blobs', BlobStorage(
            os.path.join(self.directory, 'blobs'), MappingStorage()))
        for command in (zeostatus, zeocache):
            self.assertError(
                "Database 'main' is no ZEO client, but a MappingStorage.",
                command)
            self.assertError(
                "Database 'file' is no ZEO client, but a FileStorage.",
                command, 'file')
            self.assertError(
                "Database 'demo' is no ZEO client, but a DemoStorage.",
                command, 'demo')
            self.assertError(
                "Database 'blobs' is no ZEO client, but a MappingStorage.",
                command, 'blobs')


class TestMonitor(CommandCase):

    def opened_ago(self, seconds, *info):
        connection = self.connect(self.main)
        connection.opened = time.time() - seconds
        connection.setDebugInfo(*info)
        return connection

    def environ(self, **more):
        environ = {
            'REQUEST_METHOD': 'GET', 'PATH_INFO': '/Plone/news',
            'HTTP_COOKIE': '__ac=secret', 'HTTP_AUTHORIZATION': 'Basic secret',
            'QUERY_STRING': 'password=secret'}
        environ.update(more)
        return environ

    def test_the_number_of_open_connections_and_the_memory(self):
        text = self.answer(monitor)
        self.assertTrue(re.match(
            r'^0\nVmSize:\t *\d+ kB\nVmRSS:\t *\d+ kB\n$', text), text)
        self.connect(self.main)
        self.connect(self.main)
        self.assertTrue(self.answer(monitor).startswith('2\nVmSize:'))

    def test_the_memory_is_written_as_in_proc(self):
        if not os.path.exists('/proc/self/status'):
            self.skipTest('This is no Linux.')
        with open('/proc/self/status') as status:
            theirs = dict(line.split(':', 1) for line in status)
        for line in self.answer(monitor).splitlines()[1:]:
            name, rest = line.split(':')
            self.assertEqual(len(rest), len('\t%8d kB' % 0))
            self.assertEqual(rest[-3:], theirs[name].rstrip()[-3:])
            ours, there = [int(text.split()[0])
                           for text in (rest, theirs[name])]
            self.assertTrue(0.5 < float(ours) / there < 2, (ours, there))

    def test_connections_that_are_open_for_long_the_oldest_last(self):
        self.opened_ago(150.04, self.environ(), {})
        self.opened_ago(1000, self.environ(
            REQUEST_METHOD='POST', PATH_INFO='/a'), {})
        self.opened_ago(50, self.environ(), {})
        self.assertEqual(self.lines(), [
            ('150', 'GET /Plone/news'), ('1000', 'POST /a')])
        self.assertEqual(self.lines('500'), [('1000', 'POST /a')])
        self.assertEqual(self.lines('0.5', '-'), [
            ('50', 'GET /Plone/news'), ('150', 'GET /Plone/news'),
            ('1000', 'POST /a')])
        self.assertTrue(self.answer(monitor).startswith('3\n'))

    def lines(self, *args):
        """(whole seconds, the rest) of each connection."""
        found = []
        for line in self.answer(monitor, *args).splitlines()[3:]:
            age, _, info = line.partition(' ')
            self.assertTrue(re.match(r'^\d+\.\d$', age), line)
            found.append((age.split('.')[0], info))
        return found

    def test_nobody_s_cookies_and_passwords_are_shown(self):
        other = {'AUTHENTICATED_USER': 'secret', 'form': 'secret'}
        for environ in (
                self.environ(),
                # What is not a complete request may hold as much.
                {'HTTP_COOKIE': 'secret'},
                {'PATH_INFO': '/', 'HTTP_COOKIE': 'secret'}):
            connection = self.opened_ago(1000, environ, other)
            self.assertNotIn('secret', self.answer(monitor))
            connection.close()

    def test_a_path_is_one_line(self):
        self.opened_ago(1000, self.environ(PATH_INFO='/a\r\n5 GET /b'), {})
        self.assertEqual(self.lines(), [('1000', 'GET /a 5 GET /b')])

    def test_a_connection_without_a_request(self):
        self.opened_ago(1000, 'packing', 'since 3')
        self.assertEqual(self.lines(), [('1000', 'packing since 3')])
        self.opened_ago(1000)
        self.assertEqual(len(self.lines()), 2)

    def test_a_closed_connection_is_not_counted(self):
        self.opened_ago(1000, self.environ(), {}).close()
        self.assertEqual(self.lines(), [])
        self.assertTrue(self.answer(monitor).startswith('0\n'))


class TestPerfMetrics(CommandCase):

    def setUp(self):
        CommandCase.setUp(self)
        self.log = RecordedLog.installed(self)

    def metrics(self, *args):
        text = self.answer(perf_metrics, *args)
        self.assertEqual(text.count('\n'), 1)
        self.assertTrue(text.endswith('\n'))
        return json.loads(text)

    def test_exactly_these_keys_and_integers(self):
        self.open_file('file')
        for name in ('', 'main', 'file'):
            metrics = self.metrics(name)
            self.assertEqual(
                {group: sorted(figures)
                 for group, figures in metrics.items()},
                {'instance': ['uptime'],
                 'cache': ['max_size', 'ngsize', 'size'],
                 'db': ['conflicts', 'connections', 'loads', 'size_in_bytes',
                        'stores', 'total_objs', 'unresolved_conflicts'],
                 'memory': ['pss', 'rss', 'uss']})
            for figures in metrics.values():
                for value in figures.values():
                    self.assertIn(type(value), INTEGERS)

    def test_in_this_order(self):
        text = self.answer(perf_metrics)
        keys = re.findall(r'"(\w+)":', text)
        self.assertEqual(keys, [
            'instance', 'uptime', 'cache', 'size', 'ngsize', 'max_size', 'db',
            'loads', 'stores', 'connections', 'conflicts',
            'unresolved_conflicts', 'total_objs', 'size_in_bytes', 'memory',
            'rss', 'uss', 'pss'])

    def test_the_database(self):
        database = self.open_file('file', cache_size=123)
        getUtility(IDatabases).monitor_activity()
        self.store(database, 3)
        metrics = self.metrics('file')
        self.assertEqual(metrics['cache'],
                         {'size': 4, 'ngsize': 4, 'max_size': 123})
        self.assertEqual(metrics['db'], {
            'loads': 0, 'stores': 4, 'connections': 1, 'conflicts': 0,
            'unresolved_conflicts': 0, 'total_objs': 4,
            'size_in_bytes': os.path.getsize(
                os.path.join(self.directory, 'file.fs'))})

    def test_the_activity_is_that_of_the_last_seconds(self):
        database = self.open_file('file')
        getUtility(IDatabases).monitor_activity()
        self.store(database, 3)
        log = database.getActivityMonitor().log
        log[:] = [(entry[0] - 10,) + tuple(entry[1:]) for entry in log]
        self.assertEqual(self.metrics('file')['db']['stores'], 4)
        self.assertEqual(self.metrics('file', '5')['db']['stores'], 0)

    def test_conflicts(self):
        conflicts = getUtility(IConflicts)
        conflicts.count(retry=True)
        conflicts.count(retry=True)
        conflicts.count(retry=False)
        metrics = self.metrics()['db']
        self.assertEqual(metrics['conflicts'], 3)
        self.assertEqual(metrics['unresolved_conflicts'], 1)

    def test_the_process(self):
        metrics = self.metrics()
        age = time.time() - psutil.Process().create_time()
        self.assertTrue(abs(metrics['instance']['uptime'] - age) < 10)
        self.assertTrue(metrics['memory']['rss'] > 1024 * 1024)
        self.assertTrue(0 < metrics['memory']['uss']
                        <= metrics['memory']['rss'])

    def test_a_database_that_is_away(self):
        storage = DummyClientStorage()
        self.open('zeo', storage)
        storage.connected = False
        self.assertEqual(self.metrics('zeo'),
                         {'error': "Database 'zeo' disconnected."})
        storage.connected = True
        self.assertEqual(self.metrics('zeo')['db']['total_objs'], 1)

    def test_a_database_whose_storage_fails(self):
        self.open('broken', DummyBrokenStorage())
        error = self.metrics('broken')['error']
        self.assertTrue(error.startswith("Database 'broken': "), error)
        self.assertTrue(error.endswith('Error: LOOk, no disk'), error)
        record, = self.log.records
        self.assertEqual(
            record.getMessage(),
            "Database 'broken' cannot be asked for its size.")
        self.assertTrue(record.exc_info)

    def test_a_closed_database(self):
        # Not with self.open(): it is closed already.
        DB(MappingStorage(), databases=self.all,
           database_name='closed').close()
        self.assertEqual(list(self.metrics('closed')), ['error'])
