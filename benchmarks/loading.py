"""How long it takes to load objects from a ZEO server that is not near.

One by one; as the warm-up loads a catalog, and a hot set; and the floor. Every
run begins with an empty client cache. ZODB 3.10 can load one object after the
other only.
"""

from benchmarks import floor
from benchmarks.figures import median
from benchmarks.figures import milliseconds
from benchmarks.network import DELAY
from benchmarks.network import delayed
from benchmarks.network import opened
from benchmarks.network import zeo_server
from BTrees.IOBTree import IOBTree
from ftw.monitor.compat import PY2
from ftw.monitor.warmup import btrees
from ftw.monitor.warmup import replay
import random
import time
import transaction


#: They make 10,000 nodes.
ENTRIES = 300000

#: How often all is measured, and the quick ways each time. In ZODB 3.10 none
#: is quick.
REPETITIONS = 3
QUICK = 1 if PY2 else 3


def run(data, write):
    """Measure and write a table."""
    with zeo_server(data, fill) as zeo:
        with opened(zeo.port) as connection:
            oids = [node._p_oid for node in nodes(connection)]
        with delayed(zeo.port) as port:
            taken = measure(port, oids)
    write('\n%d objects over ZEO, %.1f ms each way, in ms; median of %d, of'
          ' one by one %d\n' % (
              len(oids), DELAY * 1000, REPETITIONS * QUICK, REPETITIONS))
    write('%-24s %8s %18s %15s\n' % (
        '', '', 'ratio: one by one', 'to the floor'))
    medians = dict((name, median(taken[name])) for name in taken)
    for name in sorted(medians, key=medians.get, reverse=True):
        write('%-24s  %s %18.3f %15s\n' % (
            name, milliseconds(medians[name]),
            medians[name] / medians['one by one'],
            '%.2f' % (medians[name] / medians['floor'])
            if 'floor' in medians else '-'))


def fill(connection):
    """Store a BTree."""
    connection.root()['tree'] = IOBTree([
        (number, 40 * 'x') for number in range(ENTRIES)])
    transaction.commit()


def nodes(connection):
    """Load the BTree, one node after the other; yield the nodes."""
    waiting = [connection.root()['tree']]
    while waiting:
        node = waiting.pop()
        waiting.extend(btrees.children(node))
        yield node


def measure(port, oids):
    """``{name: [seconds]}`` of all ways to load the objects with *oids*."""
    # Most recently used first: as good as any order.
    shuffled = random.Random(1).sample(oids, len(oids))

    def one_by_one(connection):
        return count(nodes(connection))

    def catalog(connection):
        return count(btrees.load(connection.root()['tree']))

    def hot_set(connection):
        return count(replay.load(connection, shuffled))

    def least(connection):
        return floor.load(connection, sorted(oids))

    quick = [('as a catalog', catalog), ('as a hot set', hot_set)]
    if not PY2:
        quick.append(('floor', least))
    taken = {}
    for _ in range(REPETITIONS):
        for name, load in [('one by one', one_by_one)] + QUICK * quick:
            with opened(port) as connection:
                began = time.time()
                loaded = load(connection)
                taken.setdefault(name, []).append(time.time() - began)
            if loaded != len(oids):
                raise AssertionError('%s: %d objects' % (name, loaded))
    return taken


def count(generator):
    """Exhaust *generator*; return how many items there were."""
    return sum(1 for _ in generator)
