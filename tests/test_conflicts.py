from ftw.monitor.conflicts import Conflicts
from ftw.monitor.conflicts import count_conflict
from ftw.monitor.interfaces import IConflicts
from ZODB.POSException import ConflictError
from ZODB.POSException import POSKeyError
from ZODB.POSException import ReadConflictError
from zope.component import getUtility
from zope.component import provideHandler
from zope.component import provideUtility
from zope.component import testing
from zope.event import notify
from zope.interface.verify import verifyObject
from ZPublisher.interfaces import IPubFailure
from ZPublisher.pubevents import PubFailure
import sys
import threading
import unittest


class TestCountingConflicts(unittest.TestCase):

    def setUp(self):
        testing.setUp()
        self.addCleanup(testing.tearDown)
        provideUtility(Conflicts(), IConflicts)
        provideHandler(count_conflict, (IPubFailure,))

    def fail(self, error, retry):
        try:
            raise error
        except type(error):
            notify(PubFailure(None, sys.exc_info(), retry))

    def assertCounted(self, total, unresolved):
        conflicts = getUtility(IConflicts)
        self.assertEqual(
            (conflicts.total, conflicts.unresolved), (total, unresolved))

    def test_the_interface_is_kept(self):
        self.assertTrue(verifyObject(IConflicts, Conflicts()))

    def test_none_at_first(self):
        self.assertCounted(0, 0)

    def test_a_conflict_that_is_tried_again(self):
        self.fail(ConflictError(), True)
        self.assertCounted(1, 0)

    def test_a_conflict_after_the_last_attempt(self):
        self.fail(ConflictError(), True)
        self.fail(ConflictError(), True)
        self.fail(ConflictError(), False)
        self.assertCounted(3, 1)

    def test_a_read_conflict_is_one(self):
        self.fail(ReadConflictError(), False)
        self.assertCounted(1, 1)

    def test_another_error_is_none(self):
        self.fail(KeyError('x'), False)
        self.fail(POSKeyError(b'\0' * 8), False)
        self.assertCounted(0, 0)

    def test_no_exception_is_none(self):
        notify(PubFailure(None, (None, None, None), False))
        self.assertCounted(0, 0)

    def test_many_workers_at_once(self):
        conflicts = getUtility(IConflicts)

        def count():
            for number in range(500):
                conflicts.count(retry=number % 2)

        threads = [threading.Thread(target=count) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertCounted(4000, 2000)
