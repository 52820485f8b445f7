from ftw.monitor.commands import basics
from ftw.monitor.commands import health
from ftw.monitor.interfaces import ILifecycle
from ftw.monitor.interfaces import IMonitorPlugin
from ftw.monitor.lifecycle import Lifecycle
from ftw.monitor.server.markers import MORE_MARKER
from ftw.monitor.server.protocol import Conversation
from ftw.monitor.server.protocol import MAX_LINE
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from tests.conversations import converse
from tests.loopback import everything
from tests.loopback import until
from tests.test_server_listener import ListenerCase
from tests.test_server_listener import monitor_threads
from tests.test_server_listener import open_files
from tests.worlds import only_with_our_listener
from zope.component import provideUtility
import socket


#: What a client may send: parts of commands, what separates them, and what
#: scanners and other protocols begin with.
PIECES = st.lists(st.one_of(
    st.sampled_from([
        b'\n', b'\r\n', b'\r', b' ', b'\t', b'\0', b'OK', b'\xff',
        b'\xff\xf4\xff\xfd\x06', b'\xe2\x80\xa8', b'\x1c', b'\x85',
        b'health_check', b'health_check\n', b'health_check OK\n',
        b'warmup_state\n', b'warmup\n', b'help\n', b'help ', b'interactive\n',
        b'quit\n', b'raising ', b'raising OK\n', b'more\n', b'OK\n',
        b'GET / HTTP/1.1\r\nHost: OK\r\n\r\n',
        b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
        MAX_LINE * b'O', 5000 * b'K']),
    st.binary(max_size=30)), max_size=10)

#: The message in the log that a command may be the reason of.
FAILURE = "The monitor command 'raising' failed with arguments"


def raising(connection, *args):
    """Fails."""
    raise ValueError(' '.join(args))


def more(connection, *args):
    """Wants more."""
    connection.write('more\n')
    return MORE_MARKER


def asks_for_health(sent):
    return any(line.decode('utf-8', 'replace').split()[:1] == ['health_check']
               for line in sent.split(b'\n'))


class FuzzingCase(ListenerCase):

    def setUp(self):
        ListenerCase.setUp(self)
        provideUtility(Lifecycle(), ILifecycle)
        for command in (basics.help, basics.interactive, basics.quit,
                        health.health_check, health.warmup,
                        health.warmup_state, raising, more):
            provideUtility(command, IMonitorPlugin, command.__name__)

    def assertGoodAnswer(self, sent, answer):
        healthy = [line for line in answer.split(b'\n') if b'OK' in line]
        if asks_for_health(sent):
            self.assertEqual(set(healthy) - set([b'OK']), set())
        else:
            self.assertEqual(healthy, [])
        self.assertNotIn(b'Traceback', answer)
        self.assertNotIn(b'File "', answer)

    def assertNothingElseInTheLog(self):
        self.assertEqual(
            [text for _, text in self.log.messages
             if not text.startswith(FAILURE)], [])
        self.assertEqual(self.crashes, [])


@only_with_our_listener
class TestConversation(FuzzingCase):

    @settings(database=None, deadline=None, max_examples=300)
    @given(PIECES, st.booleans())
    @example([b'interactive\n', b'\n', b'raising OK\n'], True)
    @example([b'health_check', b'\0\n'], False)
    def test_whatever_comes(self, pieces, ends):
        conversation = Conversation(True)
        answer = converse(conversation, pieces, ends)
        sent = b''.join(pieces)
        self.assertGoodAnswer(sent, answer)
        self.assertTrue(answer == b'' or answer.endswith(b'\n'), answer)
        # Whoever has been answered is done, but for a session.
        self.assertTrue(conversation.finished or conversation.patient
                        or not answer)
        self.assertNothingElseInTheLog()


@only_with_our_listener
class TestListener(FuzzingCase):

    @settings(database=None, deadline=None, max_examples=150)
    @given(PIECES, st.sampled_from(['reads', 'closes', 'resets']))
    @example([b'interactive\n', b'more\n'], 'resets')
    @example([MAX_LINE * b'O', b'health_check\n'], 'reads')
    def test_whatever_comes(self, pieces, then):
        client = socket.create_connection(self.address, 30)
        try:
            self.talk(client, pieces, then)
        finally:
            client.close()
        self.assertEqual(self.ask(b'health_check\n'), b'OK\n')
        self.assertNothingElseInTheLog()

    def setUp(self):
        FuzzingCase.setUp(self)
        self.start()
        self.files = open_files()

    def tearDown(self):
        self.assertTrue(until(lambda: open_files() <= self.files))
        self.assertTrue(until(lambda: sorted(monitor_threads()) == [
            'ftw.monitor.accept-0', 'ftw.monitor.slow-lane']))

    def ask(self, sent):
        # Not to be closed as late as the end of all examples.
        with socket.create_connection(self.address, 30) as client:
            client.sendall(sent)
            return everything(client)

    def talk(self, client, pieces, then):
        # Each piece in a packet of its own.
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in pieces:
                client.sendall(piece)
            if then == 'resets':
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  b'\1\0\0\0\0\0\0\0')
            if then == 'reads':
                client.shutdown(socket.SHUT_WR)
                answer = everything(client)
                self.assertGoodAnswer(b''.join(pieces), answer)
                self.assertTrue(
                    answer == b'' or answer.endswith(b'\n'), answer)
        except socket.timeout:
            # It should have been closed.
            raise
        except OSError:
            # It was closed before all was sent.
            pass
