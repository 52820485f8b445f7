from contextlib import closing
from ftw.monitor.address import TCPAddress
from ftw.monitor.address import UnixAddress
from ftw.monitor.lifecycle import Lifecycle
from ftw.monitor.warmup import autowarmup
from ftw.monitor.warmup.autowarmup import Autowarmup
from ftw.monitor.warmup.autowarmup import host_of
from ftw.monitor.warmup.turns import NoTurns
from tests.loopback import has_ipv6
from tests.recorded_log import RecordedLog
import logging
import os
import shutil
import socket
import tempfile
import threading
import time
import unittest


try:
    from http.server import BaseHTTPRequestHandler
    from http.server import HTTPServer
except ImportError:
    # Python 2
    from BaseHTTPServer import BaseHTTPRequestHandler
    from BaseHTTPServer import HTTPServer


PATIENCE = 30

PROXIES = ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY')


class DummyZope(object):
    """A tiny HTTP server in a thread; *answer* says what it does.

    ``answer()`` returns status and text, or None to close the connection.
    """

    def __init__(self, address, answer):
        self.answer = answer
        self.requests = []
        zope = self

        class Handler(BaseHTTPRequestHandler):

            def do_GET(self):
                zope.requests.append((self.path, dict(self.headers)))
                answered = zope.answer()
                if answered is None:
                    return
                status, text = answered
                text = text.encode('utf-8')
                self.send_response(status)
                self.send_header('Content-Length', str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args):
                # Not on the screen.
                pass

        self.server = HTTPServer(tuple(address), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       args=(0.01,))
        self.thread.daemon = True
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join(PATIENCE)
        self.server.server_close()


class DummyTurns(object):
    """Others have the turn until *holders* (their names) is empty."""

    def __init__(self, *holders):
        self.holders = list(holders)
        self.taken = False
        self.asked = 0

    def take(self):
        self.asked += 1
        if self.holders:
            return self.holders[0]
        self.taken = True

    def give_back(self):
        self.taken = False


def free_address():
    probe = socket.socket()
    probe.bind(('127.0.0.1', 0))
    address = TCPAddress(*probe.getsockname())
    probe.close()
    return address


def until(condition):
    """Wait until *condition()*; return what it says in the end."""
    deadline = time.time() + PATIENCE
    while not condition() and time.time() < deadline:
        time.sleep(0.01)
    return condition()


class AutowarmupCase(unittest.TestCase):

    def setUp(self):
        self.lifecycle = Lifecycle()
        self.lifecycle.want_warmup()
        self.address = free_address()
        self.url = 'http://%s/@@warmup' % (self.address,)
        self.patch(autowarmup, 'POLL_INTERVAL', 0.02)
        self.log = RecordedLog.installed(self)

    def patch(self, module, name, value):
        self.addCleanup(setattr, module, name, getattr(module, name))
        setattr(module, name, value)

    def start(self, addresses=None, turns=None):
        self.thread = Autowarmup(
            self.lifecycle, addresses or (lambda: [self.address]),
            turns or NoTurns())
        self.thread.start()
        self.addCleanup(self.stop)

    def stop(self):
        self.thread.stop()
        self.thread.join(PATIENCE)
        self.assertFalse(self.thread.is_alive())

    def serve(self, answer):
        zope = DummyZope(self.address, answer)
        self.addCleanup(zope.close)
        return zope

    def warm(self):
        """What ``@@warmup`` does when all goes well."""
        self.lifecycle.begin_warmup()
        self.lifecycle.end_warmup(['/Plone'], ['/Plone'])
        return 200, 'Warmup successful'

    def fail(self, msg=None, reason='KeyError: 1'):
        """What ``@@warmup`` does when a performer raises."""
        self.lifecycle.begin_warmup()
        self.lifecycle.fail_warmup(reason)
        return 503, 'Warmup failed: ' + reason

    def assertVerdict(self, expected):
        self.assertTrue(
            until(lambda: self.lifecycle.verdict() == expected),
            self.lifecycle.verdict())

    def warnings(self):
        return [record.getMessage() for record in self.log.records
                if record.levelno >= logging.WARNING]


class TestAutowarmup(AutowarmupCase):

    def test_it_asks_once_for_the_warmup_and_ends(self):
        zope = self.serve(self.warm)
        self.start()
        self.assertVerdict('OK')
        self.thread.join(PATIENCE)
        self.assertFalse(self.thread.is_alive())
        self.assertEqual([path for path, _ in zope.requests], ['/@@warmup'])
        self.assertEqual(self.log.records, [])

    def test_its_thread_has_a_name_and_does_not_keep_the_process(self):
        self.start()
        self.assertEqual(self.thread.name, 'ftw.monitor.autowarmup')
        self.assertTrue(self.thread.daemon)

    def test_the_host_is_the_address_it_connects_to(self):
        zope = self.serve(self.warm)
        self.start()
        self.assertVerdict('OK')
        (_, headers), = zope.requests
        headers = {name.lower(): headers[name] for name in headers}
        self.assertEqual(headers['host'], str(self.address))

    def test_a_warm_instance_is_not_asked(self):
        self.warm()
        zope = self.serve(self.warm)
        self.start()
        self.thread.join(PATIENCE)
        self.assertFalse(self.thread.is_alive())
        self.assertEqual(zope.requests, [])

    def test_a_port_that_does_not_accept_yet_is_waited_for(self):
        asked = []

        def addresses():
            asked.append(1)
            return [self.address]

        self.start(addresses)
        self.assertTrue(until(lambda: len(asked) > 3))
        self.assertVerdict('Instance is booting')
        self.assertEqual(self.log.records, [])
        self.serve(self.warm)
        self.assertVerdict('OK')

    def test_a_port_that_is_not_known_yet_is_waited_for(self):
        known = []
        asked = []

        def addresses():
            asked.append(1)
            return list(known)

        self.serve(self.warm)
        self.start(addresses)
        self.assertTrue(until(lambda: len(asked) > 3))
        self.assertVerdict('Instance is booting')
        known.append(self.address)
        self.assertVerdict('OK')

    def test_a_port_that_never_accepts_is_told_once(self):
        self.patch(autowarmup, 'PATIENCE', 0.1)
        self.patch(autowarmup, 'POLL_INTERVAL', 0.05)
        asked = []

        def addresses():
            asked.append(1)
            return [self.address]

        self.start(addresses)
        self.assertTrue(until(lambda: len(asked) > 5))
        warning, = self.warnings()
        self.assertTrue(warning.startswith(
            'Autowarmup still waits for the HTTP port: %s: '
            % (self.address,)))
        self.assertVerdict('Instance is booting')

    def test_no_port_at_all_is_told_as_well(self):
        self.patch(autowarmup, 'PATIENCE', 0.1)
        self.patch(autowarmup, 'POLL_INTERVAL', 0.05)
        self.start(lambda: [])
        self.assertTrue(until(self.warnings))
        self.assertEqual(
            self.warnings(),
            ['Autowarmup still waits for the HTTP port: this process listens'
             ' on none. FTW_MONITOR_AUTOWARMUP=0 turns it off.'])

    def test_the_first_address_that_accepts_is_asked(self):
        other = free_address()
        self.serve(self.warm)
        self.start(lambda: [other, self.address])
        self.assertVerdict('OK')

    def test_a_proxy_is_not_asked(self):
        saved = {name: os.environ.get(name) for name in PROXIES}

        def restore():
            for name, value in saved.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value

        self.addCleanup(restore)
        proxy_address = free_address()
        proxy = DummyZope(proxy_address, lambda: (502, 'I am a proxy.'))
        self.addCleanup(proxy.close)
        for name in PROXIES:
            os.environ[name] = 'http://%s' % (proxy_address,)
        self.serve(self.warm)
        self.start()
        self.assertVerdict('OK')
        self.assertEqual(proxy.requests, [])

    def test_a_page_that_is_not_there_is_a_failure(self):
        self.serve(lambda: (404, 'Site not found\nLOOK elsewhere'))
        self.start()
        self.assertVerdict('Warmup failed: GET %s answered 404 Site not found'
                           ' LOOk elsewhere' % self.url)
        self.assertEqual(
            self.warnings()[0],
            'Warmup failed: GET %s answered 404 Site not found LOOk'
            ' elsewhere. Next try in 1 s.' % self.url)

    def test_a_server_error_is_a_failure(self):
        self.serve(lambda: (500, 'Oops'))
        self.start()
        self.assertVerdict(
            'Warmup failed: GET %s answered 500 Oops' % self.url)

    def test_a_warmup_that_fails_is_tried_again(self):
        answers = [self.fail, self.warm]
        zope = self.serve(lambda: answers.pop(0)())
        self.start()
        self.assertVerdict('Warmup failed: KeyError: 1')
        self.assertEqual(self.lifecycle.warmup_failures, 1)
        self.assertVerdict('OK')
        self.assertEqual(len(zope.requests), 2)
        self.assertEqual(
            self.warnings(),
            ['Warmup failed: KeyError: 1. Next try in 1 s.'])

    def test_a_warmup_that_somebody_else_began_is_waited_for(self):
        self.lifecycle.begin_warmup()
        asked = []

        def addresses():
            asked.append(1)
            return [self.address]

        # Called once in each turn.
        turns = []
        pause = self.lifecycle.warmup_retry_pause
        self.lifecycle.warmup_retry_pause = (
            lambda: turns.append(1) or pause())
        zope = self.serve(self.warm)
        self.start(addresses)
        self.assertTrue(until(lambda: len(turns) > 3))
        self.assertVerdict('Warmup in progress')
        self.lifecycle.end_warmup([], [])
        self.thread.join(PATIENCE)
        self.assertFalse(self.thread.is_alive())
        self.assertEqual((asked, zope.requests), ([], []))

    def test_one_that_is_in_progress_by_the_time_of_the_answer(self):
        answers = []

        def answer():
            answers.append(1)
            self.lifecycle.begin_warmup()
            return 503, 'Warmup in progress'

        self.serve(answer)
        self.start()
        self.assertTrue(until(lambda: answers))
        self.assertVerdict('Warmup in progress')
        self.lifecycle.end_warmup([], [])
        self.assertVerdict('OK')
        self.assertEqual(self.lifecycle.warmup_failures, 0)

    def test_the_success_of_another_process_is_a_failure(self):
        # Somebody else has the port: this process stays cold.
        self.serve(lambda: (200, 'Warmup successful'))
        self.start()
        self.assertVerdict(
            'Warmup failed: GET %s: the answer comes from another process, or'
            ' not from the application root' % self.url)

    def test_any_other_page_is_a_failure(self):
        self.serve(lambda: (200, '<html>Welcome'))
        self.start()
        self.assertVerdict(
            'Warmup failed: GET %s answered 200 <html>Welcome' % self.url)

    def test_a_connection_that_breaks_is_a_failure(self):
        self.serve(lambda: None)
        self.start()
        self.assertTrue(until(lambda: self.lifecycle.warmup_failures))
        self.assertTrue(self.lifecycle.verdict().startswith(
            'Warmup failed: GET %s: ' % self.url), self.lifecycle.verdict())

    def test_a_connection_that_breaks_during_the_warmup_is_waited_over(self):
        def answer():
            self.lifecycle.begin_warmup()

        zope = self.serve(answer)
        self.start()
        self.assertTrue(until(lambda: zope.requests))
        self.assertVerdict('Warmup in progress')
        self.lifecycle.end_warmup([], [])
        self.assertVerdict('OK')
        self.assertEqual(self.lifecycle.warmup_failures, 0)

    def test_it_survives_whatever_happens(self):
        calls = []

        def addresses():
            calls.append(1)
            if len(calls) == 1:
                raise KeyError('psutil')
            return [self.address]

        self.serve(self.warm)
        self.start(addresses)
        self.assertVerdict("Warmup failed: KeyError: 'psutil'")
        self.assertVerdict('OK')
        self.assertIn('Autowarmup failed.', self.warnings())

    def test_it_can_be_stopped_while_it_waits_for_the_port(self):
        self.start()
        self.stop()
        self.assertVerdict('Instance is booting')

    def test_it_can_be_stopped_between_two_attempts(self):
        zope = self.serve(self.fail)
        # So that it waits for a minute.
        self.lifecycle.warmup_failures = 100
        self.start()
        self.assertTrue(until(self.warnings))
        self.stop()
        self.assertEqual(len(zope.requests), 1)

    def test_stopped_before_it_starts_it_asks_nobody(self):
        zope = self.serve(self.warm)
        thread = Autowarmup(
            self.lifecycle, lambda: [self.address], NoTurns())
        thread.stop()
        thread.start()
        thread.join(PATIENCE)
        self.assertFalse(thread.is_alive())
        self.assertEqual(zope.requests, [])

    def test_it_says_that_it_runs(self):
        self.assertFalse(self.lifecycle.autowarmup_runs)
        self.serve(self.warm)
        thread = Autowarmup(
            self.lifecycle, lambda: [self.address], NoTurns())
        self.assertTrue(self.lifecycle.autowarmup_runs)
        thread.start()
        thread.join(PATIENCE)
        self.assertFalse(self.lifecycle.autowarmup_runs)


class TestTakingTurns(AutowarmupCase):

    def test_others_go_first(self):
        zope = self.serve(self.warm)
        turns = DummyTurns('instance1')
        self.start(turns=turns)
        self.assertTrue(until(lambda: turns.asked > 3))
        self.assertEqual('instance1', self.lifecycle.warmup_waiting_for)
        self.assertVerdict('Instance is booting')
        turns.holders[:] = ['instance2']
        self.assertTrue(until(
            lambda: self.lifecycle.warmup_waiting_for == 'instance2'))
        self.assertEqual([], zope.requests)
        turns.holders[:] = []
        self.assertVerdict('OK')
        self.thread.join(PATIENCE)
        self.assertIsNone(self.lifecycle.warmup_waiting_for)
        self.assertEqual(1, len(zope.requests))
        self.assertEqual([], self.log.records)

    def test_it_has_its_turn_until_the_warmup_has_ended(self):
        turns = DummyTurns()
        taken = []

        def answer():
            taken.append(turns.taken)
            return self.warm()

        self.serve(answer)
        self.start(turns=turns)
        self.thread.join(PATIENCE)
        self.assertEqual(([True], False), (taken, turns.taken))

    def test_others_go_first_while_a_failed_warmup_pauses(self):
        turns = DummyTurns()
        answers = [self.fail, self.warm]
        zope = self.serve(lambda: answers.pop(0)())
        self.start(turns=turns)
        self.assertTrue(until(self.warnings))
        self.assertTrue(until(lambda: not turns.taken))
        self.assertEqual(1, turns.asked)
        turns.holders.append('instance1')
        self.assertTrue(until(lambda: turns.asked > 3))
        self.assertVerdict('Warmup failed: KeyError: 1')
        self.assertEqual('instance1', self.lifecycle.warmup_waiting_for)
        self.assertEqual(1, len(zope.requests))
        turns.holders[:] = []
        self.assertVerdict('OK')
        self.assertEqual(
            self.warnings(), ['Warmup failed: KeyError: 1. Next try in 1 s.'])

    def test_nobody_waits_for_one_whose_port_does_not_accept(self):
        turns = DummyTurns()
        asked = []

        def addresses():
            asked.append(1)
            return [self.address]

        self.start(addresses, turns)
        self.assertTrue(until(lambda: len(asked) > 3))
        self.assertEqual(0, turns.asked)

    def test_it_has_its_turn_until_a_warmup_ends_that_goes_on_without_it(self):
        turns = DummyTurns()

        def answer():
            self.lifecycle.begin_warmup()

        self.serve(answer)
        self.start(turns=turns)
        self.assertTrue(until(self.warnings))
        self.assertVerdict('Warmup in progress')
        self.assertTrue(turns.taken)
        self.lifecycle.end_warmup([], [])
        self.thread.join(PATIENCE)
        self.assertFalse(turns.taken)

    def test_while_it_waits_somebody_else_may_begin(self):
        zope = self.serve(self.warm)
        turns = DummyTurns('instance1')
        self.start(turns=turns)
        self.assertTrue(until(lambda: turns.asked))
        self.lifecycle.begin_warmup()
        self.lifecycle.end_warmup([], [])
        self.thread.join(PATIENCE)
        self.assertFalse(self.thread.is_alive())
        self.assertEqual([], zope.requests)
        self.assertIsNone(self.lifecycle.warmup_waiting_for)

    def test_it_can_be_stopped_while_it_waits(self):
        self.serve(self.warm)
        turns = DummyTurns('instance1')
        self.start(turns=turns)
        self.assertTrue(until(lambda: turns.asked))
        self.stop()
        self.assertIsNone(self.lifecycle.warmup_waiting_for)

    def test_what_goes_wrong_with_the_turns_does_not_end_it(self):
        turns = DummyTurns()
        turns.take = None
        self.serve(self.warm)
        self.start(turns=turns)
        self.assertTrue(until(lambda: self.lifecycle.warmup_failures))
        self.assertTrue(self.lifecycle.verdict().startswith(
            'Warmup failed: TypeError: '), self.lifecycle.verdict())
        del turns.take
        self.assertVerdict('OK')


class TestHost(unittest.TestCase):

    def host_at(self, address, listening):
        with closing(listening):
            with closing(address.connect(PATIENCE)) as connected:
                return host_of(connected)

    def listening(self, family, host):
        listening = socket.socket(family)
        listening.bind((host, 0))
        listening.listen(1)
        return listening, listening.getsockname()[1]

    def test_of_ipv4(self):
        for host in ('127.0.0.1', 'localhost', '0.0.0.0', ''):
            listening, port = self.listening(socket.AF_INET, '127.0.0.1')
            self.assertEqual('127.0.0.1:%d' % port, self.host_at(
                TCPAddress(host, port), listening))

    @unittest.skipUnless(has_ipv6(), 'this machine has no IPv6 loopback')
    def test_of_ipv6(self):
        for host in ('::1', '::'):
            listening, port = self.listening(socket.AF_INET6, '::1')
            self.assertEqual('[::1]:%d' % port, self.host_at(
                TCPAddress(host, port), listening))

    def test_of_a_unix_socket(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        address = UnixAddress(os.path.join(folder, 'zope'))
        listening, = address.listen()
        self.assertEqual('localhost', self.host_at(address, listening))
