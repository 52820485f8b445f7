"""dbinfo, zeostatus and zeocache: one line each, for scripts."""

from ftw.monitor.commands import arguments
from ftw.monitor.interfaces import IMonitorPlugin
from zope.interface import provider
import time


def activity(database, seconds):
    """``(loads, stores, connections)`` of the last *seconds*.

    -1 each if the database does not count them. A connection counts when it
    is closed.
    """
    monitor = database.getActivityMonitor()
    if monitor is None:
        return -1, -1, -1
    analysis = monitor.getActivityAnalysis(
        start=time.time() - seconds, divisions=1)[0]
    return analysis['loads'], analysis['stores'], analysis['connections']


def cache_sizes(database):
    """``(objects, non-ghost objects)`` in all connection caches together."""
    caches = database.cacheDetailSize()
    return (sum(cache['size'] for cache in caches),
            sum(cache['ngsize'] for cache in caches))


@provider(IMonitorPlugin)
def dbinfo(connection, db='', seconds='300'):
    """Show the activity of a database

    One line with five numbers: how many objects were loaded, how many were
    stored and how many connections were closed in the last SECONDS; then how
    many objects and how many non-ghost objects are in all connection caches.

    DB is the name of a database; by default, or as "-", the root database.
    """
    database = arguments.database(db)
    numbers = activity(database, arguments.seconds(seconds))
    connection.write('%d %d %d %d %d\n' % (numbers + cache_sizes(database)))


@provider(IMonitorPlugin)
def zeostatus(connection, db=''):
    """Say whether a database is connected to its ZEO server

    "True" or "False".

    DB is the name of a database; by default, or as "-", the root database.
    """
    storage = arguments.zeo_storage(db)
    connection.write('%s\n' % bool(storage.is_connected()))


@provider(IMonitorPlugin)
def zeocache(connection, db=''):
    """Show the statistics of a ZEO client cache

    One line with five numbers: records added, bytes added, records evicted,
    bytes evicted, accesses.

    DB is the name of a database; by default, or as "-", the root database.
    """
    storage = arguments.zeo_storage(db)
    connection.write('%d %d %d %d %d\n' % tuple(storage._cache.getStats()))
