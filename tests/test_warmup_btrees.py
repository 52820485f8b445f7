from BTrees import family32
from BTrees import family64
from BTrees.Length import Length
from BTrees.OOBTree import OOBTree
from ftw.monitor.warmup import btrees
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from persistent import Persistent
from persistent.mapping import PersistentMapping
from tests.patch import patch
from transaction import TransactionManager
from ZODB import DB
from ZODB.Connection import Connection
from ZODB.MappingStorage import MappingStorage
import unittest


FAMILIES = [
    module
    for family in (family32, family64)
    for module in (family.OO, family.OI, family.IO, family.II, family.IF)]

CAN_PREFETCH = hasattr(Connection, 'prefetch')

#: How many keys: nothing, one bucket, several, a tree of trees.
SIZES = st.one_of(
    st.integers(0, 5), st.integers(20, 70), st.integers(100, 400),
    st.integers(3000, 5000))


class FetchingStorage(MappingStorage):
    """Knows what it was asked to send, as ZEO and RelStorage can do."""

    def __init__(self):
        super(FetchingStorage, self).__init__()
        #: The object ids of each request.
        self.fetched = []

    def prefetch(self, oids, tid):
        self.fetched.append(list(oids))


class Tokens(OOBTree):
    """A subclass, whose name does not say what it is."""


class Leaf(Persistent):
    """Some persistent value."""


class BTreesCase(unittest.TestCase):

    def setUp(self):
        self.databases = []
        self.addCleanup(self.close)

    def close(self):
        for database in self.databases:
            database.close()

    def stored(self, tree, cache_size=100000):
        """*tree*, stored, as an empty cache of a connection has it."""
        self.storage = FetchingStorage()
        database = DB(self.storage, cache_size=cache_size, pool_size=2)
        self.databases.append(database)
        writing = database.open(TransactionManager())
        writing.root()['tree'] = tree
        writing.transaction_manager.commit()
        # While this is open, the next one is new.
        reading = database.open(TransactionManager())
        found = reading.root()['tree']
        reading.getTransferCounts(clear=True)
        return found

    def nodes(self, tree):
        """How many objects there are in the database, without its root."""
        return len(tree._p_jar.db().storage) - 1

    def loads(self, tree):
        return tree._p_jar.getTransferCounts()[0]

    def ghosts(self, tree):
        return [oid for oid, found in tree._p_jar._cache.items()
                if found._p_changed is None]

    def assertLoadsAll(self, tree):
        tree = self.stored(tree)
        nodes = self.nodes(tree)
        self.assertEqual(btrees.load(tree), (nodes, True))
        # None twice, none left out.
        self.assertEqual(self.loads(tree), nodes)
        self.assertEqual(self.ghosts(tree), [])
        # And all were fetched before, where ZODB can do that.
        fetched = [oid for oids in self.storage.fetched for oid in oids]
        self.assertEqual(nodes if CAN_PREFETCH else 0, len(fetched))
        self.assertEqual(len(fetched), len(set(fetched)))


class TestLoading(BTreesCase):

    @settings(database=None, deadline=None, max_examples=60,
              suppress_health_check=[HealthCheck.too_slow])
    @given(st.sampled_from(FAMILIES), SIZES, st.sampled_from([1, 3, 7]))
    def test_a_btree(self, family, size, step):
        self.assertLoadsAll(tree_of(family.BTree, size, step))
        self.assertLoadsAll(set_of(family.TreeSet, size, step))

    @settings(database=None, deadline=None, max_examples=40,
              suppress_health_check=[HealthCheck.too_slow])
    @given(st.sampled_from([family32, family64]),
           st.lists(st.integers(0, 300), max_size=150), st.booleans())
    def test_the_forward_index_of_a_catalog(self, family, sizes, text):
        # Term to one document id, or to a TreeSet of them.
        index = (family.OO if text else family.IO).BTree()
        for number, size in enumerate(sizes):
            index['%05d' % number if text else number] = (
                size if size < 2
                else set_of(family.II.TreeSet, size, 1) if number % 3
                else family.II.Set(range(size)))
        self.assertLoadsAll(index)

    def test_trees_of_trees_of_trees(self):
        tree = OOBTree()
        for component in 'abc':
            levels = family32.IO.BTree()
            for level in range(100):
                levels[level] = family32.II.TreeSet(range(level * 3))
            tree[component] = levels
        self.assertLoadsAll(tree)

    def test_an_empty_tree(self):
        self.assertLoadsAll(OOBTree())
        self.assertLoadsAll(family64.II.TreeSet())

    def test_a_tree_that_was_emptied_again(self):
        tree = tree_of(OOBTree, 1000, 1)
        for key in list(tree):
            del tree[key]
        self.assertLoadsAll(tree)

    def test_a_tree_with_gaps(self):
        tree = tree_of(family32.IO.BTree, 3000, 1)
        for key in list(tree):
            if key % 100 > 3:
                del tree[key]
        self.assertLoadsAll(tree)

    def test_a_tree_that_was_never_stored(self):
        self.assertEqual(btrees.load(OOBTree()), (1, True))
        loaded, whole = btrees.load(tree_of(OOBTree, 1000, 1))
        self.assertTrue(loaded > 10)
        self.assertTrue(whole)

    def test_a_subclass_of_a_tree(self):
        self.assertLoadsAll(
            Tokens({'a': family32.II.TreeSet(range(500))}))
        self.assertLoadsAll(Tokens([
            ('%04d' % number, family32.II.TreeSet(range(5)))
            for number in range(300)]))

    def test_values_that_are_persistent_but_no_trees(self):
        for value in (Leaf, Length, PersistentMapping):
            self.assertLoadsAll(OOBTree({'a': value(), 'b': value()}))


@unittest.skipUnless(CAN_PREFETCH, 'ZODB 3.10 loads one object at a time.')
class TestFetchingTogether(BTreesCase):

    def test_the_nodes_of_a_level(self):
        tree = self.stored(OOBTree([
            ('%04d' % number, family32.II.TreeSet(range(5)))
            for number in range(300)]))
        btrees.load(tree)
        levels = [1, len(btrees.children(tree)), 300]
        self.assertEqual(levels, [len(oids) for oids in self.storage.fetched])

    def test_not_too_many(self):
        patch(self, btrees, 'BATCH', 100)
        tree = self.stored(OOBTree([
            ('%04d' % number, family32.II.TreeSet(range(5)))
            for number in range(350)]))
        btrees.load(tree)
        self.assertEqual([100, 100, 100, 50],
                         [len(oids) for oids in self.storage.fetched[-4:]])

    def test_only_what_is_not_loaded_yet(self):
        tree = self.stored(OOBTree([
            (number, family32.II.TreeSet(range(5))) for number in range(50)]))
        for number in range(0, 50, 2):
            tree[number]._p_activate()
        btrees.load(tree)
        self.assertEqual(25, len(self.storage.fetched[-1]))

    def test_only_what_the_cache_has_room_for(self):
        tree = self.stored(tree_of(family32.IO.BTree, 10000, 1), 100)
        loaded, _ = btrees.load(tree)
        self.assertEqual(
            loaded, sum(len(oids) for oids in self.storage.fetched))

    def test_a_storage_that_can_not_do_it(self):
        # Such as FileStorage.
        patch(self, FetchingStorage, 'prefetch', property())
        tree = self.stored(tree_of(OOBTree, 1000, 1))
        self.assertEqual((self.nodes(tree), True), btrees.load(tree))
        self.assertEqual([], self.storage.fetched)


class TestTheCacheSize(BTreesCase):

    def load(self, cache_size):
        tree = self.stored(tree_of(family32.IO.BTree, 10000, 1), cache_size)
        loaded, whole = btrees.load(tree)
        self.assertEqual(loaded, self.loads(tree))
        return tree, loaded, whole

    def test_it_stops_when_the_cache_is_full(self):
        tree, loaded, whole = self.load(100)
        self.assertFalse(whole)
        self.assertTrue(self.nodes(tree) > 200)
        cache = tree._p_jar._cache
        # With what was there before.
        self.assertEqual(cache.cache_non_ghost_count, 100)
        # So nothing of it is thrown out at the end of the request.
        before = cache.cache_non_ghost_count
        tree._p_jar.cacheGC()
        self.assertEqual(cache.cache_non_ghost_count, before)

    def test_a_full_cache_takes_nothing(self):
        tree = self.stored(tree_of(family32.IO.BTree, 10000, 1), 1)
        tree._p_jar.root()._p_activate()
        self.assertEqual(btrees.load(tree), (0, False))

    def test_the_upper_levels_come_first(self):
        tree, loaded, whole = self.load(20)
        self.assertFalse(whole)
        level = [tree]
        seen = 0
        while level:
            states = [node._p_changed is not None for node in level]
            # All of a level, before any of the next.
            self.assertEqual(states, sorted(states, reverse=True))
            seen += sum(states)
            if not all(states):
                break
            level = [child for node in level
                     for child in btrees.children(node)]
        self.assertEqual(seen, loaded)

    def test_a_cache_that_is_large_enough(self):
        tree, loaded, whole = self.load(100000)
        self.assertTrue(whole)
        self.assertEqual(loaded, self.nodes(tree))


def tree_of(factory, size, step):
    tree = factory()
    for number in range(0, size * step, step):
        tree[number] = number
    return tree


def set_of(factory, size, step):
    return factory(range(0, size * step, step))
