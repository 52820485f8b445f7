"""What it costs to load a catalog, and one ten times as large.

The performer's own ``load_catalog``, in a connection with Plone's usual cache
size, over a ZEO server on this machine. Every run begins with an empty client
cache.
"""

from Acquisition import Implicit
from benchmarks import large_catalog
from benchmarks.figures import median
from benchmarks.figures import milliseconds
from benchmarks.network import CACHE
from benchmarks.network import opened
from benchmarks.network import zeo_server
from ftw.monitor.interfaces import ILifecycle
from ftw.monitor.lifecycle import Lifecycle
from ftw.monitor.warmup import DefaultWarmupPerformer
from zope.component import getGlobalSiteManager
import time


#: The smallest one does not fill the cache, and takes no part in the ratio.
SIZES = (10 ** 4, 10 ** 5, 10 ** 6)

REPETITIONS = 5


class Site(Implicit):
    """As much of a Plone site as ``load_catalog`` needs."""

    def __init__(self, catalog):
        self._p_jar = catalog._p_jar
        self.portal_catalog = Tool(catalog)

    def getPhysicalPath(self):
        return ('', 'Plone')


class Tool(Implicit):
    """The catalog tool."""

    def __init__(self, catalog):
        self._catalog = catalog


def run(data, write):
    """Measure and write a table."""
    # The performer asks it for the time, and tells it how far it is.
    getGlobalSiteManager().registerUtility(Lifecycle(), ILifecycle)
    with zeo_server(data, fill) as zeo:
        taken = dict((size, []) for size in SIZES)
        for _ in range(REPETITIONS):
            for size in SIZES:
                taken[size].append(measure(zeo.port, size))
    write('\nLoading a catalog, cache-size %d, median of %d\n' % (
        CACHE, REPETITIONS))
    write('%-24s %8s %8s\n' % ('', 'objects', 'ms'))
    times = {}
    for size in SIZES:
        times[size] = median([seconds for seconds, _ in taken[size]])
        write('%7d entries %9s  %7d  %s\n' % (
            size, '', median([loaded for _, loaded in taken[size]]),
            milliseconds(times[size])))
    write('%-24s %17.2f\n' % ('ratio of the last two',
                              times[SIZES[-1]] / times[SIZES[-2]]))


def fill(connection):
    """Store the catalogs."""
    for size in SIZES:
        large_catalog.store(connection, name(size), size)


def name(size):
    """The name of the catalog of that size in the root object."""
    return 'catalog-%d' % size


def measure(port, size):
    """``(seconds, objects in the cache)`` of loading the catalog."""
    with opened(port) as connection:
        site = Site(connection.root()[name(size)])
        performer = DefaultWarmupPerformer(site, {})
        began = time.time()
        performer.load_catalog()
        taken = time.time() - began
        return taken, connection._cache.cache_non_ghost_count
