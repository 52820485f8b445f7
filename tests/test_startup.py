"""Where the monitor and the autowarmup start, and where they do not."""

from App.config import getConfiguration
from ftw.monitor import instance
from ftw.monitor import server
from ftw.monitor import startup
from ftw.monitor.address import TCPAddress
from ftw.monitor.checks import Check
from ftw.monitor.checks import error
from ftw.monitor.checks import runner
from ftw.monitor.checks.availability import DatabaseCheck
from ftw.monitor.checks.http_port import HTTPPortCheck
from ftw.monitor.checks.workers import WorkersCheck
from ftw.monitor.instance.worker_pool import Workers
from ftw.monitor.interfaces import ICheck
from ftw.monitor.interfaces import IChecks
from ftw.monitor.interfaces import IDatabases
from ftw.monitor.interfaces import IHotSetStore
from ftw.monitor.interfaces import IVirtualHosts
from ftw.monitor.startup import start_monitor
from ftw.monitor.warmup.turns import NoTurns
from ftw.monitor.warmup.turns import Turns
from tests.loopback import until
from tests.patch import patch
from tests.recorded_log import RecordedLog
from tests.testing import MONITOR_INTEGRATION_TESTING
from tests.worlds import only_if_scripts_start
from zope.component import getGlobalSiteManager
from zope.component import getUtility
from zope.component import provideUtility
from zope.component import queryUtility
from zope.event import notify
from zope.processlifetime import ProcessStarting
import logging
import os
import shutil
import tempfile
import threading
import unittest


VARIABLES = (
    'FTW_MONITOR_ADDRESS',
    'FTW_MONITOR_AUTOWARMUP',
    'FTW_MONITOR_DATABASE_GRACE',
    'FTW_MONITOR_HOTSET',
    'FTW_MONITOR_HOTSET_SEED',
    'FTW_MONITOR_STUCK_AFTER',
    'FTW_MONITOR_WARMUP_REQUIRED',
    'FTW_MONITOR_WARMUP_TIMEOUT',
    'FTW_MONITOR_WARMUP_WAIT',
)


class DummyListener(object):
    """A server without a socket."""

    closed = False

    def close(self):
        self.closed = True


class QuickCheck(Check):
    """Its thread ends soon after it was told to."""

    required = False
    interval = 0.01

    def check(self):
        return error('out of order')


class DummySaver(object):
    """What saves the hot set, without a thread.

    :cvar started: those that were.
    """

    started = []

    def __init__(self, store, lifecycle, databases, hosts):
        self.store = store
        self.lifecycle = lifecycle
        self.databases = databases
        self.hosts = hosts
        self.finished = False

    def start(self):
        self.started.append(self)

    def finish(self):
        self.finished = True


class StartCase(unittest.TestCase):

    layer = MONITOR_INTEGRATION_TESTING

    def setUp(self):
        self.lifecycle = self.layer['lifecycle']
        for name in VARIABLES:
            if name in os.environ:
                self.addCleanup(
                    os.environ.__setitem__, name, os.environ.pop(name))
            else:
                self.addCleanup(os.environ.pop, name, None)
        self.addCleanup(self.forget_utilities)

        #: What the server was told to listen on.
        self.listens = []
        self.problems = []
        self.replace(server, 'start', self.start_server)

        #: What is to be called before the end, with the databases.
        self.called_before_end = []
        self.addCleanup(self.end)
        self.replace(startup, 'Saver', DummySaver)
        patch(self, DummySaver, 'started', [])
        self.replace(startup, 'call_before_end',
                     lambda *args: self.called_before_end.append(args))

        # Threads that end soon after they were told to.
        for quick in (DatabaseCheck, HTTPPortCheck, WorkersCheck):
            patch(self, quick, 'interval', 0.01)
        patch(self, runner, 'INTERVAL', 0.01)
        # Nobody serves HTTP here.
        self.replace(instance, 'accepts_without_workers', lambda: False)
        self.folder = tempfile.mkdtemp(prefix='ftwm-startup-')
        self.addCleanup(shutil.rmtree, self.folder)
        patch(self, getConfiguration(), 'clienthome', self.folder)

        self.log = RecordedLog.installed(self, logging.INFO)

    def replace(self, module, name, stand_in):
        self.addCleanup(setattr, module, name, getattr(module, name))
        setattr(module, name, stand_in)

    def start_server(self, addresses):
        self.listens.append(addresses)
        self.listener = None if self.problems else DummyListener()
        return self.listener, self.problems

    def end(self):
        """The process ends."""
        for _, function in self.called_before_end:
            function()
        self.assertTrue(until(lambda: not self.threads()), self.threads())

    @staticmethod
    def forget_utilities():
        registry = getGlobalSiteManager()
        for interface in (IChecks, IDatabases, IHotSetStore):
            utility = registry.queryUtility(interface)
            if utility is not None:
                registry.unregisterUtility(utility, interface)

    def be(self, name='instance', serves=True, addresses=None):
        """Be an instance that serves HTTP on *addresses*."""
        if addresses is None:
            addresses = [TCPAddress('127.0.0.1', 8080)]
        self.replace(instance, 'current', lambda: instance.Instance(
            name, serves, 'config:zope.ini', addresses))

    def set(self, **variables):
        for name, value in variables.items():
            os.environ['FTW_MONITOR_' + name] = value

    def threads(self):
        return [thread.name for thread in threading.enumerate()
                if thread.name.startswith('ftw.monitor')]

    def assertNothingStarted(self):
        self.assertEqual([], self.listens)
        self.assertEqual([], self.threads())
        self.assertIsNone(queryUtility(IDatabases))
        self.assertIsNone(queryUtility(IHotSetStore))
        self.assertEqual([], DummySaver.started)
        self.assertFalse(self.lifecycle.warmup_wanted)
        self.assertEqual([], self.log.messages)

    def assertHealthy(self):
        self.assertTrue(until(lambda: self.lifecycle.verdict() == 'OK'),
                        self.lifecycle.verdict())

    def replace_autowarmup(self, note=None):
        """Have none started; return where those ask that should be, or what
        *note* returned at that moment."""
        started = []

        class DummyAutowarmup(object):

            def __init__(self, lifecycle, http_addresses, turns):
                self.http_addresses = http_addresses

            def start(self):
                started.append(note() if note else self.http_addresses())

        self.replace(startup, 'Autowarmup', DummyAutowarmup)
        return started

    def saver(self):
        """The one that was started."""
        [saver] = DummySaver.started
        self.assertFalse(saver.finished)
        self.assertIs(queryUtility(IDatabases), saver.databases)
        self.assertIs(queryUtility(IHotSetStore), saver.store)
        self.assertIs(self.lifecycle, saver.lifecycle)
        return saver


class TestStartMonitor(StartCase):

    @only_if_scripts_start
    def test_a_test_runner_starts_nothing(self):
        start_monitor(ProcessStarting())
        self.assertNothingStarted()

    @only_if_scripts_start
    def test_a_test_runner_starts_nothing_whatever_is_set(self):
        self.set(ADDRESS='127.0.0.1:1', AUTOWARMUP='on')
        start_monitor(ProcessStarting())
        self.assertNothingStarted()

    def test_the_maintenance_instance_starts_nothing(self):
        self.be('instance0')
        start_monitor(ProcessStarting())
        self.assertNothingStarted()

    def test_the_maintenance_instance_starts_nothing_whatever_is_set(self):
        self.be('instance0')
        self.set(ADDRESS='127.0.0.1:1', AUTOWARMUP='on')
        start_monitor(ProcessStarting())
        self.assertNothingStarted()

    def test_a_script_starts_nothing(self):
        self.be(serves=False)
        start_monitor(ProcessStarting())
        self.assertNothingStarted()

    def test_any_other_instance_starts_when_zope_says_that_it_starts(self):
        self.be()
        self.set(AUTOWARMUP='off')
        notify(ProcessStarting())
        self.assertEqual([[TCPAddress('127.0.0.1', 8160)]], self.listens)
        self.assertIn(
            ('INFO', 'The monitor listens on 127.0.0.1:8160.'),
            self.log.messages)
        self.assertTrue(queryUtility(IDatabases).names())

    def test_without_the_autowarmup_it_is_healthy_at_once(self):
        self.be()
        self.set(AUTOWARMUP='off')
        start_monitor(ProcessStarting())
        self.assertNotIn('ftw.monitor.autowarmup', self.threads())
        self.assertHealthy()

    def test_the_autowarmup_starts_and_makes_it_unhealthy_until_it_ends(self):
        self.be()
        started = self.replace_autowarmup()
        start_monitor(ProcessStarting())
        self.assertEqual([[TCPAddress('127.0.0.1', 8080)]], started)
        self.assertEqual('Instance is booting', self.lifecycle.verdict())

    def test_it_may_serve_cold(self):
        self.be()
        self.set(WARMUP_REQUIRED='0')
        started = self.replace_autowarmup()
        start_monitor(ProcessStarting())
        self.assertEqual(1, len(started))
        self.assertHealthy()

    def test_the_autowarmup_starts_without_a_monitor(self):
        self.be()
        self.set(ADDRESS='off')
        started = self.replace_autowarmup()
        start_monitor(ProcessStarting())
        self.assertEqual([[]], self.listens)
        self.assertEqual(1, len(started))

    def test_the_hot_set_is_in_the_var_folder(self):
        self.be('instance7')
        self.replace_autowarmup()
        start_monitor(ProcessStarting())
        saver = self.saver()
        self.assertEqual(os.path.join(self.folder, 'instance7.hotset'),
                         saver.store.path)
        self.assertIsNone(saver.store.seed)
        getUtility(IVirtualHosts).count('example.org')
        self.assertIn('example.org', saver.hosts())

    def test_the_hot_set_and_its_seed_may_be_elsewhere(self):
        self.be()
        path = os.path.join(self.folder, 'mine')
        self.set(HOTSET=path, HOTSET_SEED='/seed')
        self.replace_autowarmup()
        start_monitor(ProcessStarting())
        store = self.saver().store
        self.assertEqual((path, '/seed'), (store.path, store.seed))

    def test_the_hot_set_is_there_when_the_autowarmup_starts(self):
        self.be()
        started = self.replace_autowarmup(
            lambda: queryUtility(IHotSetStore) is not None)
        start_monitor(ProcessStarting())
        self.assertEqual([True], started)

    def test_a_folder_that_is_missing_is_a_warning(self):
        self.be()
        folder = os.path.join(self.folder, 'missing')
        self.set(HOTSET=os.path.join(folder, 'hotset'))
        started = self.replace_autowarmup()
        start_monitor(ProcessStarting())
        [warning] = [message for level, message in self.log.messages
                     if level == 'WARNING']
        self.assertIn(folder, warning)
        self.assertIn('FTW_MONITOR_HOTSET', warning)
        self.assertEqual(1, len(started))

    def test_there_is_no_hot_set_if_it_is_off(self):
        self.be()
        self.set(HOTSET='off', HOTSET_SEED='/seed')
        started = self.replace_autowarmup()
        start_monitor(ProcessStarting())
        self.assertIsNone(queryUtility(IHotSetStore))
        self.assertEqual([], DummySaver.started)
        self.assertEqual(1, len(started))

    def test_there_is_no_hot_set_without_the_autowarmup(self):
        self.be()
        self.set(AUTOWARMUP='off')
        start_monitor(ProcessStarting())
        self.assertIsNone(queryUtility(IHotSetStore))
        self.assertEqual([], DummySaver.started)

    def test_other_instances_go_first_only_if_that_is_set(self):
        patch(self, tempfile, 'tempdir', self.folder)
        self.be()
        self.replace_autowarmup()
        started = []
        patch(self, startup.Autowarmup, '__init__',
              lambda autowarmup, *args: started.append(args[-1]))
        patch(self, startup.Autowarmup, 'start', lambda autowarmup: None)
        for value, expected in (('', NoTurns), ('0', NoTurns), ('60', Turns)):
            self.set(WARMUP_WAIT=value)
            start_monitor(ProcessStarting())
            turns = started.pop()
            self.assertIsInstance(turns, expected)
            self.assertIsNone(turns.take())
            turns.give_back()

    def test_the_time_limit_is_the_one_that_is_set(self):
        self.be()
        self.set(AUTOWARMUP='off', WARMUP_TIMEOUT='60')
        start_monitor(ProcessStarting())
        self.assertEqual(60, self.lifecycle.warmup_timeout)

    def test_a_port_that_is_taken_is_a_warning_with_address_and_setting(self):
        self.be()
        self.set(AUTOWARMUP='off')
        self.problems.append(
            (TCPAddress('127.0.0.1', 8160), 'the address is in use'))
        start_monitor(ProcessStarting())
        warnings = [message for level, message in self.log.messages
                    if level == 'WARNING']
        self.assertEqual(1, len(warnings), warnings)
        self.assertIn('127.0.0.1:8160', warnings[0])
        self.assertIn('FTW_MONITOR_ADDRESS', warnings[0])
        self.assertHealthy()

    def test_an_address_that_makes_no_sense_is_told_if_it_is_needed(self):
        self.be(addresses=[])
        self.replace(instance, 'listening_addresses', lambda: [])
        self.set(ADDRESS='nowhere')
        start_monitor(ProcessStarting())
        messages = ' '.join(message for _, message in self.log.messages)
        self.assertIn("'nowhere'", messages)
        self.assertIn('No monitor', messages)

    def test_a_setting_that_makes_no_sense_is_a_warning(self):
        self.be()
        self.set(AUTOWARMUP='off', WARMUP_TIMEOUT='soon')
        start_monitor(ProcessStarting())
        self.assertEqual(1800, self.lifecycle.warmup_timeout)
        self.assertIn('FTW_MONITOR_WARMUP_TIMEOUT',
                      dict(self.log.messages)['WARNING'])


class TestTheChecks(StartCase):

    def start(self):
        self.be()
        self.set(AUTOWARMUP='off')
        start_monitor(ProcessStarting())

    def add(self, name, check):
        provideUtility(check, ICheck, name)
        self.addCleanup(getGlobalSiteManager().unregisterUtility,
                        check, ICheck, name)

    def names(self):
        return [watch.name for watch in getUtility(IChecks).watches()]

    def test_those_of_the_databases_come_first_those_of_others_last(self):
        self.add('solr', QuickCheck())
        self.add('ldap', QuickCheck())
        self.start()
        databases = ['database:' + name
                     for name in getUtility(IDatabases).names()]
        self.assertEqual(databases + ['http', 'workers', 'ldap', 'solr'],
                         self.names())
        self.assertHealthy()

    def test_a_required_one_that_fails_makes_the_instance_unhealthy(self):
        check = QuickCheck()
        check.required = True
        self.add('solr', check)
        self.start()
        self.assertTrue(until(lambda: self.lifecycle.verdict()
                              == 'Error: solr: out of order'))
        self.assertEqual('OK', self.lifecycle.alive())

    def test_without_a_time_limit_no_worker_is_stuck(self):
        self.set(STUCK_AFTER='0')
        self.start()
        self.assertNotIn('workers', self.names())

    def test_workers_that_are_stuck_are_the_end_of_the_process(self):
        self.replace(instance, 'workers', lambda: Workers(1, 1, 7))
        self.set(STUCK_AFTER='0.1')
        self.start()
        self.assertTrue(until(lambda: self.lifecycle.alive() != 'OK'))
        self.assertIn('workers', self.lifecycle.alive())
        self.assertEqual(self.lifecycle.alive(), self.lifecycle.verdict())


class TestTheEnd(StartCase):

    def test_all_threads_and_the_listener_end_and_the_hot_set_is_saved(self):
        self.be()
        self.replace_autowarmup()
        start_monitor(ProcessStarting())
        saver = self.saver()
        self.assertTrue(self.threads())
        self.end()
        self.assertTrue(saver.finished)
        self.assertTrue(self.listener.closed)

    def test_the_rest_ends_although_one_part_fails(self):
        self.be()
        self.replace_autowarmup()
        self.replace(DummySaver, 'finish', lambda saver: 1 / 0)
        start_monitor(ProcessStarting())
        self.end()
        self.assertTrue(self.listener.closed)
        self.assertIn('ERROR', dict(self.log.messages))
