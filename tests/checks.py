"""What tests of the checks share."""

from ftw.monitor.checks import Check
from ftw.monitor.checks import ok
from ftw.monitor.checks import watch
from ftw.monitor.checks.watch import Watch
from tests.loopback import PATIENCE
from tests.loopback import until
from tests.patch import patch
from tests.recorded_log import RecordedLog
import logging
import threading
import unittest


class DummyClock(object):
    """Tells the time that it is told."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class DummyCheck(Check):
    """Does what it is told.

    :ivar answer: called for the result.
    :ivar calls: how many have begun.
    """

    interval = 0.001
    timeout = 2

    def __init__(self, answer=ok):
        self.answer = answer
        self.calls = 0
        self.hangs = threading.Event()
        self.may_return = threading.Event()
        self.may_return.set()

    def check(self):
        self.calls += 1
        if not self.may_return.is_set():
            self.hangs.set()
            self.may_return.wait(PATIENCE)
        return self.answer()


class WatchCase(unittest.TestCase):
    """With a clock for the watches that stands still, and no thread left."""

    def setUp(self):
        self.clock = DummyClock()
        patch(self, watch, 'monotonic', self.clock)
        self.log = RecordedLog.installed(self, logging.INFO)
        self.started = []
        self.addCleanup(self.end)

    def end(self):
        for each in self.started:
            each.stop()
        for each in self.started:
            self.release(each.check)
        self.assertTrue(until(lambda: not check_threads()), check_threads())

    @staticmethod
    def release(check):
        may_return = getattr(check, 'may_return', None)
        if may_return is not None:
            may_return.set()

    def start(self, check, name='solr'):
        watching = Watch(name, check)
        self.started.append(watching)
        watching.start()
        return watching

    def hang(self, check):
        """Have the next call of *check* not return, and wait for it."""
        check.hangs.clear()
        check.may_return.clear()
        self.assertTrue(check.hangs.wait(PATIENCE))

    def assertState(self, expected, watching):
        self.assertTrue(until(lambda: watching.look()[0] == expected),
                        watching.look())


def check_threads():
    """The names of the threads that belong to checks."""
    return [thread.name for thread in threading.enumerate()
            if thread.name.startswith('ftw.monitor.check')]
