# -*- coding: utf-8 -*-
from contextlib import closing
from ftw.monitor.address import AddressTaken
from ftw.monitor.address import TCPAddress
from ftw.monitor.address import UnixAddress
from ftw.monitor.commands import basics
from ftw.monitor.commands import health
from ftw.monitor.compat import PY2
from ftw.monitor.interfaces import CommandError
from ftw.monitor.interfaces import ILifecycle
from ftw.monitor.interfaces import ILoopbackCommand
from ftw.monitor.interfaces import IMonitorPlugin
from ftw.monitor.interfaces import IQuickCommand
from ftw.monitor.lifecycle import Lifecycle
from ftw.monitor.server.markers import MORE_MARKER
from ftw.monitor.server.markers import QUIT_MARKER
from importlib import import_module
from tests.loopback import everything
from tests.loopback import has_ipv6
from tests.loopback import PATIENCE
from tests.loopback import until
from tests.patch import patch
from tests.recorded_log import RecordedLog
from tests.worlds import only_with_zc_monitor
from zope.component import getUtility
from zope.component import provideUtility
from zope.component import testing
from zope.interface import provider
import logging
import os
import shutil
import socket
import tempfile
import threading
import unittest


if PY2:
    from ftw.monitor.server import zcmonitor
    import zc.monitor
    # A syntax error for Python 3.
    ngi = import_module('zc.ngi.async')


GREETING = b'Interactive mode on.  Use "quit" To exit.\n'

BIG = 5 * 1024 * 1024


class ITheirPlugin(IMonitorPlugin):
    """The commands of another package."""


def theirs(connection, *args):
    """Of another package."""
    connection.write(' '.join(args) + '\n')


def their_failure(connection):
    """Of another package, too."""
    raise KeyError('theirs')


def echo(connection, *args):
    """Say it again."""
    connection.write(' '.join(args) + '\n')
    return QUIT_MARKER if args == ('stop',) else MORE_MARKER


def big(connection):
    connection.write(BIG * 'x' + '\n')


class SlowCommand(object):
    """Does not return before it may."""

    def __init__(self):
        self.may_return = threading.Event()
        self.began = threading.Event()

    def __call__(self, connection):
        self.began.set()
        self.may_return.wait(PATIENCE)
        connection.write('at last\n')


class DummyTime(object):
    """The module ``time``, of which only this is asked."""

    def __init__(self):
        self.now = 1000.0

    def time(self):
        return self.now


def free_address(host='127.0.0.1', family=socket.AF_INET):
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.bind((host, 0))
        return TCPAddress(host, probe.getsockname()[1])


@only_with_zc_monitor
class ZCMonitorCase(unittest.TestCase):

    maxDiff = None

    def setUp(self):
        testing.setUp()
        self.addCleanup(testing.tearDown)
        provideUtility(Lifecycle(), ILifecycle)
        for command in (basics.help, basics.interactive, basics.quit,
                        health.health_check):
            provideUtility(command, IMonitorPlugin, command.__name__)
        self.slow = SlowCommand()
        self.register_ours(self.slow, 'slow')

        self.log = RecordedLog.installed(self)
        #: zc.monitor itself logs at the root, zc.ngi has loggers of its own.
        self.their_log = RecordedLog.installed(self, logging.WARNING, None)

        self.addCleanup(setattr, zc.monitor, 'last_listener', None)
        self.addCleanup(self.stop)
        self.addCleanup(self.slow.may_return.set)

    def stop(self):
        for channel in list(ngi._map.values()):
            if hasattr(channel, 'connections'):
                self.close(channel)
        ngi.wait(PATIENCE)
        self.assertTrue(until(lambda: not self.command_threads()))

    @staticmethod
    def close(listener):
        # Its clients have gone, and its thread closes what is left of them.
        # It would not like to find that done.
        until(lambda: not list(listener.connections()))
        listener.close()

    @staticmethod
    def command_threads():
        return [thread.name for thread in threading.enumerate()
                if thread.name.startswith('ftw.monitor.command-')]

    def register_ours(self, command, name=None):
        """As if *command* was one of our own."""
        command.__module__ = 'ftw.monitor.commands.of_a_test'
        provideUtility(command, IMonitorPlugin, name or command.__name__)

    def start(self, *addresses):
        addresses = addresses or (free_address(),)
        self.address = addresses[0]
        listener, problems = zcmonitor.start(addresses)
        self.assertEqual([], problems)
        return listener

    def connect(self, address=None):
        client = (address or self.address).connect(PATIENCE)
        self.addCleanup(client.close)
        return client

    def ask(self, sent, address=None):
        client = self.connect(address)
        client.sendall(sent)
        return everything(client)


@provider(ILoopbackCommand)
def secret(connection):
    connection.write('told\n')


class TestStrangers(ZCMonitorCase):

    def setUp(self):
        ZCMonitorCase.setUp(self)
        # As one of another package.
        provideUtility(secret, IMonitorPlugin, 'secret')

    def test_a_client_of_another_host_is_refused(self):
        patch(self, zcmonitor, 'peer_of', lambda connection: ('192.0.2.7', 1))
        self.start()
        self.assertEqual(
            b'Error: secret answers only to clients on the same host, by'
            b' loopback or UNIX socket.\n', self.ask(b'secret\n'))
        self.assertEqual(b'OK\n', self.ask(b'health_check\n'))

    def test_one_that_comes_by_loopback_is_answered(self):
        self.start()
        self.assertEqual(b'told\n', self.ask(b'secret\n'))

    @unittest.skipUnless(has_ipv6(), 'There is no IPv6 here.')
    def test_one_that_comes_by_ipv6_loopback_is_answered(self):
        self.start(free_address('::1', socket.AF_INET6))
        self.assertEqual(b'told\n', self.ask(b'secret\n'))

    def test_one_that_comes_by_a_unix_socket_is_answered(self):
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        self.start(UnixAddress(os.path.join(directory, 'm')))
        self.assertEqual(b'told\n', self.ask(b'secret\n'))


class TestTheEnd(ZCMonitorCase):

    def test_all_are_closed_and_the_unix_socket_is_removed(self):
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        path = os.path.join(directory, 'm')
        listeners = self.start(free_address(), UnixAddress(path))
        self.assertTrue(os.path.exists(path))
        listeners.close()
        self.assertFalse(os.path.exists(path))

        def refused():
            try:
                self.address.connect(PATIENCE).close()
            except socket.error:
                return True
            return False

        self.assertTrue(until(refused))
        # A second time does no harm.
        listeners.close()


class TestOurCommands(ZCMonitorCase):

    def test_a_quick_one(self):
        self.start()
        self.assertEqual(b'OK\n', self.ask(b'health_check\n'))
        self.assertEqual(b'OK\n', self.ask(b' health_check \r\n'))

    def test_one_that_may_block(self):
        self.slow.may_return.set()
        self.start()
        self.assertEqual(b'at last\n', self.ask(b'slow\n'))

    def test_their_list(self):
        # As zc.monitor shows them.
        self.register_ours(echo)
        self.start()
        expected = (b'Supported commands:\n'
                    b'  echo -- Say it again.\n'
                    b'  health_check -- Say whether this instance can serve a'
                    b' visitor now\n'
                    b'  help -- Get help about server commands\n'
                    b'  interactive -- Turn on monitor\'s interactive mode\n'
                    b'  quit -- Quit the monitor\n'
                    b'  slow -- Does not return before it may.\n')
        self.assertEqual(expected, self.ask(b'help\n'))
        zc.monitor.register(zc.monitor.help)
        self.assertEqual(expected, self.ask(b'help\n'))

    def test_the_help_of_one(self):
        self.start()
        self.assertEqual(
            'Help for health_check:\n\n%s\n' % health.health_check.__doc__,
            self.ask(b'help health_check\n'))

    def test_the_help_of_one_that_is_unknown(self):
        self.start()
        self.assertEqual(
            b"Error: There is no command 'nope'. Usage: help [command]\n",
            self.ask(b'help nope\n'))

    def test_wrong_arguments_are_one_line(self):
        self.start()
        self.assertEqual(
            b'Error: too many positional arguments. Usage: health_check\n',
            self.ask(b'health_check x\n'))
        self.assertEqual([], self.log.records)

    def test_what_the_client_did_wrong_is_one_line(self):

        def picky(connection, db=''):
            raise CommandError(u'Nein, Gr\xfc\xdfe!')

        self.register_ours(picky)
        self.start()
        self.assertEqual(
            b'Error: Nein, Gr\xc3\xbc\xc3\x9fe! Usage: picky [db]\n',
            self.ask(b'picky\n'))
        self.assertEqual([], self.log.records)

    def test_an_exception_is_one_line_and_logged(self):

        def boom(connection, *args):
            raise ValueError('OK,\nboom')

        self.register_ours(boom)
        self.start()
        self.assertEqual(
            b'Error: boom failed with ValueError: Ok, boom.'
            b' Usage: boom [args ...]\n', self.ask(b'boom\n'))
        logged, = self.log.records
        self.assertEqual('ERROR', logged.levelname)
        self.assertIn("'boom' failed", logged.getMessage())
        self.assertIs(ValueError, logged.exc_info[0])

    def test_a_quick_one_that_fails_is_one_line_and_logged(self):

        @provider(IQuickCommand)
        def boom(connection):
            raise ValueError('boom')

        self.register_ours(boom)
        self.start()
        self.assertEqual(
            b'Error: boom failed with ValueError: boom. Usage: boom\n',
            self.ask(b'boom\n'))
        self.assertEqual(1, len(self.log.records))

    def test_one_that_says_nothing(self):

        def silent(connection):
            """Say nothing."""

        self.register_ours(silent)
        self.start()
        self.assertEqual(b'', self.ask(b'silent\n'))
        self.assertEqual([], self.their_log.messages)

    def test_arguments_are_as_the_client_sent_them(self):
        self.register_ours(echo)
        self.start()
        client = self.connect()
        client.sendall('echo \tä  \xff\n')
        self.assertEqual('ä \xff\n', client.recv(100))

    def test_further_lines_go_to_one_that_wants_them(self):
        self.register_ours(echo)
        self.start()
        client = self.connect()
        for word in (b'echo a\n', b'b\n'):
            client.sendall(word)
            self.assertEqual(word.replace(b'echo ', b''), client.recv(100))
        client.sendall(b'stop\n')
        self.assertEqual(b'stop\n', everything(client))

    def test_only_the_first_line_counts(self):
        self.start()
        self.assertEqual(b'OK\n', self.ask(3 * b'health_check\n'))

    def test_an_interactive_session(self):
        self.slow.may_return.set()
        self.start()
        client = self.connect()
        for sent, answer in (
                (b'interactive\n', GREETING),
                (b'health_check\n', b'OK\n'),
                (b'\n', b'OK\n'),
                (b'slow\n', b'at last\n')):
            client.sendall(sent)
            self.assertEqual(answer, client.recv(100))
        client.sendall(b'quit\n')
        self.assertEqual(b'Goodbye.\n', everything(client))

    def test_starting_anew_finds_them_as_they_are(self):
        self.slow.may_return.set()
        self.start()
        first = self.address
        command = getUtility(IMonitorPlugin, 'slow')
        self.start()
        self.assertIs(command, getUtility(IMonitorPlugin, 'slow'))
        for address in (first, self.address):
            self.assertEqual(b'at last\n', self.ask(b'slow\n', address))


class TestTheCommandsOfOthers(ZCMonitorCase):

    def setUp(self):
        super(TestTheCommandsOfOthers, self).setUp()
        provideUtility(theirs, IMonitorPlugin, 'theirs')
        provideUtility(their_failure, ITheirPlugin, 'their_failure')

    def test_they_are_in_the_list(self):
        self.start()
        listed = self.ask(b'help\n')
        self.assertIn(b'\n  theirs -- Of another package.\n', listed)
        self.assertIn(
            b'\n  their_failure -- Of another package, too.\n', listed)

    def test_they_work(self):
        self.start()
        self.assertEqual(b'a b\n', self.ask(b'theirs a b\n'))

    def test_they_get_what_zc_monitor_gives(self):
        self.start()
        self.assertIs(theirs, getUtility(IMonitorPlugin, 'theirs'))
        self.assertIs(their_failure, getUtility(ITheirPlugin, 'their_failure'))
        answer = self.ask(b'their_failure\n')
        self.assertTrue(answer.startswith(b'Traceback '), answer)
        self.assertTrue(answer.rstrip().endswith(b"KeyError: 'theirs'"))
        self.assertEqual([], self.log.records)

    def test_one_with_the_name_of_ours_wins(self):
        zc.monitor.register_basics()
        self.start()
        self.assertIs(zc.monitor.quit, getUtility(IMonitorPlugin, 'quit'))
        self.assertEqual(b'Goodbye.\n', self.ask(b'quit\n'))

    def test_one_that_explains_itself_in_another_language(self):
        for name, doc in ((u'bytes', 'Gr\xc3\xb6\xc3\x9fe'),
                          (u'text', u'Gr\xf6\xdfe')):

            def size(connection):
                connection.write('1\n')

            size.__doc__ = doc
            provideUtility(size, IMonitorPlugin, name)
            self.start()
            self.assertIn('\n  %s -- Größe\n' % str(name),
                          self.ask(b'help\n'))
            self.assertEqual('Help for %s:\n\nGröße\n' % str(name),
                             self.ask(b'help %s\n' % str(name)))

    def test_one_whose_module_is_not_known(self):
        made = eval("lambda connection: connection.write('made\\n')", {})
        self.assertIsNone(made.__module__)
        provideUtility(made, IMonitorPlugin, 'made')
        self.start()
        self.assertEqual(b'made\n', self.ask(b'made\n'))


class TestACommandThatBlocks(ZCMonitorCase):

    RUNNING = (b'Error: slow has been running for 0 s; it may wait for a'
               b' database. Usage: slow [arguments ...]\n')

    def setUp(self):
        super(TestACommandThatBlocks, self).setUp()
        patch(self, zcmonitor, 'PATIENCE', 0.1)
        # It stands still, however busy this machine is.
        self.clock = DummyTime()
        patch(self, zcmonitor, 'time', self.clock)
        self.start()

    def test_it_is_given_up_soon(self):
        self.assertEqual(self.RUNNING, self.ask(b'slow\n'))

    def test_it_is_given_up_at_once_while_it_runs(self):
        self.ask(b'slow\n')
        zcmonitor.PATIENCE = 10 * PATIENCE
        self.assertEqual(self.RUNNING, self.ask(b'slow\n'))
        self.assertEqual(['ftw.monitor.command-slow'], self.command_threads())

    def test_it_is_told_how_long_it_has_been_running(self):
        self.ask(b'slow\n')
        self.clock.now += 90
        self.assertIn(b'slow has been running for 90 s;',
                      self.ask(b'slow\n'))

    def test_others_are_answered_in_the_meantime(self):
        self.register_ours(echo)
        self.register_ours(SlowCommand(), 'other')
        zcmonitor.wrap_commands()
        self.addCleanup(
            getUtility(IMonitorPlugin, 'other')._command.may_return.set)
        self.ask(b'slow\n')
        self.assertEqual(b'OK\n', self.ask(b'health_check\n'))
        self.assertIn(b'other has been running', self.ask(b'other\n'))
        self.assertEqual(b'OK\n', self.ask(b'health_check\n'))

    def test_who_asks_while_it_is_waited_for_is_answered_soon(self):
        waiting = self.connect()
        waiting.sendall(b'slow\n')
        self.assertTrue(until(self.command_threads))
        self.assertEqual(b'OK\n', self.ask(b'health_check\n'))
        self.assertEqual(self.RUNNING, everything(waiting))

    def test_it_works_again_afterwards(self):
        self.ask(b'slow\n')
        self.slow.may_return.set()
        self.assertTrue(until(lambda: not self.command_threads()))
        zcmonitor.PATIENCE = PATIENCE
        self.assertEqual(b'at last\n', self.ask(b'slow\n'))

    def test_its_answer_does_not_reach_another_client(self):
        self.ask(b'slow\n')
        self.slow.may_return.set()
        self.assertTrue(until(lambda: not self.command_threads()))
        self.slow.may_return.clear()
        self.assertEqual(self.RUNNING, self.ask(b'slow\n'))


class TestThreads(ZCMonitorCase):

    def test_a_quick_command_runs_in_the_thread_of_zc_monitor(self):

        @provider(IQuickCommand)
        def where(connection):
            connection.write(threading.current_thread().name)

        self.register_ours(where)
        self.start()
        self.assertEqual(b'zc.ngi.async', self.ask(b'where\n'))

    def test_any_other_has_one_that_does_not_keep_the_process(self):

        def where(connection):
            thread = threading.current_thread()
            connection.write('%s %s' % (thread.name, thread.daemon))

        self.register_ours(where)
        self.start()
        self.assertEqual(
            b'ftw.monitor.command-where True', self.ask(b'where\n'))


class TestTheWayOfTheAnswer(ZCMonitorCase):

    def test_a_client_that_half_closes_right_after_its_line(self):
        # As nc -N does.
        self.start()
        for _ in range(20):
            client = self.connect()
            client.sendall(b'health_check\n')
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(b'OK\n', everything(client))

    def test_a_client_that_has_half_closed_long_before_the_answer(self):
        patch(self, zcmonitor, 'PATIENCE', PATIENCE)
        self.start()
        client = self.connect()
        client.sendall(b'slow\n')
        client.shutdown(socket.SHUT_WR)
        self.assertTrue(self.slow.began.wait(PATIENCE))
        self.slow.may_return.set()
        self.assertEqual(b'at last\n', everything(client))

    def test_lines_after_the_only_one_are_no_error(self):
        self.slow.may_return.set()
        self.start()
        for lines in (b'health_check\nhelp\nquit\n', b'help\n\n\n\n',
                      b'quit\nslow\nnothing\nhelp\n'):
            answer = self.ask(lines)
            self.assertEqual(self.ask(lines.split(b'\n')[0] + b'\n'), answer)
        self.assertEqual([], self.log.messages + self.their_log.messages)

    def test_a_big_answer_arrives_whole(self):
        self.register_ours(big)
        self.start()
        self.assertEqual(BIG * b'x' + b'\n', self.ask(b'big\n'))

    def test_a_client_that_has_gone_is_no_error(self):
        patch(self, zcmonitor, 'PATIENCE', PATIENCE)
        self.start()
        client = self.connect()
        # Closing sends a reset now.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          b'\1\0\0\0\0\0\0\0')
        client.sendall(b'slow\n')
        self.assertTrue(self.slow.began.wait(PATIENCE))
        client.close()
        self.slow.may_return.set()
        self.assertEqual(b'OK\n', self.ask(b'health_check\n'))
        self.assertEqual([], self.their_log.messages)


class TestAddresses(ZCMonitorCase):

    def setUp(self):
        super(TestAddresses, self).setUp()
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        self.path = os.path.join(self.directory, 'monitor')

    def take(self, address):
        """Listen on *address*."""
        for listening in address.listen():
            self.addCleanup(listening.close)

    def assertTaken(self, address):
        listener, problems = zcmonitor.start([address])
        self.assertIsNone(listener)
        (found, error), = problems
        self.assertEqual(address, found)
        self.assertIsInstance(error, AddressTaken)
        # zc.monitor would say so, too.
        self.assertEqual([], self.their_log.messages)
        return str(error)

    def test_none(self):
        self.assertEqual((None, []), zcmonitor.start([]))

    def test_several(self):
        addresses = [free_address(), free_address(), UnixAddress(self.path)]
        self.start(*addresses)
        for address in addresses:
            self.assertEqual(b'OK\n', self.ask(b'health_check\n', address))

    def test_all_addresses_of_this_host(self):
        self.start(TCPAddress('', free_address().port))
        self.assertEqual(b'OK\n', self.ask(b'health_check\n'))

    def test_ipv6(self):
        if not has_ipv6():
            self.skipTest('There is no IPv6 here.')
        self.start(free_address('::1', socket.AF_INET6))
        self.assertEqual(b'OK\n', self.ask(b'health_check\n'))

    def test_one_that_is_taken(self):
        address = free_address()
        self.take(address)
        self.assertEqual('the address is in use', self.assertTaken(address))

    def test_one_that_is_taken_does_not_stop_the_others(self):
        taken, free = free_address(), free_address()
        self.take(taken)
        for addresses in ([taken, free], [free_address(), taken]):
            _, problems = zcmonitor.start(addresses)
            self.assertEqual([taken], [address for address, _ in problems])
            addresses.remove(taken)
            self.assertEqual(
                b'OK\n', self.ask(b'health_check\n', addresses[0]))

    def test_one_that_zc_monitor_finds_taken(self):
        # It listens for IPv4 as well, where we see IPv6 only.
        if not has_ipv6():
            self.skipTest('There is no IPv6 here.')
        taken = free_address('0.0.0.0')
        self.take(taken)
        self.start()
        listener, problems = zcmonitor.start([TCPAddress('::', taken.port)])
        self.assertIsNone(listener)
        (_, error), = problems
        self.assertIsInstance(error, AddressTaken)

    def test_a_unix_socket(self):
        self.start(UnixAddress(self.path))
        self.assertEqual(b'OK\n', self.ask(b'health_check\n'))

    def test_the_unix_socket_of_a_process_that_has_gone_is_replaced(self):
        address = UnixAddress(self.path)
        listening, = address.listen()
        listening.close()
        self.start(address)
        self.assertEqual(b'OK\n', self.ask(b'health_check\n'))

    def test_the_unix_socket_of_a_living_process_is_left_alone(self):
        # zc.monitor would remove it.
        address = UnixAddress(self.path)
        listening, = address.listen()
        self.addCleanup(listening.close)
        inode = os.stat(self.path).st_ino
        self.assertEqual('%s is in use' % self.path,
                         self.assertTaken(address))
        self.assertEqual(inode, os.stat(self.path).st_ino)

    def test_a_file_is_left_alone(self):
        with open(self.path, 'w') as file_:
            file_.write('precious')
        self.assertEqual('%s exists and is no socket' % self.path,
                         self.assertTaken(UnixAddress(self.path)))
        with open(self.path) as file_:
            self.assertEqual('precious', file_.read())
