"""The verdict is read from memory, whatever the checks are doing."""

from ftw.monitor.checks import error
from ftw.monitor.checks.availability import Availability
from ftw.monitor.checks.availability import DatabaseCheck
from ftw.monitor.checks.databases import Databases
from ftw.monitor.checks.runner import Runner
from ftw.monitor.commands.health import alive_check
from ftw.monitor.commands.health import health_check
from ftw.monitor.compat import PY2
from ftw.monitor.interfaces import ILifecycle
from ftw.monitor.lifecycle import Lifecycle
from ftw.monitor.server.call import call
from tests.checks import DummyCheck
from tests.checks import WatchCase
from tests.loopback import PATIENCE
from tests.loopback import until
from tests.patch import patch
from ZODB import DB
from ZODB.MappingStorage import MappingStorage
from zope.component import provideUtility
from zope.component import testing
import dis
import os
import socket
import sys
import threading


#: The functions written in C that the verdict may call. None of them waits.
HARMLESS = {
    # Of dictionaries, lists and texts.
    'decode', 'encode', 'get', 'getattr', 'isinstance', 'items', 'join',
    'len', 'replace', 'sorted', 'split', 'utf_8_decode', 'utf_8_encode',
    # The clock.
    'monotonic', 'times',
    # The profile ends.
    'setprofile',
}

#: What a ``with`` statement begins with: it may be a lock.
WITH = {dis.opmap[name] for name in (
    'BEFORE_WITH', 'SETUP_WITH', 'BEFORE_ASYNC_WITH') if name in dis.opmap}


class Profile(object):
    """What is called in this thread, by ``sys.setprofile``.

    :ivar c_functions: the names of those that are written in C.
    :ivar codes: the code of the others.
    """

    def __init__(self):
        self.c_functions = set()
        self.codes = set()

    def of(self, function):
        sys.setprofile(self._note)
        try:
            return function()
        finally:
            sys.setprofile(None)

    def _note(self, frame, event, argument):
        if event == 'c_call':
            self.c_functions.add(argument.__name__)
        elif event == 'call':
            self.codes.add(frame.f_code)

    def harmful(self):
        """What may wait: functions written in C, and those that have a
        ``with`` statement."""
        return sorted(self.c_functions - HARMLESS) + sorted(
            code.co_name for code in self.codes
            if WITH.intersection(opcodes(code)))


def opcodes(code):
    """The instructions of *code*."""
    if not PY2:
        return set(code.co_code[::2])
    found = set()
    position = 0
    while position < len(code.co_code):
        opcode = ord(code.co_code[position])
        found.add(opcode)
        position += 3 if opcode >= dis.HAVE_ARGUMENT else 1
    return found


class StuckCheck(DummyCheck):
    """Hangs, and holds whatever it can while it does."""

    def __init__(self, locks):
        DummyCheck.__init__(self)
        self.may_return.clear()
        self._locks = locks

    def check(self):
        for lock in self._locks:
            lock.acquire()
        try:
            return DummyCheck.check(self)
        finally:
            for lock in self._locks:
                lock.release()


class TestTheVerdict(WatchCase):

    def setUp(self):
        WatchCase.setUp(self)
        testing.setUp()
        self.addCleanup(testing.tearDown)
        patch(self, DatabaseCheck, 'interval', 0.001)
        self.database = DB(MappingStorage())
        self.addCleanup(self.database.close)
        # Before that: the check holds the lock that closing needs.
        self.addCleanup(self.end)
        self.lifecycle = Lifecycle()
        provideUtility(self.lifecycle, ILifecycle)
        self.stuck = StuckCheck([self.lifecycle._lock] + [
            lock for owner in (self.database, self.database.storage)
            for lock in vars(owner).values() if hasattr(lock, 'release')])
        databases = Databases(self.database)
        self.runner = Runner(databases, self.lifecycle.verdict)
        self.lifecycle.watch_databases(Availability(
            databases, self.runner.of_database, 0))
        self.failing = DummyCheck(lambda: error('away'))
        self.failing.required = False
        for name, check in (('stuck', self.stuck), ('bad', self.failing)):
            watching = self.runner.add(name, check)
            self.lifecycle.require(name, watching.fault)
            self.lifecycle.require_to_live(name, watching.fault)
        self.lifecycle.await_checks(self.runner.pending)

    def start_checks(self):
        self.runner.start()
        self.started.extend(self.runner.watches())
        self.addCleanup(self.runner.stop)
        self.assertTrue(self.stuck.hangs.wait(PATIENCE))
        self.clock.now += 3
        self.assertTrue(until(lambda: not self.runner.pending()))

    def end(self):
        self.runner.stop()
        self.stuck.may_return.set()
        WatchCase.end(self)

    def forbid(self, owner, name):

        def forbidden(*args, **kwargs):
            raise AssertionError('The verdict has called %s.' % name)

        patch(self, owner, name, forbidden)

    def test_it_is_there_while_a_check_holds_every_lock(self):
        self.start_checks()
        verdicts = []
        thread = threading.Thread(target=lambda: verdicts.extend(
            [self.lifecycle.verdict(), self.lifecycle.alive()]))
        thread.daemon = True
        thread.start()
        self.assertTrue(until(lambda: len(verdicts) == 2))
        thread.join(PATIENCE)
        self.assertEqual(
            2 * ['Error: stuck: has not returned for 3 s'], verdicts)

    def test_it_calls_nothing_that_may_wait(self):
        self.start_checks()
        for made in (self.lifecycle.verdict, self.lifecycle.alive,
                     self.runner.pending):
            profile = Profile()
            self.assertTrue(profile.of(made) is not None)
            self.assertTrue(profile.codes)
            self.assertEqual([], profile.harmful())

    def test_nor_does_a_good_one(self):
        self.stuck.may_return.set()
        self.failing.answer = lambda: ('ok', '', '')
        self.runner.start()
        self.started.extend(self.runner.watches())
        self.assertTrue(until(lambda: self.lifecycle.verdict() == 'OK'))
        profile = Profile()
        self.assertEqual('OK', profile.of(self.lifecycle.verdict))
        self.assertEqual([], profile.harmful())

    def test_the_commands_open_no_connection_no_file_and_no_socket(self):
        self.start_checks()
        # With them, not only the verdict.
        self.forbid(self.database, 'open')
        for owner, name in ((socket, 'socket'),
                            (socket, 'create_connection'),
                            (os, 'open'), (os, 'stat'), (os, 'statvfs')):
            self.forbid(owner, name)
        for name, command in (('health_check', health_check),
                              ('alive_check', alive_check)):
            self.assertEqual(
                (b'Error: stuck: has not returned for 3 s\n', None),
                call(name, command, ()))


class TestTheProfile(WatchCase):
    """Else it would prove nothing."""

    def harmful(self, function):
        profile = Profile()
        profile.of(function)
        return profile.harmful()

    def test_it_sees_a_lock(self):
        lock = threading.Lock()

        def take():
            lock.acquire()
            lock.release()

        def enter():
            with lock:
                pass

        self.assertIn('acquire', self.harmful(take))
        self.assertIn('enter', self.harmful(enter))

    def test_it_sees_a_file_and_a_socket(self):
        self.assertIn('open', self.harmful(lambda: open(os.devnull).close()))
        self.assertIn('stat', self.harmful(lambda: os.stat('/')))
        with_socket = self.harmful(lambda: socket.socket().close())
        self.assertTrue(with_socket)

    def test_it_sees_whoever_waits(self):
        self.assertTrue(self.harmful(lambda: threading.Event().wait(0)))
