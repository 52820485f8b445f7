from contextlib import closing
from ftw.monitor.server import at_once
from tests.loopback import everything
from tests.loopback import PATIENCE
from tests.patch import patch
from tests.worlds import only_with_our_listener
import ctypes
import errno
import os
import psutil
import select
import socket
import sys
import threading
import unittest


BIG = 5 * 1024 * 1024

#: Closing sends a reset.
NO_LINGER = b'\1\0\0\0\0\0\0\0'


class AtOnceCase(unittest.TestCase):

    def setUp(self):
        self.ours, self.theirs = self.pair()

    def pair(self):
        """Both ends of a TCP connection."""
        with closing(socket.socket()) as listening:
            listening.bind(('127.0.0.1', 0))
            listening.listen(1)
            theirs = socket.create_connection(
                listening.getsockname(), PATIENCE)
            self.addCleanup(theirs.close)
            ours, _ = listening.accept()
            self.addCleanup(ours.close)
        return ours, theirs

    def wait(self):
        """Until there is something to be read, the end included."""
        self.assertTrue(select.select([self.ours], [], [], PATIENCE)[0])

    def fill(self):
        """Send until there is no room left; return how many bytes it were."""
        total = 0
        while True:
            try:
                total += at_once.send(self.ours, BIG * b'x')
            except BlockingIOError:
                return total


@only_with_our_listener
class TestAtOnce(AtOnceCase):

    def setUp(self):
        AtOnceCase.setUp(self)
        self.assertIsNotNone(at_once.C)

    def test_what_has_come(self):
        self.theirs.sendall(b'health\0\xffcheck\n')
        self.wait()
        self.assertEqual(at_once.recv(self.ours, 6), b'health')
        self.assertEqual(at_once.recv(self.ours, 100), b'\0\xffcheck\n')

    def test_nothing_has_come(self):
        with self.assertRaises(BlockingIOError):
            at_once.recv(self.ours, 100)

    def test_nothing_has_come_to_a_socket_with_a_timeout(self):
        self.ours.settimeout(10 * PATIENCE)
        with self.assertRaises(BlockingIOError):
            at_once.recv(self.ours, 100)

    def test_the_other_end_has_said_that_this_is_all(self):
        self.theirs.sendall(b'quit')
        self.theirs.shutdown(socket.SHUT_WR)
        self.wait()
        self.assertEqual(at_once.recv(self.ours, 100), b'quit')
        self.wait()
        self.assertEqual(at_once.recv(self.ours, 100), b'')

    def test_the_other_end_is_gone(self):
        self.theirs.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.theirs.close()
        self.wait()
        with self.assertRaises(ConnectionResetError):
            at_once.recv(self.ours, 100)
        with self.assertRaises(BrokenPipeError):
            at_once.send(self.ours, b'OK\n')

    def test_what_is_sent(self):
        self.assertEqual(at_once.send(self.ours, b'O\0K\n'), 4)
        at_once.close(self.ours)
        self.assertEqual(everything(self.theirs), b'O\0K\n')

    def test_no_more_than_there_is_room_for(self):
        total = self.fill()
        self.assertTrue(0 < total)
        with self.assertRaises(BlockingIOError):
            at_once.send(self.ours, b'x')
        at_once.close(self.ours)
        self.assertEqual(len(everything(self.theirs)), total)

    def test_a_socket_that_is_closed(self):
        at_once.close(self.ours)
        with self.assertRaises(OSError) as caught:
            at_once.send(self.ours, b'x')
        self.assertEqual(caught.exception.errno, errno.EBADF)
        with self.assertRaises(OSError) as caught:
            at_once.recv(self.ours, 1)
        self.assertEqual(caught.exception.errno, errno.EBADF)

    def test_closing_twice_does_not_close_another_file(self):
        number = self.ours.fileno()
        at_once.close(self.ours)
        os.dup2(self.theirs.fileno(), number)
        self.addCleanup(os.close, number)
        at_once.close(self.ours)
        self.ours.close()
        self.assertTrue(os.fstat(number))

    def test_no_file_is_left(self):
        before = psutil.Process().num_fds()
        for _ in range(50):
            ours, theirs = self.pair()
            at_once.close(ours)
            theirs.close()
        self.assertEqual(psutil.Process().num_fds(), before)


@only_with_our_listener
class TestWithoutTheCLibrary(TestAtOnce):
    """The same, with the methods of the socket."""

    def setUp(self):
        AtOnceCase.setUp(self)
        patch(self, at_once, 'C', None)


@only_with_our_listener
class TestTheCLibrary(AtOnceCase):

    def test_a_signal_in_between(self):
        class DummyLibrary(object):
            """Its first call is interrupted."""
            calls = 0

            def recv(self, *args):
                self.calls += 1
                if self.calls == 1:
                    ctypes.set_errno(errno.EINTR)
                    return -1
                return real.recv(*args)

        real = at_once.C
        patch(self, at_once, 'C', DummyLibrary())
        self.theirs.sendall(b'x')
        self.wait()
        self.assertEqual(at_once.recv(self.ours, 100), b'x')
        self.assertEqual(at_once.C.calls, 2)

    def test_no_other_thread_has_its_turn_meanwhile(self):
        may_go = threading.Event()
        went = []

        def go():
            may_go.wait(PATIENCE)
            went.append(True)

        thread = threading.Thread(target=go)
        thread.start()
        self.theirs.sendall(1000 * b'x')
        self.wait()
        # A thread that wants the interpreter lock gets it only when the one
        # that has it gives it up.
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(10 * PATIENCE)
        may_go.set()
        for _ in range(1000):
            at_once.recv(self.ours, 1)
            at_once.send(self.ours, b'x')
        at_once.close(self.ours)
        self.assertEqual(went, [])
        thread.join()
        self.assertEqual(went, [True])

    def test_there_is_none_everywhere(self):
        class DummyCtypes(object):
            """As on Windows."""

            @staticmethod
            def PyDLL(name, use_errno):
                raise TypeError('not None')

        patch(self, at_once, 'ctypes', DummyCtypes)
        self.assertIsNone(at_once._load())
        patch(self, at_once, 'ctypes', None)
        self.assertIsNone(at_once._load())
