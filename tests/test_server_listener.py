from ftw.monitor import server
from ftw.monitor.address import AddressTaken
from ftw.monitor.address import TCPAddress
from ftw.monitor.address import UnixAddress
from ftw.monitor.commands import basics
from ftw.monitor.compat import PY2
from ftw.monitor.interfaces import ILoopbackCommand
from ftw.monitor.interfaces import IMonitorPlugin
from ftw.monitor.interfaces import IQuickCommand
from ftw.monitor.server import protocol
from ftw.monitor.server.markers import MORE_MARKER
from ftw.monitor.server.markers import QUIT_MARKER
from tests.loopback import everything
from tests.loopback import has_ipv6
from tests.loopback import PATIENCE
from tests.loopback import until
from tests.recorded_log import RecordedLog
from tests.worlds import only_with_our_listener
from zope.component import provideUtility
from zope.component import testing
from zope.interface import provider
import errno
import os
import psutil
import select
import shutil
import socket
import tempfile
import threading
import time
import unittest


if not PY2:
    from ftw.monitor.server import listener
    from ftw.monitor.server.listener import Listener


GREETING = b'Interactive mode on.  Use "quit" To exit.\n'

BIG = 5 * 1024 * 1024


@provider(IMonitorPlugin, IQuickCommand)
def health_check(connection):
    connection.write('OK\n')


def echo(connection, *args):
    connection.write(' '.join(args) + '\n')
    return QUIT_MARKER if args == ('stop',) else MORE_MARKER


def big(connection):
    connection.write(BIG * 'x' + '\n')


@provider(IMonitorPlugin, IQuickCommand)
def quick_big(connection):
    connection.write(BIG * 'x' + '\n')


class SlowCommand(object):
    """Does not return before it may."""

    def __init__(self):
        self.may_return = threading.Event()
        self.began = threading.Semaphore(0)

    def __call__(self, connection):
        self.began.release()
        self.may_return.wait(PATIENCE)
        connection.write('at last\n')


def exactly(client, expected):
    """As many bytes as *expected* has; the connection may stay open."""
    received = b''
    while len(received) < len(expected):
        part = client.recv(len(expected) - len(received))
        if not part:
            break
        received += part
    return received


def monitor_threads():
    return [thread.name for thread in threading.enumerate()
            if thread.name.startswith('ftw.monitor')]


def open_files():
    return psutil.Process().num_fds()


@only_with_our_listener
class ListenerCase(unittest.TestCase):

    def setUp(self):
        testing.setUp()
        self.addCleanup(testing.tearDown)
        for command in (basics.help, basics.interactive, basics.quit,
                        health_check, echo, big, quick_big):
            provideUtility(command, IMonitorPlugin, command.__name__)
        self.slow = SlowCommand()
        provideUtility(self.slow, IMonitorPlugin, 'slow')
        self.addCleanup(self.slow.may_return.set)

        self.log = RecordedLog.installed(self)

        # What ends a thread would else only be printed.
        self.crashes = []
        self.addCleanup(
            setattr, threading, 'excepthook', threading.excepthook)
        threading.excepthook = self.crashes.append

    def patch(self, name, value):
        self.addCleanup(setattr, listener, name, getattr(listener, name))
        setattr(listener, name, value)

    def start(self):
        listening = socket.socket()
        # As ftw.monitor.address does, for the next one who takes the port.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(('127.0.0.1', 0))
        listening.listen(1024)
        self.address = listening.getsockname()
        self.listener = Listener([listening])
        self.listener.start()
        self.addCleanup(self.stop)

    def stop(self):
        self.slow.may_return.set()
        self.close()
        self.assertTrue(until(lambda: not monitor_threads()),
                        monitor_threads())

    def close(self):
        if self.listener is not None:
            self.listener.close()
            self.listener = None

    def connect(self):
        client = socket.create_connection(self.address, PATIENCE)
        self.addCleanup(client.close)
        return client

    def ask(self, sent):
        client = self.connect()
        client.sendall(sent)
        return everything(client)


@provider(IMonitorPlugin, ILoopbackCommand)
def secret(connection):
    connection.write('told\n')


class FarSocket(socket.socket):
    """Its clients seem to be on another host."""

    def accept(self):
        return socket.socket.accept(self)[0], ('192.0.2.7', 40000)


class TestStrangers(ListenerCase):

    def setUp(self):
        ListenerCase.setUp(self)
        provideUtility(secret, IMonitorPlugin, 'secret')

    def asked(self, listening, address):
        """What the client of a listener at *address* is answered."""
        listening.bind(address)
        listening.listen(5)
        self.listener = Listener([listening])
        self.addCleanup(self.stop)
        self.listener.start()
        with socket.socket(listening.family) as client:
            client.settimeout(PATIENCE)
            client.connect(listening.getsockname())
            client.sendall(b'secret\n')
            return everything(client)

    def test_a_client_of_another_host_is_refused(self):
        self.assertEqual(
            b'Error: secret answers only to clients on the same host, by'
            b' loopback or UNIX socket.\n',
            self.asked(FarSocket(), ('127.0.0.1', 0)))

    def test_one_that_comes_by_loopback_is_answered(self):
        self.assertEqual(
            b'told\n', self.asked(socket.socket(), ('127.0.0.1', 0)))

    @unittest.skipUnless(has_ipv6(), 'There is no IPv6 here.')
    def test_one_that_comes_by_ipv6_loopback_is_answered(self):
        self.assertEqual(b'told\n', self.asked(
            socket.socket(socket.AF_INET6), ('::1', 0)))

    def test_one_that_comes_by_a_unix_socket_is_answered(self):
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        self.assertEqual(b'told\n', self.asked(
            socket.socket(socket.AF_UNIX), os.path.join(directory, 'm')))


class TestAnswers(ListenerCase):

    def setUp(self):
        ListenerCase.setUp(self)
        self.start()

    def test_a_quick_command(self):
        self.assertEqual(self.ask(b'health_check\n'), b'OK\n')
        self.assertEqual(self.ask(b'health_check\r\n'), b'OK\n')

    def test_a_command_that_may_block(self):
        self.slow.may_return.set()
        self.assertEqual(self.ask(b'slow\n'), b'at last\n')

    def test_an_unknown_command(self):
        self.assertEqual(
            self.ask(b'nope\n'), b'Invalid command \'nope\'\nTry "help".\n')

    def test_a_line_that_comes_byte_by_byte(self):
        client = self.connect()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(len(b'health_check\n')):
            client.sendall(b'health_check\n'[number:number + 1])
        self.assertEqual(everything(client), b'OK\n')

    def test_a_line_without_newline_from_a_client_that_half_closes(self):
        for command in (b'health_check', b'slow'):
            self.slow.may_return.set()
            client = self.connect()
            client.sendall(command)
            client.shutdown(socket.SHUT_WR)
            self.assertIn(everything(client), (b'OK\n', b'at last\n'))

    def test_a_client_that_half_closes_after_its_line(self):
        # As "echo health_check | nc host port" does.
        for command in (b'health_check\n', b'slow\n', b'big\n'):
            self.slow.may_return.set()
            client = self.connect()
            client.sendall(command)
            client.shutdown(socket.SHUT_WR)
            self.assertIn(everything(client), (
                b'OK\n', b'at last\n', BIG * b'x' + b'\n'))

    def test_a_client_that_says_nothing_and_goes(self):
        client = self.connect()
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(everything(client), b'')

    def test_a_client_that_resets_the_connection(self):
        for sent in (b'', b'heal', b'health_check\n', b'big\n', b'slow\n'):
            client = self.connect()
            # Closing sends a reset now.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              b'\1\0\0\0\0\0\0\0')
            client.sendall(sent)
            client.close()
        self.slow.may_return.set()
        self.assertEqual(self.ask(b'health_check\n'), b'OK\n')
        self.assertEqual(self.log.records, [])

    def test_an_interactive_client_that_resets_the_connection(self):
        # There are lines left to be answered.
        client = self.connect()
        client.sendall(b'interactive\nslow\nslow\nhealth_check\n')
        self.assertTrue(self.slow.began.acquire(timeout=PATIENCE))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          b'\1\0\0\0\0\0\0\0')
        client.close()
        self.slow.may_return.set()
        client = self.connect()
        client.settimeout(5)
        client.sendall(b'slow\n')
        self.assertEqual(everything(client), b'at last\n')
        self.assertEqual(self.log.records, [])

    def test_junk_after_the_command_does_not_lose_the_answer(self):
        # Closing with unread bytes would make the kernel send a reset.
        self.slow.may_return.set()
        for command, answer in ((b'health_check\n', b'OK\n'),
                                (b'slow\n', b'at last\n'),
                                (b'big\n', BIG * b'x' + b'\n')):
            for junk in (b'junk', b'health_check\n', 100000 * b'junk\n'):
                client = self.connect()
                client.sendall(command + junk)
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(everything(client), answer)

    def test_junk_of_a_client_that_stays(self):
        self.assertEqual(self.ask(b'health_check\njunk'), b'OK\n')

    def test_a_line_that_is_too_long(self):
        for length in (protocol.MAX_LINE + 1, 200000):
            self.assertEqual(
                self.ask(length * b'x'),
                b'Error: the line is longer than 8192 bytes.\n')

    def test_the_longest_line(self):
        line = b'health_check'.ljust(protocol.MAX_LINE - 1) + b'\n'
        self.assertEqual(self.ask(line), b'OK\n')
        for cut in (1, 5, protocol.MAX_LINE - 1):
            client = self.connect()
            client.sendall(line[:cut])
            client.sendall(line[cut:])
            self.assertEqual(everything(client), b'OK\n')
        self.assertEqual(self.ask(b' ' + line),
                         b'Error: the line is longer than 8192 bytes.\n')

    def test_a_big_answer_arrives_whole_at_a_slow_reader(self):
        for command in (b'big\n', b'quick_big\n'):
            client = socket.socket()
            self.addCleanup(client.close)
            client.settimeout(PATIENCE)
            # So that the buffers are full most of the time.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(self.address)
            client.sendall(command)
            received = b''
            while True:
                part = client.recv(32768)
                if not part:
                    break
                received += part
                # Others are served in the meantime.
                if len(received) % 97 == 0:
                    self.assertEqual(self.ask(b'health_check\n'), b'OK\n')
            self.assertEqual(len(received), BIG + 1)
            self.assertEqual(received, BIG * b'x' + b'\n')

    def test_an_interactive_session(self):
        client = self.connect()
        for sent, answer in (
                (b'interactive\n', GREETING),
                (b'health_check\n', b'OK\n'),
                (b'\n', b'OK\n'),
                (b'nope\n', b'Invalid command \'nope\'\nTry "help".\n')):
            client.sendall(sent)
            self.assertEqual(exactly(client, answer), answer)
        self.slow.may_return.set()
        client.sendall(b'slow\n')
        self.assertEqual(exactly(client, b'at last\n'), b'at last\n')
        client.sendall(b'quit\n')
        self.assertEqual(everything(client), b'Goodbye.\n')

    def test_an_interactive_session_in_one_packet(self):
        self.slow.may_return.set()
        self.assertEqual(
            self.ask(b'interactive\nslow\nhealth_check\n\nquit\nslow\n'),
            GREETING + b'at last\nOK\nOK\nGoodbye.\n')

    def test_a_command_that_wants_more_input(self):
        client = self.connect()
        for word in (b'echo a\n', b'b\n', b'\n'):
            client.sendall(word)
            answer = word.replace(b'echo ', b'')
            self.assertEqual(exactly(client, answer), answer)
        client.sendall(b'stop\n')
        self.assertEqual(everything(client), b'stop\n')

    def test_what_comes_while_a_command_runs_has_its_turn_after_it(self):
        client = self.connect()
        client.sendall(b'interactive\nslow\n')
        self.assertTrue(self.slow.began.acquire(timeout=PATIENCE))
        client.sendall(b'health_check\nquit\n')
        self.slow.may_return.set()
        self.assertEqual(
            everything(client), GREETING + b'at last\nOK\nGoodbye.\n')


class TestOnlyQuickCommandsAreNeverDelayed(ListenerCase):

    def test_by_a_command_that_blocks(self):
        self.start()
        blocked = self.connect()
        blocked.sendall(b'slow\n')
        self.assertTrue(self.slow.began.acquire(timeout=PATIENCE))
        self.assertEqual(self.ask(b'health_check\n'), b'OK\n')
        # Neither in the slow lane.
        self.assertEqual(self.ask_in_two_packets(), b'OK\n')
        self.slow.may_return.set()
        self.assertEqual(everything(blocked), b'at last\n')

    def ask_in_two_packets(self):
        client = self.connect()
        client.sendall(b'health_')
        client.sendall(b'check\n')
        return everything(client)

    def test_by_many_commands_that_block_and_one_more_is_refused(self):
        self.start()
        blocked = []
        for _ in range(listener.MAX_RUNNING):
            blocked.append(self.connect())
            blocked[-1].sendall(b'slow\n')
            self.assertTrue(self.slow.began.acquire(timeout=PATIENCE))
        self.assertEqual(
            self.ask(b'slow\n'),
            b'Error: 16 commands are still running; try again later.\n')
        self.assertEqual(self.ask(b'health_check\n'), b'OK\n')
        self.assertEqual(self.ask_in_two_packets(), b'OK\n')
        self.slow.may_return.set()
        for client in blocked:
            self.assertEqual(everything(client), b'at last\n')
        self.assertEqual(self.ask(b'slow\n'), b'at last\n')

    def test_by_commands_whose_clients_have_gone(self):
        self.start()
        for _ in range(2 * listener.MAX_RUNNING):
            client = self.connect()
            client.sendall(b'slow\n')
            client.close()
        self.assertEqual(self.ask(b'health_check\n'), b'OK\n')
        self.slow.may_return.set()
        self.assertTrue(until(lambda: self.ask(b'slow\n') == b'at last\n'))

    def test_by_commands_that_end_their_thread(self):
        def script(connection):
            raise SystemExit(1)

        provideUtility(script, IMonitorPlugin, 'script')
        self.start()
        for _ in range(listener.MAX_RUNNING + 1):
            client = self.connect()
            client.settimeout(5)
            client.sendall(b'script\n')
            self.assertTrue(everything(client).startswith(
                b'Error: script failed with SystemExit'))

    def test_by_commands_whose_usage_cannot_be_shown(self):
        class Unprintable(object):
            def __str__(self):
                raise ValueError('not me')

        def odd(connection, word=Unprintable()):  # noqa: B008
            raise ValueError('and not me')

        provideUtility(odd, IMonitorPlugin, 'odd')
        self.start()
        for number in range(listener.MAX_RUNNING + 1):
            self.connect().sendall(b'odd\n')
            self.assertTrue(until(
                lambda number=number: len(self.crashes) == number + 1))
        self.slow.may_return.set()
        self.assertEqual(self.ask(b'slow\n'), b'at last\n')

    def test_by_a_quick_command_that_wants_to_exit(self):
        @provider(IMonitorPlugin, IQuickCommand)
        def script(connection):
            raise SystemExit(1)

        provideUtility(script, IMonitorPlugin, 'script')
        self.start()
        client = self.connect()
        client.sendall(b'script\n')
        client = self.connect()
        client.settimeout(5)
        client.sendall(b'health_check\n')
        self.assertEqual(everything(client), b'OK\n')

    def test_by_silent_clients(self):
        self.start()
        for _ in range(10):
            self.connect()
        self.assertEqual(self.ask(b'health_check\n'), b'OK\n')

    def test_by_silent_clients_if_sockets_have_a_default_timeout(self):
        # Some products set one for the whole process.
        self.addCleanup(socket.setdefaulttimeout, None)
        socket.setdefaulttimeout(PATIENCE)
        self.start()
        self.connect()
        client = self.connect()
        client.settimeout(5)
        client.sendall(b'health_check\n')
        self.assertEqual(everything(client), b'OK\n')

    def test_by_a_client_that_sends_many_lines_at_once(self):
        lines = 10 * listener.MAX_CALLS
        called = []
        first = threading.Event()
        may_go_on = threading.Event()
        self.addCleanup(may_go_on.set)

        @provider(IMonitorPlugin, IQuickCommand)
        def count(connection):
            called.append(True)
            first.set()
            may_go_on.wait(PATIENCE)

        @provider(IMonitorPlugin, IQuickCommand)
        def counted(connection):
            connection.write('%d\n' % len(called))

        provideUtility(count, IMonitorPlugin, 'count')
        provideUtility(counted, IMonitorPlugin, 'counted')
        self.start()
        probe = self.connect()
        probe.sendall(b'interactive\n')
        self.assertEqual(exactly(probe, GREETING), GREETING)
        greedy = self.connect()
        greedy.sendall(b'interactive\n')
        self.assertEqual(exactly(greedy, GREETING), GREETING)
        greedy.sendall(lines * b'count\n' + b'quit\n')
        self.assertTrue(first.wait(PATIENCE))
        probe.sendall(b'counted\nquit\n')
        may_go_on.set()
        answer = everything(probe)
        self.assertTrue(int(answer.split()[0]) <= 2 * listener.MAX_CALLS,
                        answer)
        self.assertEqual(everything(greedy), b'Goodbye.\n')
        self.assertEqual(len(called), lines)

    def test_by_clients_that_do_not_read(self):
        self.start()
        for _ in range(5):
            self.connect().sendall(b'quick_big\n')
        self.assertEqual(self.ask(b'health_check\n'), b'OK\n')
        self.assertEqual(self.ask_in_two_packets(), b'OK\n')

    def test_by_a_flood_of_silent_clients(self):
        # Nobody is dropped for any other reason.
        self.patch('LINE_TIMEOUT', 10 * PATIENCE)
        self.start()
        flood = []
        for _ in range(70):
            flood.append(self.connect())
            flood[-1].sendall(b'heal')
        self.assertEqual(self.ask(b'health_check\n'), b'OK\n')
        # Those who have been idle longest are gone. The probe itself may have
        # been waiting for its line to come, and needed one place more.
        self.assertTrue(until(lambda: not self.is_open(flood[5])))
        self.assertEqual([self.is_open(client) for client in flood[:6]],
                         6 * [False])
        self.assertEqual([self.is_open(client) for client in flood[7:]],
                         63 * [True])
        flood[-1].sendall(b'th_check\n')
        self.assertEqual(everything(flood[-1]), b'OK\n')

    def test_by_a_flood_of_clients_in_interactive_mode(self):
        self.start()
        flood = [self.connect() for _ in range(listener.MAX_WAITING)]
        for client in flood:
            client.sendall(b'interactive\n')
            self.assertEqual(exactly(client, GREETING), GREETING)
        # The first one is not the one that is idle longest.
        flood[0].sendall(b'health_check\n')
        self.assertEqual(exactly(flood[0], b'OK\n'), b'OK\n')
        self.connect().sendall(b'heal')
        self.assertTrue(until(lambda: not self.is_open(flood[1])))
        self.assertEqual(everything(flood[1]), b'')
        self.assertEqual(self.ask(b'health_check\n'), b'OK\n')
        flood[0].sendall(b'\nquit\n')
        self.assertEqual(everything(flood[0]), b'OK\nGoodbye.\n')

    def test_and_a_flood_drops_nobody_whose_command_runs(self):
        self.start()
        blocked = self.connect()
        blocked.sendall(b'slow\n')
        self.assertTrue(self.slow.began.acquire(timeout=PATIENCE))
        flood = []
        for _ in range(listener.MAX_WAITING + 6):
            flood.append(self.connect())
            flood[-1].sendall(b'heal')
        self.assertTrue(until(lambda: not self.is_open(flood[5])))
        self.slow.may_return.set()
        self.assertEqual(everything(blocked), b'at last\n')

    def is_open(self, client):
        # There is something to read when it is closed.
        return not select.select([client], [], [], 0)[0]


class TestDeadline(ListenerCase):

    def setUp(self):
        ListenerCase.setUp(self)
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        self.client = listener.Client(
            ours, protocol.Conversation(True), b'', None)

    def feed(self, line):
        self.client.conversation.feed(line)
        self.client.conversation.next_call().run()

    def assertSeconds(self, seconds):
        self.client.active = 1000
        self.assertEqual(self.client.deadline(), 1000 + seconds)

    def test_to_finish_a_line(self):
        self.assertSeconds(5)
        self.client.conversation.feed(b'heal')
        self.assertSeconds(5)

    def test_to_say_something_in_interactive_mode(self):
        self.feed(b'interactive\n')
        self.assertSeconds(600)

    def test_to_say_more_to_a_command_that_wants_it(self):
        self.feed(b'echo\n')
        self.assertSeconds(600)

    def test_to_take_the_answer(self):
        self.feed(b'interactive\n')
        self.client.unsent = GREETING
        self.assertSeconds(5)

    def test_to_read_the_answer_although_there_is_more_to_be_answered(self):
        self.client.lingering = True
        self.assertSeconds(2)


class TestPatience(ListenerCase):

    def test_who_does_not_finish_the_line_is_told_and_closed(self):
        self.patch('LINE_TIMEOUT', 0.2)
        self.start()
        for sent in (b'', b'health_check', b'\n'):
            self.assertEqual(
                self.ask(sent), b'Error: no line within 0 s.\n')

    def test_who_sends_a_byte_now_and_then_is_closed_as_well(self):
        self.patch('LINE_TIMEOUT', 0.3)
        self.start()
        client = self.connect()
        deadline = time.monotonic() + PATIENCE
        answer = None
        client.settimeout(0.05)
        while answer is None and time.monotonic() < deadline:
            try:
                client.sendall(b'x')
                answer = client.recv(100)
            except socket.timeout:
                continue
            except ConnectionError:
                answer = b''
        self.assertIn(answer, (b'', b'Error: no line within 0 s.\n'))

    def test_who_is_interactive_has_more_time(self):
        self.patch('LINE_TIMEOUT', 0.1)
        self.start()
        client = self.connect()
        client.sendall(b'interactive\n')
        self.assertEqual(exactly(client, GREETING), GREETING)
        # By the time this one is told, the other would have been closed.
        self.assertEqual(self.ask(b''), b'Error: no line within 0 s.\n')
        client.sendall(b'quit\n')
        self.assertEqual(everything(client), b'Goodbye.\n')

    def test_who_is_interactive_and_idle_is_closed(self):
        self.patch('IDLE_TIMEOUT', 0.2)
        self.start()
        self.assertEqual(self.ask(b'interactive\n'),
                         GREETING + b'Error: no line within 0 s.\n')

    def test_who_does_not_take_the_answer_is_closed(self):
        self.patch('LINE_TIMEOUT', 0.2)
        self.start()
        files = open_files()
        client = self.connect()
        client.sendall(b'big\n')
        self.assertEqual(exactly(client, b'x'), b'x')
        self.assertTrue(until(lambda: open_files() == files + 1))
        # What was in the buffers by then is all.
        self.assertTrue(len(self.rest(client)) < BIG)

    def rest(self, client):
        try:
            return everything(client)
        except ConnectionResetError:
            return b''

    def test_who_goes_on_to_send_after_the_answer_is_closed(self):
        self.patch('LINGER_TIMEOUT', 0.2)
        self.start()
        client = self.connect()
        client.sendall(b'health_check\njunk')
        self.assertEqual(everything(client), b'OK\n')
        # A reset tells that nobody reads this any more.
        with self.assertRaises((BrokenPipeError, ConnectionResetError)):
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                client.sendall(b'junk')
                time.sleep(0.01)

    def test_a_command_may_take_as_long_as_it_likes(self):
        self.patch('LINE_TIMEOUT', 0.1)
        self.start()
        client = self.connect()
        client.sendall(b'slow\n')
        self.assertTrue(self.slow.began.acquire(timeout=PATIENCE))
        self.assertEqual(self.ask(b''), b'Error: no line within 0 s.\n')
        self.slow.may_return.set()
        self.assertEqual(everything(client), b'at last\n')

    def test_out_of_file_descriptors(self):
        # accept() fails until one who is idle has been dropped.
        class DummySocket(object):
            def __init__(self, real):
                self.real = real
                self.failures = 1

            def accept(self):
                accepted = self.real.accept()
                if self.failures:
                    self.failures -= 1
                    accepted[0].close()
                    raise OSError(errno.EMFILE, 'Too many open files')
                return accepted

            def __getattr__(self, name):
                return getattr(self.real, name)

        listening = socket.socket()
        listening.bind(('127.0.0.1', 0))
        listening.listen(5)
        self.address = listening.getsockname()
        self.listener = Listener([DummySocket(listening)])
        self.listener.start()
        self.addCleanup(self.stop)
        self.assertEqual(everything(self.connect()), b'')
        self.assertEqual(self.ask(b'health_check\n'), b'OK\n')
        record, = self.log.records
        self.assertIn('Too many open files', record.getMessage())


class TestTheEnd(ListenerCase):

    def test_threads_have_names_and_do_not_keep_the_process(self):
        self.start()
        self.connect().sendall(b'slow\n')
        self.assertTrue(self.slow.began.acquire(timeout=PATIENCE))
        self.assertEqual(sorted(monitor_threads()), [
            'ftw.monitor.accept-0', 'ftw.monitor.command-slow',
            'ftw.monitor.slow-lane'])
        for thread in threading.enumerate():
            if thread.name.startswith('ftw.monitor'):
                self.assertTrue(thread.daemon)

    def test_nothing_is_left(self):
        files = open_files()
        self.start()
        clients = [self.connect() for _ in range(5)]
        clients[0].sendall(b'interactive\n')
        self.assertEqual(exactly(clients[0], GREETING), GREETING)
        clients[1].sendall(b'heal')
        clients[2].sendall(b'big\n')
        self.close()
        self.assertTrue(until(lambda: not monitor_threads()))
        for client in clients:
            client.settimeout(PATIENCE)
            try:
                everything(client)
            except ConnectionResetError:
                pass
            client.close()
        self.assertEqual(open_files(), files)
        self.assertEqual(self.crashes, [])
        self.assertEqual(self.log.records, [])
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(self.address, PATIENCE)

    def test_the_port_can_be_taken_at_once(self):
        self.start()
        # These connections stay in TIME_WAIT.
        for _ in range(3):
            self.assertEqual(self.ask(b'health_check\n'), b'OK\n')
        self.connect()
        self.close()
        again, = TCPAddress(*self.address).listen()
        self.listener = Listener([again])
        self.listener.start()
        self.assertEqual(self.ask(b'health_check\n'), b'OK\n')

    def test_a_command_that_is_still_running_is_left_alone(self):
        self.start()
        client = self.connect()
        client.sendall(b'slow\n')
        self.assertTrue(self.slow.began.acquire(timeout=PATIENCE))
        self.close()
        self.assertEqual(monitor_threads(), ['ftw.monitor.command-slow'])
        self.assertEqual(everything(client), b'')
        self.slow.may_return.set()
        self.assertTrue(until(lambda: not monitor_threads()))
        self.assertEqual(
            [str(crash.exc_value) for crash in self.crashes], [])


class TestSeveralAddresses(ListenerCase):

    def setUp(self):
        ListenerCase.setUp(self)
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        self.path = os.path.join(self.directory, 'monitor')

    def start_on(self, *addresses):
        self.listener, problems = server.start(addresses)
        if self.listener is not None:
            self.addCleanup(self.stop)
        return problems

    def free_address(self):
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            return TCPAddress(*probe.getsockname())

    def ask_at(self, address):
        client = address.connect(PATIENCE)
        self.addCleanup(client.close)
        client.sendall(b'health_check\n')
        return everything(client)

    def test_a_unix_socket(self):
        address = UnixAddress(self.path)
        self.assertEqual(self.start_on(address), [])
        self.assertEqual(self.ask_at(address), b'OK\n')

    def test_the_file_of_a_unix_socket_is_removed_in_the_end(self):
        listening, = UnixAddress(self.path).listen()
        self.listener = Listener([listening])
        self.listener.start()
        self.assertTrue(os.path.exists(self.path))
        self.close()
        self.assertEqual(os.listdir(self.directory), [])

    def test_a_file_that_is_removed_already_does_no_harm(self):
        listening, = UnixAddress(self.path).listen()
        self.listener = Listener([listening])
        self.listener.start()
        os.unlink(self.path)
        self.close()

    def test_all_of_them_are_answered(self):
        addresses = [self.free_address(), self.free_address(),
                     UnixAddress(self.path)]
        self.assertEqual(self.start_on(*addresses), [])
        for address in addresses:
            self.assertEqual(self.ask_at(address), b'OK\n')
        self.assertEqual(
            sorted(monitor_threads()),
            ['ftw.monitor.accept-%d' % number for number in range(3)]
            + ['ftw.monitor.slow-lane'])

    def test_one_that_is_taken_does_not_stop_the_others(self):
        taken, free = self.free_address(), self.free_address()
        for listening in taken.listen():
            self.addCleanup(listening.close)
        (address, error), = self.start_on(taken, free)
        self.assertEqual(address, taken)
        self.assertIsInstance(error, AddressTaken)
        self.assertEqual(str(error), 'the address is in use')
        self.assertEqual(self.ask_at(free), b'OK\n')

    def test_none_left(self):
        taken = self.free_address()
        for listening in taken.listen():
            self.addCleanup(listening.close)
        problems = self.start_on(taken, UnixAddress(self.path + '/x'))
        self.assertIsNone(self.listener)
        self.assertEqual(len(problems), 2)
        self.assertEqual(monitor_threads(), [])
        self.assertEqual(self.start_on(), [])
        self.assertIsNone(self.listener)
