from contextlib import closing
from ftw.monitor import instance
from ftw.monitor.address import TCPAddress
from ftw.monitor.address import UnixAddress
from ftw.monitor.checks import http_port
from ftw.monitor.checks.http_port import HTTPPortCheck
from ftw.monitor.compat import PY2
from tests.loopback import everything
from tests.loopback import PATIENCE
from tests.patch import patch
from tests.recorded_log import RecordedLog
from tests.worlds import only_with_wsgi
import logging
import os
import shutil
import socket
import tempfile
import threading
import unittest


if not PY2:
    from ftw.monitor.instance import waitress_threads
    from waitress import create_server


class PortCase(unittest.TestCase):

    def setUp(self):
        self.addresses = []
        self.check = HTTPPortCheck(lambda: self.addresses)

    def bind(self, family=socket.AF_INET, where=('127.0.0.1', 0)):
        bound = socket.socket(family)
        self.addCleanup(bound.close)
        bound.bind(where)
        self.addresses.append(
            UnixAddress(where) if family == socket.AF_UNIX
            else TCPAddress(*bound.getsockname()))
        return bound

    def listen(self, *args):
        listening = self.bind(*args)
        listening.listen(5)
        return listening

    def accept_one(self, listening):
        """What a server does whose client hangs up."""
        said = []

        def accept():
            with closing(listening.accept()[0]) as connection:
                said.append(everything(connection))

        listening.settimeout(PATIENCE)
        thread = threading.Thread(target=accept)
        thread.start()
        self.addCleanup(thread.join, PATIENCE)
        return said

    def assertSays(self, state, words):
        result = self.check.check()
        self.assertEqual(state, result.state, result)
        self.assertIn(words, result.message)


class TestTheHTTPPort(PortCase):

    def setUp(self):
        PortCase.setUp(self)
        patch(self, instance, 'accepts_without_workers', lambda: True)

    def test_a_server_that_accepts_hears_not_a_word(self):
        said = self.accept_one(self.listen())
        self.assertSays(
            'ok', '%s accepts connections' % str(self.addresses[0]))
        self.assertEqual([b''], said)

    def test_one_that_listens_but_never_accepts(self):
        patch(self, http_port, 'PATIENCE', 0.1)
        self.listen()
        self.assertSays('error', '%s has not accepted a connection within'
                        % str(self.addresses[0]))

    def test_nobody_listens(self):
        self.bind()
        self.assertSays('error', '%s does not accept connections: '
                        % str(self.addresses[0]))

    def test_a_unix_socket(self):
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        listening = self.listen(
            socket.AF_UNIX, os.path.join(directory, 'http'))
        self.accept_one(listening)
        self.assertSays('ok', 'accepts connections')

    def test_each_address_is_asked(self):
        self.accept_one(self.listen())
        self.bind()
        self.assertSays('error', str(self.addresses[1]))

    def test_addresses_that_are_not_known(self):
        self.assertSays('ok', 'is not asked')

    def test_a_server_whose_workers_would_be_taken_is_not_asked(self):
        patch(self, instance, 'accepts_without_workers', lambda: False)
        self.bind()
        self.assertSays('ok', 'is not asked')


@only_with_wsgi
class TestWaitress(PortCase):

    def setUp(self):
        PortCase.setUp(self)
        self.called = threading.Event()
        self.may_return = threading.Event()
        self.calls = 0
        self.log = RecordedLog.installed(self, logging.DEBUG, 'waitress')
        self.serve()

    def app(self, environ, start_response):
        self.calls += 1
        self.called.set()
        self.may_return.wait(PATIENCE)
        start_response('204 No Content', [])
        return []

    def serve(self):
        server = create_server(self.app, map={}, listen='127.0.0.1:0',
                               threads=1)
        self.addresses = [TCPAddress(
            server.effective_host, int(server.effective_port))]
        thread = threading.Thread(target=server.run)
        thread.start()
        # In the order that is the reverse of this one.
        self.addCleanup(thread.join, PATIENCE)
        self.addCleanup(server.task_dispatcher.shutdown)
        self.addCleanup(self.close_all, server)
        self.addCleanup(self.may_return.set)

    @staticmethod
    def close_all(server):
        server.trigger.pull_trigger(
            lambda: server.asyncore.close_all(server._map))

    def test_it_accepts_and_logs_nothing(self):
        for _ in range(3):
            self.assertSays('ok', 'accepts connections')
        self.assertEqual([], self.log.messages)
        self.assertEqual(0, self.calls)

    def test_no_worker_is_taken(self):
        with closing(self.addresses[0].connect(PATIENCE)) as visitor:
            visitor.sendall(b'GET / HTTP/1.0\r\n\r\n')
            self.assertTrue(self.called.wait(PATIENCE))
            # The only one is busy.
            self.assertSays('ok', 'accepts connections')
            workers = instance.workers()
            self.assertEqual((1, 1, 0), tuple(workers))
            self.may_return.set()
            self.assertIn(b'204', everything(visitor))
        self.assertEqual(1, self.calls)
        self.assertIsNotNone(waitress_threads.dispatcher())
