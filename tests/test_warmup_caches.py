from ftw.monitor.warmup import caches
from ftw.monitor.warmup.caches import hot_oids
from ftw.monitor.warmup.caches import root_tid
from persistent import Persistent
from persistent.mapping import PersistentMapping
from tests.patch import patch
from transaction import TransactionManager
from ZODB import DB
from ZODB.Connection import resetCaches
from ZODB.MappingStorage import MappingStorage
from ZODB.utils import z64
import gc
import sys
import threading
import time
import unittest


class Stubborn(Persistent):
    """Makes its cache wait when it is evicted."""

    being_evicted = None
    may_be_evicted = None

    def _p_deactivate(self):
        if Stubborn.being_evicted is not None:
            Stubborn.being_evicted.set()
            Stubborn.may_be_evicted.wait(30)
        super(Stubborn, self)._p_deactivate()


class WatchedCache(object):
    """A connection's cache that calls *action* before it tells its objects."""

    def __init__(self, cache, action):
        self._cache = cache
        self._action = action

    def lru_items(self):
        self._action()
        return self._cache.lru_items()

    def __getattr__(self, name):
        return getattr(self._cache, name)


class CachesCase(unittest.TestCase):

    def setUp(self):
        self.database = self.make_database()
        self.connection = self.open()
        self.names = {z64: 'root'}
        for name in 'abcdef':
            self.root()[name] = PersistentMapping()
        self.connection.transaction_manager.commit()
        for name in 'abcdef':
            self.names[self.root()[name]._p_oid] = name
        self.forget(self.connection)

    def make_database(self, **options):
        database = DB(MappingStorage(), **options)
        # Looked up again: once is enough, and a second time an error.
        self.addCleanup(lambda: database.close())
        return database

    def open(self, **options):
        connection = self.database.open(TransactionManager(), **options)
        self.addCleanup(lambda: connection.close())
        self.addCleanup(connection.transaction_manager.abort)
        return connection

    def root(self, connection=None):
        return (connection or self.connection).root()

    def forget(self, connection):
        """Make everything a ghost."""
        connection.cacheMinimize()

    def use(self, names, connection=None):
        """Use objects, one after the other; the first access loads it."""
        for name in names:
            self.root(connection)[name].keys()

    def hot(self):
        return ' '.join(self.names[oid] for oid in hot_oids(self.database))


class TestHotOids(CachesCase):

    def test_most_recently_used_first(self):
        self.use('abc')
        self.assertEqual('c root b a', self.hot())
        self.use('a')
        self.assertEqual('a root c b', self.hot())

    def test_no_ghosts(self):
        self.assertEqual('', self.hot())
        self.use('ab')
        self.root()['b']._p_deactivate()
        self.assertEqual('root a', self.hot())

    def test_changed_objects_as_well(self):
        self.root()['a']['changed'] = True
        self.assertIn('a', self.hot())

    def test_the_best_rank_in_any_connection_counts(self):
        self.use('abcd')
        second = self.open()
        self.use('fba', second)
        self.assertEqual(['d root c b a', 'a root b f'], [
            ' '.join(self.names[oid] for oid, _ in reversed(
                connection._cache.lru_items()))
            for connection in (self.connection, second)])
        # Side by side: d a, root root, c b, b f, a.
        hot = self.hot().split()
        self.assertEqual({'a', 'd'}, set(hot[:2]))
        self.assertEqual('root', hot[2])
        self.assertEqual({'b', 'c'}, set(hot[3:5]))
        self.assertEqual(['f'], hot[5:])

    def test_the_connections_that_wait_in_the_pool_as_well(self):
        connection = self.database.open(TransactionManager())
        self.use('a', connection)
        connection.close()
        self.assertEqual('a root', self.hot())

    def test_no_more_than_one_cache_is_to_hold(self):
        self.use('abcdef')
        self.use('fedcba', self.open())
        self.assertEqual(7, len(hot_oids(self.database)))
        for size in (1, 3, 6, 7, 8):
            self.database.setCacheSize(size)
            self.assertEqual(min(size, 7), len(hot_oids(self.database)))

    def test_a_cache_that_only_bytes_limit(self):
        self.use('abcdef')
        self.database.setCacheSize(0)
        self.assertEqual(7, len(hot_oids(self.database)))

    def test_a_database_nobody_has_used(self):
        database = self.make_database()
        database.cacheMinimize()
        self.assertEqual([], hot_oids(database))

    def test_a_database_that_is_closed(self):
        self.use('abc')
        self.connection.close()
        self.database.close()
        self.assertEqual([], hot_oids(self.database))

    def test_a_cache_that_is_reset(self):
        self.use('abc')
        resetCaches()
        self.connection.close()
        self.connection = self.open()
        self.use('d')
        self.assertEqual('d root', self.hot())

    def test_not_those_who_look_into_the_past(self):
        past = self.open(before=self.database.lastTransaction())
        past.root().keys()
        self.assertEqual('', self.hot())


class TestHarmlessness(CachesCase):

    def test_asking_neither_loads_nor_uses_an_object(self):
        self.use('abc')
        before = self.hot()
        self.connection.getTransferCounts(clear=True)
        for _ in range(3):
            root_tid(self.database)
            self.assertEqual(before, self.hot())
        self.assertEqual((0, 0), self.connection.getTransferCounts())

    def test_no_object_is_kept(self):
        self.use('abc')
        used = [self.root()] + list(self.root().values())
        before = [sys.getrefcount(item) for item in used]
        oids = hot_oids(self.database)
        tid = root_tid(self.database)
        self.assertEqual(before, [sys.getrefcount(item) for item in used])
        self.assertEqual((4, 8), (len(oids), len(tid)))

    def test_connections_are_opened_and_closed_meanwhile(self):
        self.use('abc')
        opened = []

        def open_one():
            connection = self.database.open(TransactionManager())
            opened.append(connection)
            connection.close()

        def open_in_another_thread():
            thread = threading.Thread(target=open_one)
            thread.daemon = True
            thread.start()
            thread.join(30)

        self.watch_cache(open_in_another_thread)
        self.assertEqual('c root b a', self.hot())
        self.assertEqual(1, len(opened))

    def watch_cache(self, action):
        patch(self, self.connection, '_cache',
              WatchedCache(self.connection._cache, action))

    def test_no_garbage_is_collected_meanwhile(self):
        # It would crash this process, with some luck.
        self.use('abc')
        self.addCleanup(gc.enable)
        enabled = []
        self.watch_cache(lambda: enabled.append(gc.isenabled()))
        self.hot()
        self.assertTrue(gc.isenabled())
        gc.disable()
        self.hot()
        self.assertFalse(gc.isenabled())
        self.assertEqual([False, False], enabled)


class TestCachesThatEvict(CachesCase):

    def setUp(self):
        super(TestCachesThatEvict, self).setUp()
        patch(self, Stubborn, 'being_evicted', None)
        patch(self, Stubborn, 'may_be_evicted', threading.Event())
        self.root()['stubborn'] = Stubborn()
        self.connection.transaction_manager.commit()
        self.names[self.root()['stubborn']._p_oid] = 'stubborn'
        self.asked_again = 0
        patch(self, time, 'sleep', self.sleep)

    def sleep(self, seconds):
        self.asked_again += 1
        if self.asked_again == 3:
            self.end_eviction()

    def begin_eviction(self):
        Stubborn.being_evicted = threading.Event()
        self.thread = threading.Thread(target=self.connection.cacheMinimize)
        self.thread.start()
        self.addCleanup(self.thread.join)
        self.addCleanup(Stubborn.may_be_evicted.set)
        self.assertTrue(Stubborn.being_evicted.wait(30))

    def end_eviction(self):
        Stubborn.may_be_evicted.set()
        self.thread.join()

    def test_they_are_asked_again(self):
        self.begin_eviction()
        self.assertEqual('', self.hot())
        self.assertEqual(3, self.asked_again)

    def test_they_are_not_asked_for_ever(self):
        patch(self, caches, 'TRIES', 3)
        self.begin_eviction()
        with self.assertRaises(ValueError):
            hot_oids(self.database)
        self.assertEqual(2, self.asked_again)


class TestRootTid(CachesCase):

    def change_root(self, connection):
        connection.sync()
        connection.root()['changed'] = True
        connection.transaction_manager.commit()

    def test_that_of_the_root_object(self):
        self.use('a')
        tid = root_tid(self.database)
        self.assertEqual(8, len(tid))
        self.assertEqual(self.root()._p_serial, tid)
        self.assertEqual(
            self.database.storage.lastTransaction(), tid)

    def test_another_database_has_another_one(self):
        self.use('a')
        other = self.make_database()
        connection = other.open(TransactionManager())
        self.addCleanup(connection.close)
        connection.root().keys()
        self.assertNotEqual(root_tid(self.database), root_tid(other))

    def test_it_stays_when_other_objects_change(self):
        self.use('a')
        before = root_tid(self.database)
        self.root()['a']['changed'] = True
        self.connection.transaction_manager.commit()
        self.assertEqual(before, root_tid(self.database))

    def test_none_if_it_is_a_ghost(self):
        self.use('a')
        self.forget(self.connection)
        self.assertIsNone(root_tid(self.database))

    def test_none_if_nobody_has_used_the_database(self):
        database = self.make_database()
        database.cacheMinimize()
        self.assertIsNone(root_tid(database))

    def test_none_if_it_is_closed(self):
        self.use('a')
        self.connection.close()
        self.database.close()
        self.assertIsNone(root_tid(self.database))

    def test_the_last_one_if_a_connection_does_not_know_it_yet(self):
        self.use('a')
        for connections in (
                [self.connection, self.open()], [self.open(), self.open()]):
            old, new = connections
            old.root().keys()
            before = old.root()._p_serial
            self.change_root(new)
            self.assertEqual(before, old.root()._p_serial)
            self.assertEqual(new.root()._p_serial, root_tid(self.database))
            self.assertNotEqual(before, new.root()._p_serial)
            old.sync()

    def test_not_that_of_the_past(self):
        past = self.open(before=self.database.lastTransaction())
        past.root().keys()
        self.assertIsNone(root_tid(self.database))
