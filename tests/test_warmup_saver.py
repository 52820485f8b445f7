"""When the hot set is saved, and when it is not: with real databases, a real
file and the real thread."""

from ftw.monitor.checks.databases import Databases
from ftw.monitor.lifecycle import Lifecycle
from ftw.monitor.warmup import saver
from ftw.monitor.warmup.hotset import HotSet
from ftw.monitor.warmup.hotset_file import read
from ftw.monitor.warmup.hotset_file import write
from ftw.monitor.warmup.hotset_store import HotSetStore
from ftw.monitor.warmup.saver import Saver
from persistent.mapping import PersistentMapping
from tests.loopback import PATIENCE
from tests.loopback import until
from tests.patch import patch
from tests.recorded_log import RecordedLog
from transaction import TransactionManager
from ZODB import DB
from ZODB.FileStorage import FileStorage
from ZODB.MappingStorage import MappingStorage
import logging
import os
import shutil
import tempfile
import threading
import time
import unittest


class TemporaryStorage(MappingStorage):
    """That of Plone 4.3 is not installed with Plone 6.2."""


class SaverCase(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='ftwm-saver-')
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, 'instance.hotset')
        self.all = {}
        self.root = self.open_database('main')
        self.lifecycle = Lifecycle()
        self.lifecycle.warmup_done = True
        self.hosts = []
        self.log = RecordedLog.installed(self, logging.DEBUG)

    def open_database(self, name, storage=None):
        """A database that has one object more than its root."""
        if storage is None:
            storage = FileStorage(os.path.join(self.folder, name + '.fs'))
        database = DB(storage, databases=self.all, database_name=name)
        self.addCleanup(lambda: database.close())
        transactions = TransactionManager()
        connection = database.open(transactions)
        connection.root()['item'] = PersistentMapping()
        transactions.commit()
        connection.close()
        return database

    def make_one(self, store=None):
        one = Saver(store or HotSetStore(self.path), self.lifecycle,
                    Databases(self.root), lambda: self.hosts)
        self.addCleanup(self.end, one)
        return one

    @staticmethod
    def end(one):
        if one.ident is not None:
            one.finish(PATIENCE)

    def started(self, store=None):
        one = self.make_one(store)
        one.start()
        return one

    def saved_at_the_end(self):
        """What is saved by one that is told that the process ends."""
        one = self.started()
        one.finish(PATIENCE)
        self.assertFalse(one.is_alive())
        return read(self.path)

    def messages(self, level):
        return [message for its, message in self.log.messages if its == level]


class TestWhatIsSaved(SaverCase):

    def test_the_objects_in_the_caches(self):
        before = int(time.time())
        hot_set = self.saved_at_the_end()
        self.assertEqual(['main'], list(hot_set.databases))
        root_tid, oids = hot_set.databases['main']
        connection = self.root.open(TransactionManager())
        self.addCleanup(connection.close)
        self.assertEqual(connection.root()._p_serial, root_tid)
        self.assertEqual(
            {connection.root()._p_oid, connection.root()['item']._p_oid},
            set(oids))
        self.assertTrue(before <= hot_set.saved <= time.time())

    def test_of_each_database(self):
        self.open_database('catalog')
        self.assertEqual(
            {'catalog': 2, 'main': 2},
            {name: len(oids) for name, (_, oids) in
             self.saved_at_the_end().databases.items()})

    def test_not_of_one_that_begins_empty(self):
        self.open_database('temporary', TemporaryStorage())
        self.open_database('mapping', MappingStorage())
        self.assertEqual(['main'], list(self.saved_at_the_end().databases))

    def test_not_of_one_that_nobody_has_used(self):
        self.open_database('unused').cacheMinimize()
        self.assertEqual(['main'], list(self.saved_at_the_end().databases))

    def test_how_long_the_warmup_took(self):
        self.assertIsNone(self.saved_at_the_end().warmup_seconds)
        self.lifecycle.first_warmup_seconds = 12.5
        self.assertEqual(12.5, self.saved_at_the_end().warmup_seconds)

    def test_the_virtual_hosts(self):
        self.hosts = ['www.example.org', 'localhost:8080']
        self.assertEqual(self.hosts, self.saved_at_the_end().hosts)


class TestWhenItIsSaved(SaverCase):

    def setUp(self):
        super(TestWhenItIsSaved, self).setUp()
        write(self.path, HotSet(1, None, [], {}))
        self.before = self.content()

    def content(self):
        with open(self.path, 'rb') as source:
            return source.read()

    def is_saved(self):
        return read(self.path).saved > 1

    def test_at_the_end_which_the_log_tells(self):
        self.started().finish(PATIENCE)
        self.assertTrue(self.is_saved())
        self.assertEqual(
            [('INFO', 'Hot set of 2 objects saved to %s.' % self.path)],
            self.log.messages)

    def test_not_at_once(self):
        self.started()
        self.assertEqual(self.before, self.content())

    def test_from_time_to_time(self):
        patch(self, saver, 'INTERVAL', 0.01)
        self.started()
        for _ in range(3):
            self.assertTrue(until(self.is_saved))
            write(self.path, HotSet(1, None, [], {}))
        self.assertEqual([], self.messages('INFO'))

    def test_never_before_the_instance_is_warm(self):
        self.lifecycle.warmup_done = False
        patch(self, saver, 'INTERVAL', 0.01)
        asked = []
        patch(self, saver, 'hot_oids', asked.append)
        one = self.started()
        one.join(0.1)
        one.finish(PATIENCE)
        self.assertFalse(one.is_alive())
        self.assertEqual(self.before, self.content())
        self.assertEqual([], asked)
        self.assertEqual([], self.log.messages)

    def test_as_soon_as_it_is_warm(self):
        self.lifecycle.warmup_done = False
        patch(self, saver, 'INTERVAL', 0.01)
        one = self.started()
        one.join(0.1)
        self.assertFalse(self.is_saved())
        self.lifecycle.warmup_done = True
        self.assertTrue(until(self.is_saved))

    def test_not_if_there_is_nothing_in_the_caches(self):
        self.root.cacheMinimize()
        self.started().finish(PATIENCE)
        self.assertEqual(self.before, self.content())

    def test_not_if_the_databases_are_closed(self):
        one = self.started()
        self.root.close()
        one.finish(PATIENCE)
        self.assertEqual(self.before, self.content())
        self.assertEqual([], self.log.messages)


class FailingStore(object):
    """Fails with the error that it is given."""

    path = '/there/instance.hotset'

    error = None

    def __init__(self):
        self.calls = 0

    def save(self, hot_set):
        self.calls += 1
        if self.error is not None:
            raise self.error


class TestFailures(SaverCase):

    def test_a_warning_with_path_error_and_remedy(self):
        os.mkdir(self.path)
        self.started().finish(PATIENCE)
        [(level, message)] = self.log.messages
        self.assertEqual('WARNING', level)
        self.assertIn(self.path + ' cannot be written: ', message)
        self.assertIn('directory', message)
        self.assertIn('FTW_MONITOR_HOTSET', message)

    def test_the_same_one_is_told_once(self):
        # A real one: its temporary file has another name each time.
        patch(self, saver, 'INTERVAL', 0.01)
        one = self.started(HotSetStore('/nowhere/instance.hotset'))
        one.join(0.2)
        one.finish(PATIENCE)
        self.assertEqual(1, len(self.log.messages), self.log.messages)

    def test_another_one_is_told_and_the_end_as_well(self):
        patch(self, saver, 'INTERVAL', 0.01)
        store = FailingStore()
        store.error = saver.HotSetError('the disk is full')
        self.started(store)
        self.wait_for_calls(store)
        store.error = saver.HotSetError('it is gone')
        self.wait_for_calls(store)
        store.error = None
        self.wait_for_calls(store)
        warnings = self.messages('WARNING')
        self.assertEqual(2, len(warnings), warnings)
        self.assertIn('the disk is full', warnings[0])
        self.assertIn('it is gone', warnings[1])
        self.assertEqual(
            ['Hot set of 2 objects saved to /there/instance.hotset.'],
            self.messages('INFO'))

    def wait_for_calls(self, store):
        """Until a call has begun and ended from now on."""
        calls = store.calls
        self.assertTrue(until(lambda: store.calls > calls + 1))

    def test_what_nobody_has_thought_of_is_told_with_its_traceback(self):
        patch(self, saver, 'INTERVAL', 0.01)
        store = FailingStore()
        store.error = RuntimeError('what?')
        one = self.started(store)
        self.wait_for_calls(store)
        self.assertTrue(one.is_alive())
        [record] = self.log.records
        self.assertEqual('WARNING', record.levelname)
        self.assertIn('RuntimeError: what?', record.getMessage())
        self.assertIsNotNone(record.exc_info)


class BlockingStore(object):

    path = '/there/instance.hotset'

    def __init__(self):
        self.is_called = threading.Event()
        self.may_end = threading.Event()

    def save(self, hot_set):
        self.is_called.set()
        self.may_end.wait(PATIENCE)


class TestTheEnd(SaverCase):

    def test_it_is_not_waited_for_longer_than_that(self):
        store = BlockingStore()
        one = self.started(store)
        self.addCleanup(store.may_end.set)
        began = time.time()
        one.finish(0.1)
        self.assertTrue(one.is_alive())
        self.assertLess(time.time() - began, PATIENCE / 2)
        self.assertTrue(store.is_called.wait(PATIENCE))

    def test_it_comes_several_times_and_in_several_threads(self):
        store = BlockingStore()
        one = self.started(store)
        self.addCleanup(store.may_end.set)
        one.finish(0.01)
        threads = [threading.Thread(target=one.finish, args=(PATIENCE,))
                   for _ in range(5)]
        for thread in threads:
            thread.start()
        store.may_end.set()
        for thread in threads:
            thread.join(PATIENCE)
        self.assertFalse(one.is_alive())
        one.finish()
        self.assertEqual(1, len(self.log.messages))

    def test_it_comes_while_the_log_is_held(self):
        one = self.started()
        self.log.acquire()
        try:
            one.finish(1)
            self.assertTrue(one.is_alive())
            self.assertTrue(until(lambda: os.path.exists(self.path)))
        finally:
            self.log.release()

    def test_that_of_a_forked_process_is_none_of_its_business(self):
        one = self.started()
        child = os.fork()
        if not child:
            try:
                one.finish(PATIENCE)
            finally:
                os._exit(7)
        began = time.time()
        self.assertEqual(7 << 8, os.waitpid(child, 0)[1])
        self.assertLess(time.time() - began, PATIENCE / 2)
        self.assertTrue(one.is_alive())
        self.assertFalse(os.path.exists(self.path))
