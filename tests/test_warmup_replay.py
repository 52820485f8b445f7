from ftw.monitor import progress
from ftw.monitor.compat import PY2
from ftw.monitor.lifecycle import Lifecycle
from ftw.monitor.warmup import caches
from ftw.monitor.warmup import replay as module
from ftw.monitor.warmup.hotset import HotSet
from ftw.monitor.warmup.replay import load
from ftw.monitor.warmup.replay import replay
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from itertools import count
from persistent import Persistent
from tests.counting_storage import CAN_PREFETCH
from tests.counting_storage import DatabaseCase
from tests.counting_storage import oids_of
from tests.patch import patch
from tests.recorded_log import RecordedLog
from tests.test_warmup_btrees import terms
from transaction import TransactionManager
from transaction.interfaces import TransientError
from ZEO.Exceptions import ClientDisconnected
from ZODB.POSException import ReadConflictError
from ZODB.utils import p64
from ZODB.utils import z64
import logging
import sys
import unittest
import ZEO


class Leaf(Persistent):
    """Some persistent object."""


class Large(Persistent):
    """Some persistent object of 1000 bytes or so."""

    def __init__(self):
        self.content = 1000 * 'x'


class Stubborn(Persistent):
    """It does not let itself be loaded."""

    def __setstate__(self, state):
        raise ValueError('I will not')


class Removed(Persistent):
    """Of a product that is not there any more."""


class ReplayCase(DatabaseCase):

    def setUp(self):
        super(ReplayCase, self).setUp()
        self.log = RecordedLog.installed(self, logging.INFO)
        # They have a traceback for each object that can't be loaded.
        RecordedLog.installed(self, name='ZODB.Connection')
        self.begin()

    def begin(self):
        self.lifecycle = Lifecycle()
        self.lifecycle.begin_warmup()

    def database(self, objects, database_name='main', **options):
        return super(ReplayCase, self).database(
            objects, database_name=database_name, **options)

    def leaves(self, number, factory=Leaf, **options):
        """A connection to a database of so many objects; their ids.

        Nothing but the root object is loaded, which knows them all.
        """
        self.close()
        database = self.database(
            {'%05d' % each: factory() for each in range(number)}, **options)
        self.storage = database.storage
        self.connection = self.open(database)
        return oids_of(database)

    def hot_set(self, oids, root_tid=None, name='main'):
        if root_tid is None:
            root_tid = self.connection.root()._p_serial
        return HotSet(1760000000, None, [], {name: (root_tid, oids)})

    def replay(self, oids):
        replay(self.hot_set(oids), self.connection, self.lifecycle)

    def transfers(self):
        return self.connection.getTransferCounts()[0]

    def counted(self):
        """What the progress tells."""
        now = self.lifecycle.progress
        return now.loaded, now.planned

    def assertLogged(self, *expected):
        """For each message its level and its beginning."""
        self.assertEqual(
            [(level, message[:len(beginning)]) for (level, message),
             (_, beginning) in zip(self.log.messages, expected)],
            list(expected))
        self.assertEqual(
            len(self.log.messages), len(expected), self.log.messages)


class TestLoading(ReplayCase):

    def test_each_object_once(self):
        oids = self.leaves(450)[::-1]
        self.replay(oids)
        self.assertEqual(450, self.transfers())
        self.assertEqual(sorted(oids), sorted(self.storage.loaded))
        self.assertEqual(sorted(oids) if CAN_PREFETCH else [],
                         self.storage.all_fetched())
        self.assertEqual((450, 450), self.counted())
        self.assertLogged()

    def test_in_batches(self):
        self.replay(self.leaves(450))
        self.assertEqual(
            [100, 100, 100, 100, 50] if CAN_PREFETCH else [],
            [len(fetched) for fetched in self.storage.fetched])
        self.assertEqual(200 if CAN_PREFETCH else 0, self.storage.most_ahead)

    def test_what_is_known_by_name_is_not_loaded_twice(self):
        # To make an object of an id alone takes a look into its record.
        database = self.database({'tree': terms(300)})
        connection = self.open(database)
        # The nodes are younger than the tree, which knows them.
        list(load(connection, oids_of(database)[::-1]))
        self.assertEqual(oids_of(database), database.storage.loaded)

    def test_what_is_known_by_its_id_only(self):
        database = self.database({'tree': terms(300)})
        connection = self.open(database)
        last = oids_of(database)[-1]
        item, = load(connection, [last])
        self.assertEqual(last, item._p_oid)
        self.assertIsNotNone(item._p_changed)
        self.assertEqual(1, connection.getTransferCounts()[0])

    def test_what_is_loaded_already(self):
        oids = self.leaves(10)
        for oid in oids[::2]:
            self.connection.get(oid)._p_activate()
        self.forget(self.connection)
        self.replay(oids)
        self.assertEqual(oids[1::2], self.storage.loaded)
        self.assertEqual(oids[1::2] if CAN_PREFETCH else [],
                         self.storage.all_fetched())
        self.assertEqual((5, 5), self.counted())
        self.assertLogged()

    def test_all_is_loaded_already(self):
        oids = self.leaves(10)
        self.replay(oids)
        self.replay(oids)
        self.assertEqual(10, self.transfers())
        self.assertEqual((0, 0), self.counted())
        self.assertLogged()

    def test_nothing(self):
        self.leaves(10)
        self.replay([])
        self.assertEqual([], self.storage.loaded)
        self.assertEqual([], self.storage.fetched)
        self.assertLogged()

    def test_an_object_whose_class_is_gone(self):
        oids = self.leaves(3, Removed)
        here = sys.modules[__name__]
        self.addCleanup(setattr, here, 'Removed', Removed)
        del here.Removed
        self.replay(oids)
        self.assertEqual((3, 3), self.counted())
        self.assertLogged()

    def test_the_stage_is_told(self):
        self.replay(self.leaves(10))
        self.assertEqual('hot set', self.lifecycle.progress.stage)

    def test_what_the_caches_of_an_instance_held(self):
        # From the process that was used to the one that takes its place.
        used = self.open(self.database({'tree': terms(300)}))
        for number in (7, 250, 3, 120, 7):
            list(used.root()['tree']['%04d' % number])
        database = used.db()
        hot = caches.hot_oids(database)
        before = [oid for oid in self.in_memory(used) if oid != z64]
        hot_set = self.hot_set(hot, caches.root_tid(database))

        connection = self.open(database)
        replay(hot_set, connection, self.lifecycle)
        self.assertEqual(
            before,
            [oid for oid in self.in_memory(connection) if oid != z64])


class TestObjectsThatExistNoMore(ReplayCase):

    def pack(self, database, names):
        """Delete the objects of these *names* and pack."""
        def delete(root):
            for name in names:
                del root[name]

        self.change(database, delete)
        database.pack()

    def test_they_are_skipped(self):
        oids = self.leaves(10)
        database = self.connection.db()
        self.pack(database, ['00002', '00005'])
        self.connection = self.open(database)
        gone = sorted(set(oids) - set(oids_of(database)))
        self.assertEqual(2, len(gone))

        self.replay(oids)
        self.assertEqual((8, 10), self.counted())
        self.assertEqual(8, self.transfers())
        self.assertEqual([z64] + sorted(set(oids) - set(gone)),
                         sorted(self.in_memory(self.connection)))
        self.assertEqual([
            ('INFO',
             "Warmup: 2 of 10 objects of the hot set of database 'main' exist"
             " no more; it has been packed since.")], self.log.messages)

    def test_they_are_all_gone(self):
        oids = self.leaves(3)
        self.pack(self.connection.db(), ['00000', '00001', '00002'])
        self.connection = self.open(self.connection.db())
        self.replay(oids)
        self.assertEqual((0, 3), self.counted())
        self.assertLogged(('INFO', 'Warmup: 3 of 3 objects '))


class TestAHotSetOfAnotherDatabase(ReplayCase):

    def assertNothingLoaded(self):
        self.assertEqual([], self.storage.loaded)
        self.assertEqual([], self.storage.fetched)

    def test_its_root_object_is_another_one(self):
        oids = self.leaves(3)
        replay(self.hot_set(oids, p64(7)), self.connection, self.lifecycle)
        self.assertNothingLoaded()
        self.assertLogged((
            'WARNING',
            "Warmup: the hot set is not of this database 'main', or its root"
            " object has been changed since."))

    def test_its_root_object_has_been_changed_since(self):
        oids = self.leaves(3)
        hot_set = self.hot_set(oids)
        database = self.connection.db()
        self.change(database, lambda root: root.update({'new': Leaf()}))
        self.connection = self.open(database)
        replay(hot_set, self.connection, self.lifecycle)
        self.assertNothingLoaded()
        self.assertLogged((
            'WARNING', "Warmup: the hot set is not of this database 'main'"))

    def test_there_is_no_such_database(self):
        oids = self.leaves(3)
        replay(self.hot_set(oids, name='catalog'), self.connection,
               self.lifecycle)
        self.assertNothingLoaded()
        self.assertEqual([
            ('WARNING',
             "Warmup: the hot set has objects of a database 'catalog', which"
             " is not there any more.")], self.log.messages)

    def test_a_root_object_that_is_not_loaded(self):
        oids = self.leaves(3)
        hot_set = self.hot_set(oids)
        self.connection.cacheMinimize()
        replay(hot_set, self.connection, self.lifecycle)
        self.assertEqual((3, 3), self.counted())
        self.assertLogged()


class TestWhatCannotBeLoaded(ReplayCase):

    def test_an_object_that_refuses(self):
        oids = self.leaves(10)
        database = self.connection.db()
        self.change(database, lambda root: root.update(
            {'last': Stubborn()}))
        self.change(database, lambda root: root.update(
            (name, Leaf()) for name in 'xyz'))
        self.connection = self.open(database)
        self.replay(oids_of(database)[::-1])
        self.assertEqual((10, 14), self.counted())
        self.assertEqual(1 + 10, len(self.in_memory(self.connection)))
        self.assertLogged((
            'WARNING',
            "Warmup: the rest of the hot set of database 'main' is left out,"
            " since an object of it cannot be loaded: ValueError: I will"
            " not"))
        # With a traceback, for who has to find out which class that is.
        self.assertTrue(self.log.records[0].exc_info)
        # What is loaded is in order nevertheless.
        self.assertEqual(oids, self.in_memory(self.connection)[1:])

    def assertRaised(self, error):
        oids = self.leaves(450)
        self.storage.errors[oids[123]] = error
        with self.assertRaises(type(error)) as raised:
            self.replay(oids)
        self.assertIs(error, raised.exception)
        self.assertLogged()
        self.assertEqual((123, 450), self.counted())

    def test_a_server_that_is_lost(self):
        # Also if it is found again at once.
        self.assertRaised(ClientDisconnected())

    def test_what_may_be_gone_the_next_time(self):
        self.assertRaised(TransientError())
        self.assertRaised(ReadConflictError())

    def test_an_error_while_the_server_is_away(self):
        error = IOError('connection reset')
        oids = self.leaves(3)
        self.storage.is_connected = lambda: False
        self.storage.errors[oids[1]] = error
        self.assertRaises(IOError, self.replay, oids)
        self.assertLogged()

    def test_the_next_time_it_goes_on(self):
        oids = self.leaves(450, cache_size=301)
        self.storage.errors[oids[123]] = ClientDisconnected()
        self.assertRaises(ClientDisconnected, self.replay, oids)
        self.storage.errors.clear()
        self.begin()
        self.replay(oids)
        self.assertEqual(oids[:300],
                         self.in_memory(self.connection)[:0:-1])
        self.assertEqual(300, self.transfers())
        self.assertEqual((177, 177), self.counted())


class TestTheCacheSize(ReplayCase):

    def test_no_more_than_the_cache_holds(self):
        oids = self.leaves(450, cache_size=301)[::-1]
        self.replay(oids)
        self.assertEqual((300, 300), self.counted())
        # The most recently used ones.
        self.assertEqual(set(oids[:300]), set(self.storage.loaded))
        self.assertEqual(sorted(oids[:300]) if CAN_PREFETCH else [],
                         self.storage.all_fetched())
        self.assertEqual(301, self.connection._cache.cache_non_ghost_count)
        self.assertNothingEvicted(self.connection)
        self.assertLogged()

    def test_no_room_at_all(self):
        oids = self.leaves(10, cache_size=1)
        self.replay(oids)
        self.assertEqual((0, 0), self.counted())
        self.assertEqual([], self.storage.loaded)
        self.assertLogged()

    def test_a_cache_that_holds_too_much_already(self):
        oids = self.leaves(10)
        self.replay(oids[:6])
        self.connection._cache.cache_size = 3
        self.replay(oids)
        self.assertEqual((0, 0), self.counted())
        self.assertEqual(6, self.transfers())

    def test_the_most_recently_used_are_evicted_last(self):
        oids = self.leaves(300)
        # Neither by age nor backwards.
        hot = oids[1::2] + oids[::2]
        self.replay(hot)
        self.assertEqual(hot, self.in_memory(self.connection)[:0:-1])
        self.connection._cache.cache_size = 20
        self.connection.cacheGC()
        self.assertEqual(hot[:20], self.in_memory(self.connection)[::-1])

    @settings(database=None, deadline=None, max_examples=60)
    @given(st.permutations(range(30)), st.integers(0, 30),
           st.sets(st.integers(0, 29)), st.integers(1, 35))
    def test_whatever_is_hot_and_there_already(
            self, order, length, there, cache_size):
        oids = self.leaves(30)
        hot = [oids[number] for number in order[:length]]
        there = {oids[number] for number in there}
        for oid in there:
            self.connection.get(oid)._p_activate()
        self.forget(self.connection)
        self.connection._cache.cache_size = cache_size

        self.replay(hot)

        room = max(0, cache_size - 1 - len(there))
        expected = [oid for oid in hot if oid not in there][:room]
        self.assertEqual(sorted(expected), self.storage.loaded)
        # First what is not hot, then what is, most recently used last.
        in_memory = self.in_memory(self.connection)
        self.assertEqual(there | set(expected) | {z64}, set(in_memory))
        hot_now = [oid for oid in hot if oid in in_memory]
        self.assertEqual(hot_now[::-1],
                         in_memory[len(in_memory) - len(hot_now):])

    def test_a_limit_in_bytes(self):
        limit = 20000
        oids = self.leaves(100, Large, cache_size_bytes=limit)[::-1]
        self.replay(oids)
        loaded, planned = self.counted()
        self.assertEqual(100, planned)
        # All but the last one fit in.
        self.assertTrue(limit <= self.connection._cache.total_estimated_size
                        < limit + 2000)
        # The most recently used ones.
        self.assertEqual(oids[:loaded], self.storage.loaded)
        self.assertTrue(10 < loaded < 20, loaded)
        self.assertEqual([
            ('INFO',
             "Warmup: %d objects of the hot set of database 'main' are loaded;"
             " then the connection cache was full." % loaded)],
            self.log.messages)
        # What is evicted is not hot, or hardly.
        self.connection.cacheGC()
        self.assertEqual(oids[:loaded - 1],
                         self.in_memory(self.connection)[::-1][:loaded - 1])

    def test_a_limit_in_bytes_that_is_not_reached(self):
        oids = self.leaves(100, Large, cache_size_bytes=10 ** 6)[::-1]
        self.replay(oids)
        self.assertEqual((100, 100), self.counted())
        self.assertLogged()


class TestTheTimeLimit(ReplayCase):

    def setUp(self):
        super(TestTheTimeLimit, self).setUp()
        # Every time somebody looks, a second has passed.
        clock = count()
        patch(self, progress, 'monotonic', lambda: next(clock))
        self.begin()
        self.lifecycle.warmup_timeout = 150

    def test_the_rest_is_left_out(self):
        oids = self.leaves(450)
        self.replay(oids)
        self.assertEqual((151, 450), self.counted())
        self.assertEqual(["the rest of the hot set of database 'main'"],
                         self.lifecycle.warmup_left_out)
        self.assertEqual(151, self.transfers())
        # And two batches at most were asked for in vain.
        self.assertEqual(300 if CAN_PREFETCH else 0,
                         len(self.storage.all_fetched()))
        self.assertLogged()

    def test_what_is_loaded_is_in_order(self):
        oids = self.leaves(450)
        self.replay(oids)
        self.assertEqual(oids[:151], self.in_memory(self.connection)[:0:-1])

    def test_enough_time(self):
        self.replay(self.leaves(100))
        self.assertEqual((100, 100), self.counted())
        self.assertEqual([], self.lifecycle.warmup_left_out)


class TestSeveralDatabases(ReplayCase):

    def setUp(self):
        super(TestSeveralDatabases, self).setUp()
        self.by_name = {}
        self.connections = {}
        for name, number in (('main', 30), ('catalog', 20), ('temporary', 2)):
            database = self.database(
                {'%05d' % each: Leaf() for each in range(number)},
                database_name=name, databases=self.by_name)
            self.connections[name] = self.open(database)
        self.hot = HotSet(1760000000, None, [], {
            name: (self.connections[name].root()._p_serial,
                   oids_of(self.by_name[name]))
            for name in ('main', 'catalog')})
        self.connection = self.by_name['main'].open(TransactionManager())
        for database in self.by_name.values():
            database.storage.forget()

    def replay_all(self):
        replay(self.hot, self.connection, self.lifecycle)

    def loaded(self, name):
        """The ids of what was loaded, without the root object."""
        return [oid for oid in self.by_name[name].storage.loaded
                if oid != z64]

    def test_each_has_its_part(self):
        self.replay_all()
        for name in ('main', 'catalog'):
            oids = oids_of(self.by_name[name])
            self.assertEqual(oids, self.loaded(name))
            other = self.connection.get_connection(name)
            self.assertEqual(
                oids, [oid for oid in self.in_memory(other)[::-1]
                       if oid != z64])
        self.assertEqual([], self.loaded('temporary'))
        self.assertLogged()

    def test_each_has_its_own_room(self):
        self.by_name['catalog'].setCacheSize(11)
        self.replay_all()
        self.assertEqual(oids_of(self.by_name['catalog'])[:10],
                         self.loaded('catalog'))
        self.assertEqual(30, len(self.loaded('main')))

    def test_one_that_is_not_there_any_more(self):
        self.hot.databases['archive'] = (p64(1), [p64(1)])
        self.replay_all()
        self.assertEqual(20, len(self.loaded('catalog')))
        self.assertEqual(30, len(self.loaded('main')))
        self.assertLogged((
            'WARNING',
            "Warmup: the hot set has objects of a database 'archive'"))

    def test_one_that_is_another_one(self):
        self.hot.databases['catalog'] = (
            p64(1), self.hot.databases['catalog'][1])
        self.replay_all()
        self.assertEqual([], self.loaded('catalog'))
        self.assertEqual(30, len(self.loaded('main')))
        self.assertLogged((
            'WARNING',
            "Warmup: the hot set is not of this database 'catalog'"))

    def test_one_of_which_an_object_cannot_be_loaded(self):
        storage = self.by_name['catalog'].storage
        storage.errors[oids_of(self.by_name['catalog'])[5]] = ValueError('x')
        self.replay_all()
        self.assertEqual(30, len(self.loaded('main')))
        self.assertLogged((
            'WARNING',
            "Warmup: the rest of the hot set of database 'catalog' is left"
            " out"))

    def test_one_that_is_lost(self):
        storage = self.by_name['catalog'].storage
        storage.errors[oids_of(self.by_name['catalog'])[5]] = (
            ClientDisconnected())
        self.assertRaises(ClientDisconnected, self.replay_all)

    def test_the_progress_is_that_of_one_database(self):
        self.replay_all()
        # The last one, by name.
        self.assertEqual((30, 30), self.counted())


@unittest.skipIf(PY2, 'ZEO 3.10 has its server in another process.')
class TestZEO(ReplayCase):

    def setUp(self):
        super(TestZEO, self).setUp()
        self.address, self.stop = ZEO.server()
        self.addCleanup(self.stop_once)
        database = ZEO.DB(self.address)
        self.change(database, lambda root: root.update(
            ('%05d' % number, Leaf()) for number in range(1000)))
        database.close()
        # Quickly lost, and with an empty client cache.
        self.client = ZEO.DB(self.address, wait_timeout=0.1)
        self.addCleanup(self.client.close)
        self.client.setCacheSize(100000)
        self.connection = self.client.open(TransactionManager())
        self.connection.root()._p_activate()
        self.oids = [p64(number) for number in range(1, 1001)]

    def stop_once(self):
        if self.stop is not None:
            self.stop()
        self.stop = None

    def replay(self, oids):
        replay(self.hot_set(oids, name=self.client.database_name),
               self.connection, self.lifecycle)

    def served(self):
        return self.client.storage.server_status()['loads']

    def test_the_server_sends_each_object_once(self):
        before = self.served()
        self.replay(self.oids[::-1])
        self.assertEqual(1000, self.served() - before)
        self.assertEqual((1000, 1000), self.counted())
        self.assertLogged()

    def test_objects_that_exist_no_more_are_one_line_in_the_log(self):
        zeo_log = RecordedLog.installed(self, name='ZEO')
        self.replay(self.oids + [p64(number) for number in range(5000, 5300)])
        self.assertEqual((1000, 1300), self.counted())
        self.assertLogged(('INFO', 'Warmup: 300 of 1300 objects '))
        self.assertEqual([], zeo_log.messages)

    def test_afterwards_zeo_logs_as_ever(self):
        self.replay(self.oids)
        self.assertEqual([], module.ZEO_LOG.filters)

    def test_other_problems_of_zeo_are_logged(self):
        zeo_log = RecordedLog.installed(self, name='ZEO.asyncio.client')
        loading = load(self.connection, self.oids)
        next(loading)
        module.ZEO_LOG.warning('no connection')
        try:
            raise ClientDisconnected()
        except ClientDisconnected:
            module.ZEO_LOG.exception('disconnected')
        self.assertEqual(
            [('WARNING', 'no connection'), ('ERROR', 'disconnected')],
            zeo_log.messages)

    def test_the_server_is_lost_in_the_middle(self):
        RecordedLog.installed(self, name='ZEO')
        loading = load(self.connection, self.oids)
        next(loading)
        self.stop_once()
        with self.assertRaises(ClientDisconnected):
            list(loading)
        self.assertRaises(ClientDisconnected, self.replay, self.oids)
        self.assertLogged()
