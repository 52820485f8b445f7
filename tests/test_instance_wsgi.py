from ftw.monitor.compat import PY2
from tests.functional.processes import wait_until
from tests.instance_options import DummyOptions
from tests.loopback import has_ipv6
from tests.worlds import only_with_wsgi
import os
import shutil
import tempfile
import threading
import unittest


if not PY2:
    from ftw.monitor.instance.wsgi import accepts_without_workers
    from ftw.monitor.instance.wsgi import call_in_other_workers
    from ftw.monitor.instance.wsgi import configured_addresses
    from ftw.monitor.instance.wsgi import controlled_addresses
    from ftw.monitor.instance.wsgi import detect
    from ftw.monitor.instance.wsgi import worker_threads
    from ftw.monitor.instance.wsgi import workers
    from waitress.task import ThreadedTaskDispatcher


RECIPE = 'egg:plone.recipe.zope2instance#main'
WAITRESS = 'egg:waitress#main'

INI = '''\
[server:%s]
use = %s
%s

[app:main]
use = egg:Zope#main
zope_conf = /nowhere/zope.conf
'''


def other_server(app, global_conf, **options):
    raise AssertionError('This would serve.')


@only_with_wsgi
class ConfigurationCase(unittest.TestCase):

    def setUp(self):
        self.directory = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        self.path = os.path.join(self.directory, 'wsgi.ini')

    def write(self, text):
        with open(self.path, 'w') as ini:
            ini.write(text)

    def addresses(self, options, use=WAITRESS, name='main', **kwargs):
        self.write(INI % (name, use, options))
        return [str(address) for address in configured_addresses(
            'config:' + self.path, **kwargs)]


class TestWhereTheServerListens(ConfigurationCase):

    def test_fast_listen(self):
        self.assertEqual(
            self.addresses('fast-listen = 127.0.0.1:8080', RECIPE),
            ['127.0.0.1:8080'])

    def test_fast_listen_on_several(self):
        self.assertEqual(
            self.addresses('fast-listen = 127.0.0.1:8080 127.0.0.1:8081'
                           ' 0.0.0.0:9090', RECIPE),
            ['127.0.0.1:8080', '127.0.0.1:8081', '0.0.0.0:9090'])

    def test_fast_listen_on_all_addresses(self):
        # What the recipe makes of a mere port, and what bind() takes for it.
        for text in ('0.0.0.0:8080', ':8080'):
            self.assertEqual(self.addresses('fast-listen = ' + text, RECIPE),
                             ['0.0.0.0:8080'])

    def test_fast_listen_is_for_ipv4_only(self):
        self.assertEqual(
            self.addresses('fast-listen = localhost:8080', RECIPE),
            ['127.0.0.1:8080'])

    def test_the_recipe_without_fast_listen(self):
        self.assertEqual(
            self.addresses('listen = 127.0.0.1:8080\nthreads = 4', RECIPE),
            ['127.0.0.1:8080'])

    def test_an_ini_file_as_the_recipe_writes_it(self):
        self.assertEqual(self.addresses(
            'paste.server_factory = plone.recipe.zope2instance:main\n'
            'fast-listen = 127.0.0.1:8080\nthreads = 4\n'
            'clear_untrusted_proxy_headers = false\n'
            'max_request_body_size = 1073741824\nasyncore_use_poll = false',
            RECIPE), ['127.0.0.1:8080'])

    def test_listen(self):
        self.assertEqual(self.addresses('listen = 127.0.0.1:8080'),
                         ['127.0.0.1:8080'])

    def test_listen_on_several(self):
        self.assertEqual(
            self.addresses('listen = 127.0.0.1:8080 127.0.0.2:8081'),
            ['127.0.0.1:8080', '127.0.0.2:8081'])

    def test_listen_on_ipv6(self):
        if not has_ipv6():
            self.skipTest('There is no IPv6 here.')
        self.assertEqual(
            self.addresses('listen = 127.0.0.1:8080 [::1]:8080'),
            ['127.0.0.1:8080', '[::1]:8080'])

    def test_listen_on_all_addresses(self):
        self.assertEqual(self.addresses('listen = 0.0.0.0:8080'),
                         ['0.0.0.0:8080'])
        found = self.addresses('listen = *:8080')
        self.assertIn('0.0.0.0:8080', found)
        self.assertFalse(set(found) - {'0.0.0.0:8080', '[::]:8080'})

    def test_listen_without_ipv6(self):
        self.assertEqual(self.addresses('listen = *:8080\nipv6 = no'),
                         ['0.0.0.0:8080'])

    def test_host_and_port(self):
        self.assertEqual(self.addresses('host = 127.0.0.1\nport = 8081'),
                         ['127.0.0.1:8081'])
        self.assertEqual(self.addresses('port = 8081'), ['0.0.0.0:8081'])
        self.assertEqual(self.addresses('host = 127.0.0.1'),
                         ['127.0.0.1:8080'])

    def test_nothing_is_what_waitress_does_then(self):
        self.assertEqual(self.addresses('threads = 4'), ['0.0.0.0:8080'])

    def test_a_unix_socket(self):
        self.assertEqual(
            self.addresses('unix_socket = /run/plone.sock\n'
                           'unix_socket_perms = 660'),
            ['/run/plone.sock'])

    def test_another_server_that_does_not_say(self):
        self.write('[server:main]\npaste.server_factory ='
                   ' %s:other_server\nbind = 127.0.0.1\n' % __name__)
        self.assertEqual(configured_addresses('config:' + self.path), [])

    def test_another_server_that_does_say(self):
        self.write('[server:main]\npaste.server_factory = %s:other_server\n'
                   'host = 127.0.0.1\nport = 8081\n' % __name__)
        self.assertEqual(
            [str(address) for address in
             configured_addresses('config:' + self.path)],
            ['127.0.0.1:8081'])

    def test_variables_of_the_command_line(self):
        self.assertEqual(
            self.addresses('listen = 127.0.0.1:%(http_port)s',
                           variables={'http_port': '8099'}),
            ['127.0.0.1:8099'])

    def test_variables_of_the_file(self):
        self.write('[DEFAULT]\nhttp_port = 8098\n'
                   + INI % ('main', WAITRESS,
                            'listen = 127.0.0.1:%(http_port)s'))
        self.assertEqual(
            [str(address) for address in
             configured_addresses('config:' + self.path)],
            ['127.0.0.1:8098'])

    def test_another_server_section(self):
        self.write(INI % ('main', WAITRESS, 'port = 1111')
                   + '[server:second]\nuse = %s\nport = 2222\n' % WAITRESS)
        self.assertEqual(
            [str(address) for address in
             configured_addresses('config:' + self.path, 'second')],
            ['0.0.0.0:2222'])

    def test_a_section_that_extends_another(self):
        self.write(INI % ('main', WAITRESS, 'host = 127.0.0.1\nport = 1111')
                   + '[server:second]\nuse = main\nport = 2222\n')
        self.assertEqual(
            [str(address) for address in
             configured_addresses('config:' + self.path, 'second')],
            ['127.0.0.1:2222'])

    def test_bin_instance_hears_the_same(self):
        options = DummyOptions(self.directory, '127.0.0.1:1111')
        self.assertEqual(
            [str(address) for address in controlled_addresses(options)],
            ['127.0.0.1:1111'])

    def test_a_relative_path(self):
        options = DummyOptions(self.directory, '127.0.0.1:1111')
        options.wsgi = os.path.basename(options.wsgi)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.directory)
        self.assertEqual(
            [str(address) for address in controlled_addresses(options)],
            ['127.0.0.1:1111'])


class TestABrokenConfiguration(ConfigurationCase):

    def assertBroken(self, text, **kwargs):
        if text is not None:
            self.write(text)
        with self.assertRaises(ValueError) as caught:
            configured_addresses('config:' + self.path, **kwargs)
        message = str(caught.exception)
        self.assertTrue(
            message.startswith('config:%s: ' % self.path), message)
        self.assertNotIn('\n', message)

    def test_a_missing_file(self):
        self.assertBroken(None)

    def test_no_ini_file(self):
        self.assertBroken('no ini file\nat all')

    def test_no_server(self):
        self.assertBroken('[app:main]\nuse = egg:Zope#main\n')

    def test_no_server_of_that_name(self):
        self.assertBroken(INI % ('main', WAITRESS, ''), server_name='other')

    def test_a_server_that_is_not_installed(self):
        self.assertBroken(INI % ('main', 'egg:no.such.package#main', ''))
        self.assertBroken(
            '[server:main]\npaste.server_factory = no.such.module:main\n')

    def test_a_variable_that_is_not_given(self):
        self.assertBroken(INI % ('main', WAITRESS, 'port = %(http_port)s'))

    def test_an_address_that_is_none(self):
        for option in ('port = http', 'listen = 127.0.0.1:no-such-service',
                       'listen = no.such.host.invalid:8080',
                       'listen = 127.0.0.1:8080\nport = 8081'):
            self.assertBroken(INI % ('main', WAITRESS, option))

    def test_bin_instance_hears_the_same(self):
        options = DummyOptions(self.directory)
        os.unlink(options.wsgi)
        with self.assertRaises(ValueError) as caught:
            controlled_addresses(options)
        self.assertIn(options.wsgi, str(caught.exception))


@only_with_wsgi
class TestThisProcess(unittest.TestCase):

    def test_a_test_runner_does_not_serve(self):
        serves, server, addresses = detect()
        self.assertIs(serves, False)
        # The nearest on the stack is named.
        self.assertTrue(server.startswith('unittest'), server)
        self.assertIsNone(addresses)

    def test_a_thread_that_nobody_known_has_started_cannot_be_told(self):
        # A WSGI server we do not know; no test runner on its stack.
        found = []
        thread = threading.Thread(target=lambda: found.append(detect()))
        thread.start()
        thread.join(30)
        (serves, server, addresses), = found
        self.assertIsNone(serves)
        self.assertTrue(server)
        self.assertIsNone(addresses)

    def test_workers_are_the_threads_of_waitress(self):
        self.assertEqual(worker_threads(), 1)
        done = threading.Event()
        threads = [threading.Thread(target=done.wait, args=(30,),
                                    name='waitress-%d' % number)
                   for number in range(3)]
        for thread in threads:
            thread.start()
        try:
            self.assertEqual(worker_threads(), 3)
        finally:
            done.set()
            for thread in threads:
                thread.join(30)


class DummyTask(object):
    """A request, as far as waitress looks at it."""

    def __init__(self, action):
        self.service = action

    def cancel(self):
        """Nobody waits for the answer."""


@only_with_wsgi
class TestOtherWorkers(unittest.TestCase):

    def setUp(self):
        self.called = []

    def call(self):
        """The thread, and how many others did not do the work."""
        return threading.current_thread().name, call_in_other_workers(
            lambda: self.called.append(threading.current_thread().name))

    def start_waitress(self):
        waitress = ThreadedTaskDispatcher()
        waitress.set_thread_count(3)
        self.addCleanup(waitress.shutdown)
        return waitress

    def test_how_busy_they_are(self):
        self.assertEqual((0, 1, 0), tuple(workers()))
        self.assertFalse(accepts_without_workers())
        waitress = self.start_waitress()
        self.assertTrue(accepts_without_workers())
        # One that has just been started counts as busy.
        wait_until(lambda: tuple(workers()) == (0, 3, 0), 'all have begun')
        may_end = threading.Event()
        self.addCleanup(may_end.set)
        for _ in range(2):
            waitress.add_task(DummyTask(lambda: may_end.wait(30)))
        wait_until(lambda: tuple(workers()) == (2, 3, 0), 'two are busy')
        for _ in range(3):
            waitress.add_task(DummyTask(lambda: may_end.wait(30)))
        wait_until(lambda: tuple(workers()) == (3, 3, 2), 'all are busy')
        may_end.set()
        wait_until(lambda: tuple(workers()) == (0, 3, 0), 'all are idle')

    def test_there_are_none_without_waitress(self):
        self.assertEqual(0, self.call()[1])
        self.assertEqual([], self.called)

    def test_a_worker_has_all_but_itself(self):
        waitress = self.start_waitress()
        calls = []
        waitress.add_task(DummyTask(lambda: calls.append(self.call())))
        wait_until(lambda: calls, 'a worker has called the others')
        (own, asleep), = calls
        self.assertEqual(0, asleep)
        self.assertEqual(
            {'waitress-0', 'waitress-1', 'waitress-2'} - {own},
            set(self.called))
        self.assertEqual(2, len(self.called))

    def test_any_other_thread_has_all_of_them(self):
        self.start_waitress()
        self.assertEqual(0, self.call()[1])
        self.assertEqual(['waitress-0', 'waitress-1', 'waitress-2'],
                         sorted(self.called))
