"""An instance ends, and leaves nothing behind."""

from contextlib import closing
from tests.functional.case import FunctionalCase
from tests.functional.processes import REFUSED
from tests.functional.processes import say
from tests.functional.processes import wait_until
import os
import signal
import socket


class TestTheEnd(FunctionalCase):

    def end(self, instance, number):
        """End it by a signal, and wait until all of it has gone."""
        instance.send(number)
        wait_until(lambda: instance.process.poll() is not None, instance.log)
        wait_until(lambda: instance.health() == REFUSED, instance.log)

    def test_the_next_one_starts_at_once_on_the_same_port(self):
        instance = self.instance()
        instance.start().wait_for_health('OK')
        for number in (signal.SIGTERM, signal.SIGINT):
            # A client that stays leaves the port in TIME_WAIT.
            with closing(socket.create_connection(instance.monitor)) as client:
                client.sendall(b'interactive\r\n')
                self.assertTrue(client.recv(100))
                self.end(instance, number)
            instance.start().wait_for_health('OK')
        self.assertNotIn('cannot listen', instance.log())
        self.assertNotIn('Traceback', instance.log())

    def assertSocketGoes(self, number):
        instance = self.instance()
        path = instance.path('monitor')
        instance.start(environ={'FTW_MONITOR_ADDRESS': path})
        wait_until(lambda: os.path.exists(path)
                   and say(path, 'health_check') == 'OK\n', instance.log)
        self.end(instance, number)
        self.assertFalse(os.path.exists(path), instance.log())

    def test_sigterm_leaves_no_socket(self):
        self.assertSocketGoes(signal.SIGTERM)

    def test_sigint_leaves_no_socket(self):
        self.assertSocketGoes(signal.SIGINT)
