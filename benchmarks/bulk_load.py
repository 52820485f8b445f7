"""How long it takes to load a BTree from a ZEO server that is not near.

Node by node, and as the warm-up does it. Every run begins with an empty
client cache. ZODB 3.10 can load one node after the other only.
"""

from benchmarks.figures import milliseconds
from BTrees.IOBTree import IOBTree
from contextlib import closing
from contextlib import contextmanager
from ftw.monitor.warmup import btrees
from tests.functional.processes import free_port
from tests.functional.processes import listens
from tests.functional.processes import REPOSITORY
from tests.functional.processes import wait_until
from tests.functional.processes import ZEOServer
from ZEO.ClientStorage import ClientStorage
from ZODB import DB
import subprocess
import sys
import time
import transaction


ENTRIES = 300000

#: Seconds that each message is under way.
DELAY = 0.001

#: Bytes of the client cache, and objects of the connection's: enough for all.
CLIENT_CACHE = 200 * 1024 * 1024
CACHE = 10 * ENTRIES


def run(data, write):
    """Measure and write a table."""
    zeo = ZEOServer(data)
    try:
        zeo.start()
        with opened(zeo.port) as root:
            root['tree'] = IOBTree([
                (number, 40 * 'x') for number in range(ENTRIES)])
            transaction.commit()
        with delayed(zeo.port) as port:
            nodes, slow = measure(port, one_by_one)
            _, quick = measure(port, btrees.load)
    finally:
        zeo.destroy()
    write('\nA BTree of %d nodes over ZEO, %.1f ms each way, in ms\n' % (
        nodes, DELAY * 1000))
    write('%-24s %s\n' % ('one by one', milliseconds(slow)))
    write('%-24s %s\n' % ('as the warm-up', milliseconds(quick)))
    write('%-24s %7.3f\n' % ('ratio', quick / slow))


def one_by_one(tree):
    """Load *tree*, one node after the other; return ``(nodes, True)``."""
    loaded = 0
    nodes = [tree]
    while nodes:
        nodes.extend(btrees.children(nodes.pop()))
        loaded += 1
    return loaded, True


def measure(port, load):
    """How many nodes *load* has loaded, and in how many seconds."""
    with opened(port) as root:
        tree = root['tree']
        began = time.time()
        nodes, whole = load(tree)
        taken = time.time() - began
        if not whole:
            raise AssertionError('The cache is too small.')
        return nodes, taken


@contextmanager
def opened(port):
    """The root of the database behind *port*."""
    database = DB(ClientStorage(('127.0.0.1', port), cache_size=CLIENT_CACHE),
                  cache_size=CACHE)
    with closing(database):
        connection = database.open()
        yield connection.root()
        transaction.abort()
        connection.close()


@contextmanager
def delayed(target):
    """A port that leads to *target*, but takes its time."""
    port = free_port()
    proxy = subprocess.Popen([
        sys.executable, '-m', 'benchmarks.delay', str(port), str(target),
        str(DELAY)], cwd=REPOSITORY)
    try:
        wait_until(lambda: listens(port), 'the proxy')
        yield port
    finally:
        proxy.kill()
        proxy.wait()
