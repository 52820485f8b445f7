from BTrees.Length import Length
from ftw.monitor.compat import PY2
from ftw.monitor.warmup import btrees
from ftw.monitor.warmup import bulk
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from persistent import Persistent
from persistent.mapping import PersistentMapping
from tests.counting_storage import CAN_PREFETCH
from tests.counting_storage import CountingStorage
from tests.counting_storage import DatabaseCase
from tests.counting_storage import only_with_prefetch
from tests.patch import patch
from tests.test_warmup_btrees import terms
from transaction import TransactionManager
from ZODB.POSException import POSKeyError
from ZODB.utils import p64
import sys
import unittest
import ZEO


class Leaf(Persistent):
    """Some persistent object."""

    def __init__(self, *content):
        self.content = content


class BulkCase(DatabaseCase):

    def leaves(self, number, **options):
        """So many objects, stored, as an empty cache has them."""
        self.close()
        database = self.database(
            {'%05d' % each: Leaf() for each in range(number)}, **options)
        self.storage = database.storage
        self.connection = self.open(database)
        root = self.connection.root()
        return [root[name] for name in sorted(root)]

    def load(self, objects):
        """Load *objects*; return those that were, and whether all were."""
        loaded = []
        try:
            for item in bulk.load(objects):
                self.assertIsNotNone(item._p_changed)
                loaded.append(item)
        except bulk.CacheFull:
            return loaded, False
        return loaded, True


class TestLoading(BulkCase):

    def test_objects_of_all_kinds(self):
        objects = self.stored(
            a=Leaf(), b=PersistentMapping({'key': 1}), c=Length(3),
            d=terms(300))
        self.assertEqual((objects, True), self.load(objects))
        oids = [item._p_oid for item in objects]
        # Each alone, not what it refers to.
        self.assertEqual(oids, self.storage.loaded)
        self.assertEqual([oids] if CAN_PREFETCH else [], self.storage.fetched)

    def test_each_once(self):
        objects = self.leaves(450)
        self.assertEqual((objects, True), self.load(objects))
        self.assertEqual([item._p_oid for item in objects],
                         self.storage.loaded)
        self.assertEqual(450, self.connection.getTransferCounts()[0])

    def test_in_their_order(self):
        objects = self.leaves(450)[::-1]
        self.assertEqual((objects, True), self.load(objects))

    def test_none(self):
        self.assertEqual(([], True), self.load([]))

    def test_nothing_before_somebody_wants_it(self):
        objects = self.leaves(3)
        loading = bulk.load(objects)
        self.assertEqual([], self.storage.all_fetched())
        self.assertIs(objects[0], next(loading))
        self.assertEqual([objects[0]._p_oid], self.storage.loaded)

    def test_objects_that_were_never_stored(self):
        objects = [Leaf() for _ in range(250)]
        self.assertEqual((objects, True), self.load(objects))

    def test_objects_that_were_never_stored_among_others(self):
        objects = [item for stored in self.leaves(200)
                   for item in (Leaf(), stored)]
        self.assertEqual((objects, True), self.load(objects))
        self.assertEqual(200, len(self.storage.loaded))
        self.assertEqual(200 if CAN_PREFETCH else 0,
                         len(self.storage.all_fetched()))

    def test_objects_of_several_databases(self):
        databases = {}
        connections = [
            self.open(self.database({'leaf': Leaf()}, database_name=name,
                                    databases=databases))
            for name in ('a', 'b')]
        objects = [connection.root()['leaf'] for connection in connections]
        self.assertEqual((objects, True), self.load(objects))
        for connection in connections:
            self.assertEqual(1, len(connection.db().storage.loaded))

    def test_what_is_loaded_already(self):
        objects = self.leaves(10)
        for item in objects[::2]:
            item._p_activate()
        self.forget(self.connection)
        self.assertEqual((objects, True), self.load(objects))
        rest = [item._p_oid for item in objects[1::2]]
        self.assertEqual(rest, self.storage.loaded)
        self.assertEqual(rest if CAN_PREFETCH else [],
                         self.storage.all_fetched())

    def test_what_is_changed_is_not_loaded_anew(self):
        item, = self.leaves(1)
        item.content = 'new'
        self.forget(self.connection)
        self.assertEqual(([item], True), self.load([item]))
        self.assertEqual('new', item.content)
        self.assertEqual([], self.storage.loaded)

    def test_an_object_that_is_not_there(self):
        objects = self.leaves(3)
        self.storage.errors[objects[1]._p_oid] = POSKeyError(
            objects[1]._p_oid)
        loading = bulk.load(objects)
        next(loading)
        self.assertRaises(POSKeyError, next, loading)


@only_with_prefetch
class TestFetchingAhead(BulkCase):

    @settings(database=None, deadline=None, max_examples=60)
    @given(st.integers(0, 60), st.integers(1, 10), st.integers(1, 70),
           st.sets(st.integers(0, 59)))
    def test_in_bounds(self, number, size, cache_size, in_memory):
        patch(self, bulk, 'BATCH', size)
        objects = self.leaves(number, cache_size=100000)
        for index in in_memory:
            if index < number:
                objects[index]._p_activate()
        self.forget(self.connection)
        self.connection._cache.cache_size = cache_size
        room = bulk.room(self.connection)
        ghosts = [item._p_oid for item in objects
                  if item._p_changed is None]

        _, whole = self.load(objects)

        self.assertEqual(ghosts[:room], self.storage.loaded)
        self.assertEqual(len(ghosts) <= room, whole)
        for oids in self.storage.fetched:
            self.assertTrue(0 < len(oids) <= size)
        self.assertTrue(self.storage.most_ahead <= 2 * size)
        # In vain, one batch at most, and only if the cache is full.
        fetched = self.storage.all_fetched()
        self.assertEqual(ghosts[:room], fetched[:room])
        self.assertTrue(len(fetched) <= len(ghosts[:room]) + size)
        if whole:
            self.assertEqual(ghosts, fetched)

    def test_who_takes_no_more_has_two_batches_at_most(self):
        objects = self.leaves(450)
        next(bulk.load(objects))
        self.assertEqual(
            [item._p_oid for item in objects[:2 * bulk.BATCH]],
            self.storage.all_fetched())

    def test_a_batch_is_small(self):
        # All others who use the same server wait as long as it takes.
        self.assertTrue(bulk.BATCH <= 100)

    def test_a_storage_that_can_not_do_it(self):
        patch(self, CountingStorage, 'prefetch', property())
        objects = self.leaves(250)
        self.assertEqual((objects, True), self.load(objects))
        self.assertEqual(250, len(self.storage.loaded))

    def test_by_object_id(self):
        oids = [item._p_oid for item in self.leaves(450)]
        taken = []
        for oid in bulk.fetched_oids(self.connection, oids):
            self.assertIn(oid, self.storage.all_fetched())
            self.connection.get(oid)._p_activate()
            taken.append(oid)
        self.assertEqual(oids, taken)
        self.assertEqual(oids, self.storage.all_fetched())
        self.assertEqual(200, self.storage.most_ahead)

    def test_nothing_is_not_asked_for(self):
        self.leaves(1)
        bulk.fetch(self.connection, [])
        self.assertEqual([], list(bulk.fetched_oids(self.connection, [])))
        self.assertEqual([], self.storage.fetched)


class TestTheCacheSize(BulkCase):

    def test_it_stops_when_the_cache_is_full(self):
        objects = self.leaves(450, cache_size=300)
        # The root object is there already.
        self.assertEqual((objects[:299], False), self.load(objects))
        self.assertEqual(300, self.connection._cache.cache_non_ghost_count)
        self.assertNothingEvicted(self.connection)

    def test_as_many_as_it_holds(self):
        objects = self.leaves(299, cache_size=300)
        self.assertEqual((objects, True), self.load(objects))
        self.assertNothingEvicted(self.connection)

    def test_what_is_loaded_already_needs_no_room(self):
        objects = self.leaves(299, cache_size=300)
        self.load(objects)
        self.assertEqual((objects, True), self.load(objects))

    def test_a_cache_that_holds_too_much_already(self):
        objects = self.leaves(10)
        self.load(objects[:5])
        self.connection._cache.cache_size = 3
        self.forget(self.connection)
        self.assertEqual((objects[:5], False), self.load(objects))
        self.assertEqual([], self.storage.loaded)
        self.assertEqual([], self.storage.all_fetched())

    def test_objects_that_were_never_stored_need_no_room(self):
        objects = self.leaves(1, cache_size=1) + [Leaf()]
        self.assertEqual((objects[1:], True), self.load(objects[1:]))
        self.assertEqual(([], False), self.load(objects))


class TestTheRoom(BulkCase):

    def room(self, loaded, **options):
        """The room when the root object, and so many more, are loaded."""
        self.load(self.leaves(10, **options)[:loaded])
        return bulk.room(self.connection)

    def test_what_the_cache_size_leaves(self):
        self.assertEqual(99, self.room(0, cache_size=100))
        self.assertEqual(94, self.room(5, cache_size=100))
        self.assertEqual(0, self.room(5, cache_size=6))

    def test_it_is_never_less_than_nothing(self):
        self.room(5)
        self.connection._cache.cache_size = 2
        self.assertEqual(0, bulk.room(self.connection))

    def test_below_the_limit_in_bytes(self):
        self.assertEqual(
            94, self.room(5, cache_size=100, cache_size_bytes=10 ** 6))

    def test_at_the_limit_in_bytes(self):
        self.room(5)
        cache = self.connection._cache
        cache.cache_size_bytes = cache.total_estimated_size
        self.assertEqual(0, bulk.room(self.connection))
        cache.cache_size_bytes += 1
        self.assertNotEqual(0, bulk.room(self.connection))

    def test_no_cache_at_all(self):
        self.assertEqual(0, self.room(0, cache_size=0))

    def test_nothing_but_a_limit_in_bytes(self):
        room = self.room(5, cache_size=0, cache_size_bytes=10 ** 6)
        self.connection.cacheGC()
        # What the cache itself makes of it.
        kept = self.connection._cache.cache_non_ghost_count
        self.assertEqual((0, 0) if PY2 else (sys.maxsize, 6), (room, kept))


@unittest.skipIf(PY2, 'ZEO 3.10 fetches one object at a time.')
class TestZEO(BulkCase):

    def setUp(self):
        super(TestZEO, self).setUp()
        address, stop = ZEO.server()
        self.addCleanup(stop)
        database = ZEO.DB(address)
        self.change(database, lambda root: root.update(tree=terms(1000)))
        database.close()
        # One whose client cache is empty.
        self.client = ZEO.DB(address)
        self.addCleanup(self.client.close)
        self.client.setCacheSize(100000)
        self.connection = self.client.open(TransactionManager())

    def served(self):
        """How many objects the server was asked for."""
        return self.client.storage.server_status()['loads']

    def test_the_server_sends_each_object_once(self):
        tree = self.connection.root()['tree']
        before = self.served()
        nodes = len(list(btrees.load(tree)))
        self.assertTrue(nodes > 1000)
        self.assertEqual(nodes, self.served() - before)
        self.assertEqual(1 + nodes,
                         self.connection._cache.cache_non_ghost_count)

    def test_the_other_workers_are_served_by_the_client_cache(self):
        nodes = len(list(btrees.load(self.connection.root()['tree'])))
        before = self.served()
        other = self.client.open(TransactionManager())
        self.assertEqual(
            nodes, len(list(btrees.load(other.root()['tree']))))
        self.assertEqual(0, self.served() - before)

    def test_by_object_id(self):
        oids = [p64(number) for number in range(1, 1001)]
        self.connection.root()._p_activate()
        before = self.served()
        for oid in bulk.fetched_oids(self.connection, oids):
            self.connection.get(oid)._p_activate()
        self.assertEqual(1000, self.served() - before)
