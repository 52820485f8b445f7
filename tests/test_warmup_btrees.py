from BTrees import family32
from BTrees import family64
from BTrees.IOBTree import IOBTree
from BTrees.Length import Length
from BTrees.OOBTree import OOBTree
from ftw.monitor.warmup import btrees
from ftw.monitor.warmup import bulk
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from persistent import Persistent
from persistent.mapping import PersistentMapping
from tests.counting_storage import CAN_PREFETCH
from tests.counting_storage import CountingStorage
from tests.counting_storage import DatabaseCase
from tests.counting_storage import oids_of
from tests.counting_storage import only_with_prefetch
from tests.patch import patch


FAMILIES = [
    module
    for family in (family32, family64)
    for module in (family.OO, family.OI, family.IO, family.II, family.IF)]

#: How many keys: nothing, one bucket, several, a tree of trees.
SIZES = st.one_of(
    st.integers(0, 5), st.integers(20, 70), st.integers(100, 400),
    st.integers(3000, 5000))

#: What trees are made of: None is a leaf, a number a set of so many numbers,
#: and a list a tree of such values.
SPECIFICATIONS = st.recursive(
    st.one_of(st.none(), st.integers(0, 200)),
    lambda values: st.lists(values, max_size=50), max_leaves=200)

#: Of several trees.
FORESTS = st.lists(SPECIFICATIONS, min_size=1, max_size=4)

thoroughly = settings(database=None, deadline=None, max_examples=60,
                      suppress_health_check=[HealthCheck.too_slow])


def numbers(count):
    """A tree of integers."""
    return IOBTree([(number, number) for number in range(count)])


class Tokens(OOBTree):
    """A subclass, whose name does not say what it is."""


class Leaf(Persistent):
    """Some persistent value."""


class BTreesCase(DatabaseCase):

    def store(self, trees, **options):
        """The *trees*, stored, as an empty cache of a connection has them."""
        # Those of the example before.
        self.close()
        database = self.database(
            {str(number): tree for number, tree in enumerate(trees)},
            **options)
        self.storage = database.storage
        self.connection = self.open(database)
        root = self.connection.root()
        return [root[str(number)] for number in range(len(trees))]

    def load(self, trees):
        """Load *trees*; return the ids of what was loaded, and whether that
        was all."""
        loaded = []
        try:
            loaded.extend(
                node._p_oid for node in self.each_in_memory(trees))
        except bulk.CacheFull:
            return loaded, False
        return loaded, True

    def each_in_memory(self, trees):
        for number, node in enumerate(btrees.load(*trees)):
            self.assertIsNotNone(node._p_changed)
            self.assertTrue(number < 10 ** 5, 'It does not end.')
            yield node

    def transfers(self):
        return self.connection.getTransferCounts()[0]

    def assertLoadsAll(self, *trees):
        trees = self.store(trees)
        loaded, whole = self.load(trees)
        self.assertTrue(whole)
        # None left out, none twice.
        nodes = oids_of(self.connection.db())
        self.assertEqual(nodes, sorted(loaded))
        self.assertEqual(nodes, sorted(self.storage.loaded))
        self.assertEqual(len(nodes), self.transfers())
        # And all were fetched before, where ZODB can do that.
        self.assertEqual(nodes if CAN_PREFETCH else [],
                         sorted(self.storage.all_fetched()))


class TestLoading(BTreesCase):

    @thoroughly
    @given(st.sampled_from(FAMILIES), SIZES, st.sampled_from([1, 3, 7]))
    def test_a_btree(self, family, size, step):
        self.assertLoadsAll(tree_of(family.BTree, size, step))
        self.assertLoadsAll(set_of(family.TreeSet, size, step))

    @thoroughly
    @given(FORESTS)
    def test_several_trees_of_whatever(self, specifications):
        self.assertLoadsAll(*[grown(each) for each in specifications])

    @settings(thoroughly, max_examples=40)
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
        self.assertEqual(1, len(list(btrees.load(OOBTree()))))
        nodes = list(btrees.load(tree_of(OOBTree, 1000, 1)))
        self.assertTrue(len(nodes) > 10)
        self.assertEqual(len(nodes), len(set(map(id, nodes))))

    def test_a_subclass_of_a_tree(self):
        self.assertLoadsAll(
            Tokens({'a': family32.II.TreeSet(range(500))}))
        self.assertLoadsAll(Tokens([
            ('%04d' % number, family32.II.TreeSet(range(5)))
            for number in range(300)]))

    def test_values_that_are_persistent_but_no_trees(self):
        for value in (Leaf, Length, PersistentMapping):
            self.assertLoadsAll(OOBTree({'a': value(), 'b': value()}))

    def test_no_tree_at_all(self):
        self.assertEqual([], list(btrees.load()))

    def test_a_value_of_several_keys_and_several_trees(self):
        shared = family32.II.TreeSet(range(500))
        self.assertLoadsAll(
            OOBTree([('%04d' % number, shared) for number in range(100)]),
            OOBTree({'a': shared, 'b': OOBTree({'c': shared})}))

    def test_the_same_tree_twice(self):
        tree = tree_of(OOBTree, 1000, 1)
        self.assertLoadsAll(tree, tree)

    def test_a_tree_that_contains_itself(self):
        tree = OOBTree()
        tree['child'] = OOBTree({'parent': tree})
        self.assertLoadsAll(tree)

    def test_values_in_another_database(self):
        # With the same object ids, as every database has them.
        databases = {}
        first = self.database({}, database_name='first', databases=databases)
        second = self.database({'leaf': Leaf()}, database_name='second',
                               databases=databases)

        def refer(root):
            root['tree'] = OOBTree()
            root['tree']['leaf'] = (
                root._p_jar.get_connection('second').root()['leaf'])

        self.change(first, refer)
        connection = self.open(first)
        tree = connection.root()['tree']
        nodes = list(btrees.load(tree))
        self.assertEqual([OOBTree, Leaf], [type(node) for node in nodes])
        self.assertEqual(tree._p_oid, tree['leaf']._p_oid)
        self.assertEqual(oids_of(second), second.storage.loaded[-1:])


class TestAPartOfATree(BTreesCase):

    def load_part(self, tree, most):
        """How many nodes are loaded, and how many are known then."""
        tree, = self.store([tree])
        loaded = list(btrees.load_part(tree, most))
        for node in loaded:
            self.assertIsNotNone(node._p_changed)
        # Those of the database itself are the same ones each time.
        return len(set(map(id, loaded))), len(self.connection._cache)

    def test_no_more_than_that(self):
        for most in (0, 1, 2, 30):
            loaded, _ = self.load_part(numbers(5000), most)
            self.assertEqual(most, loaded)

    def test_all_of_a_smaller_one(self):
        tree, = self.store([numbers(5000)])
        nodes = len(list(btrees.load(tree)))
        self.assertEqual(
            nodes, self.load_part(numbers(5000), nodes + 1)[0])

    def test_of_a_larger_one_no_more_is_known(self):
        # A tree of some thousand nodes makes a ghost of each of them, if all
        # that refer to them are loaded.
        _, of_small_one = self.load_part(numbers(20000), 50)
        _, of_large_one = self.load_part(numbers(200000), 50)
        self.assertLess(of_large_one, 2 * of_small_one)
        self.assertLess(of_large_one, 1000)


@only_with_prefetch
class TestFetchingTogether(BTreesCase):

    def fetched(self):
        return [len(oids) for oids in self.storage.fetched]

    def test_the_nodes_of_a_level(self):
        patch(self, bulk, 'BATCH', 1000)
        tree, = trees = self.store([terms(300)])
        self.load(trees)
        levels = [1, len(btrees.children(tree)), 300]
        self.assertEqual(levels, self.fetched())

    def test_the_nodes_of_a_level_of_all_trees(self):
        patch(self, bulk, 'BATCH', 1000)
        trees = self.store([terms(300), terms(10), terms(200)])
        self.load(trees)
        # A tree of one bucket is stored with it, and has no level of buckets.
        first, second, third = [
            len(btrees.children(tree)) for tree in trees]
        self.assertEqual(10, second)
        self.assertEqual([3, first + second + third, 300 + 200],
                         self.fetched())

    def test_not_too_many(self):
        trees = self.store([terms(350)])
        self.load(trees)
        self.assertEqual([100, 100, 100, 50], self.fetched()[-4:])
        self.assertEqual(200, self.storage.most_ahead)

    @thoroughly
    @given(FORESTS, st.integers(1, 30), st.integers(1, 300))
    def test_never_more_than_two_batches(self, forest, size, room):
        patch(self, bulk, 'BATCH', size)
        trees = self.store([grown(each) for each in forest],
                           cache_size=room)
        loaded, whole = self.load(trees)
        self.assertTrue(max([0] + self.fetched()) <= size)
        self.assertTrue(self.storage.most_ahead <= 2 * size)
        # Where the cache is full, one of them is for nothing.
        for_nothing = sum(self.fetched()) - len(loaded)
        self.assertTrue(0 <= for_nothing <= (0 if whole else size))

    def test_the_next_batch_is_under_way_while_one_is_loaded(self):
        tree, = self.store([terms(300)])
        ahead = [len(self.storage.all_fetched()) - number
                 for number, _ in enumerate(btrees.load(tree), 1)]
        # Of the 300 sets.
        self.assertEqual(list(range(199, 99, -1)), ahead[-300:-200])
        self.assertEqual(list(range(199, 99, -1)), ahead[-200:-100])
        self.assertEqual(list(range(99, -1, -1)), ahead[-100:])

    def test_only_what_is_not_loaded_yet(self):
        tree, = trees = self.store([OOBTree([
            (number, family32.II.TreeSet(range(5))) for number in range(50)])])
        for number in range(0, 50, 2):
            tree[number]._p_activate()
        self.load(trees)
        self.assertEqual(25, self.fetched()[-1])

    def test_nothing_if_all_is_loaded(self):
        trees = self.store([terms(300), tree_of(OOBTree, 1000, 1)])
        first = self.load(trees)
        self.forget(self.connection)
        self.assertEqual(first, self.load(trees))
        self.assertEqual([], self.storage.all_fetched())
        self.assertEqual([], self.storage.loaded)

    def test_a_storage_that_can_not_do_it(self):
        # Such as FileStorage.
        patch(self, CountingStorage, 'prefetch', property())
        trees = self.store([tree_of(OOBTree, 1000, 1)])
        loaded, whole = self.load(trees)
        self.assertTrue(whole)
        self.assertEqual(oids_of(self.connection.db()), sorted(loaded))
        self.assertEqual([], self.storage.fetched)


class TestTheCacheSize(BTreesCase):

    def load_large_tree(self, cache_size):
        trees = self.store([tree_of(family32.IO.BTree, 10000, 1)],
                           cache_size=cache_size)
        loaded, whole = self.load(trees)
        self.assertEqual(len(loaded), self.transfers())
        return trees[0], loaded, whole

    @thoroughly
    @given(FORESTS, st.integers(1, 300))
    def test_it_stops_when_the_cache_is_full(self, forest, cache_size):
        trees = self.store([grown(each) for each in forest],
                           cache_size=cache_size)
        loaded, whole = self.load(trees)
        self.assertEqual(len(loaded), self.transfers())
        # With the root object.
        in_memory = self.connection._cache.cache_non_ghost_count
        self.assertEqual(1 + len(loaded), in_memory)
        nodes = len(oids_of(self.connection.db()))
        self.assertEqual(min(1 + nodes, cache_size), in_memory)
        self.assertEqual(1 + nodes <= cache_size, whole)
        # So nothing of it is thrown out at the end of the request.
        self.assertNothingEvicted(self.connection)

    def test_a_full_cache_takes_nothing(self):
        trees = self.store([tree_of(family32.IO.BTree, 10000, 1)],
                           cache_size=1)
        self.assertEqual(([], False), self.load(trees))
        self.assertEqual([], self.storage.loaded)
        self.assertEqual([], self.storage.all_fetched())

    def test_a_full_cache_that_has_all_of_it(self):
        nodes = len(self.load_large_tree(100000)[1])
        tree, loaded, _ = self.load_large_tree(1 + nodes)
        self.assertEqual((loaded, True), self.load([tree]))

    def test_a_full_cache_that_has_some_of_it(self):
        tree, loaded, _ = self.load_large_tree(100)
        self.assertEqual((loaded, False), self.load([tree]))
        self.assertNothingEvicted(self.connection)

    def test_it_goes_on_when_there_is_more_room(self):
        tree, _, _ = self.load_large_tree(100)
        self.connection._cache.cache_size = 100000
        self.assertTrue(self.load([tree])[1])
        self.assertEqual(len(oids_of(self.connection.db())), self.transfers())

    def test_the_upper_levels_come_first(self):
        tree, loaded, whole = self.load_large_tree(20)
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
        self.assertEqual(seen, len(loaded))

    def test_the_size_in_bytes(self):
        limit = 50000
        trees = self.store([tree_of(family32.IO.BTree, 10000, 1)],
                           cache_size_bytes=limit)
        cache = self.connection._cache
        sizes = [cache.total_estimated_size]
        with self.assertRaises(bulk.CacheFull):
            for _ in btrees.load(*trees):
                sizes.append(cache.total_estimated_size)
        # It is the last one that has used up the rest.
        self.assertTrue(sizes[-2] < limit <= sizes[-1], sizes)
        self.assertEqual(len(sizes) - 1, self.transfers())

    def test_a_size_in_bytes_that_is_large_enough(self):
        trees = self.store([tree_of(family32.IO.BTree, 10000, 1)],
                           cache_size_bytes=10 ** 7)
        self.assertTrue(self.load(trees)[1])


def grown(specification):
    """What one of ``SPECIFICATIONS`` says."""
    if specification is None:
        return Leaf()
    if isinstance(specification, int):
        return family32.II.TreeSet(range(specification))
    return OOBTree([('%04d' % number, grown(value))
                    for number, value in enumerate(specification)])


def terms(number):
    """An index of so many terms, each in several documents."""
    return OOBTree([('%04d' % term, family32.II.TreeSet(range(5)))
                    for term in range(number)])


def tree_of(factory, size, step):
    tree = factory()
    for number in range(0, size * step, step):
        tree[number] = number
    return tree


def set_of(factory, size, step):
    return factory(range(0, size * step, step))
