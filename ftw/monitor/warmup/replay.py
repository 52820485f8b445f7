"""Loads the objects of a hot set into the caches of a connection."""

from contextlib import contextmanager
from ftw.monitor.checks.databases import is_connected
from ftw.monitor.warmup import bulk
from ftw.monitor.wording import describe
from itertools import islice
from transaction.interfaces import TransientError
from ZODB.POSException import POSKeyError
from ZODB.POSException import StorageError
import logging


LOG = logging.getLogger('ftw.monitor')

#: The log of ZEO's client, which has a traceback for each object that it is to
#: prefetch and that does not exist.
ZEO_LOG = logging.getLogger('ZEO.asyncio.client')


def replay(hot_set, connection, lifecycle):
    """Load the objects of *hot_set* by *connection*, in all its databases.

    What is wrong with a hot set is a line in the log. Losing a database is
    not, and raises what the storage raises.
    """
    for name, (root_tid, oids) in sorted(hot_set.databases.items()):
        if name not in connection.db().databases:
            LOG.warning('Warmup: the hot set has objects of a database %r,'
                        ' which is not there any more.', name)
            continue
        other = connection.get_connection(name)
        root = other.root()
        # A ghost does not know its serial.
        root._p_activate()
        if root._p_serial != root_tid:
            LOG.warning(
                'Warmup: the hot set is not of this database %r, or its root'
                ' object has been changed since. It is not used, and replaced'
                ' when it is saved the next time.', name)
            continue
        _replay(other, name, oids, lifecycle)


def _replay(connection, name, oids, lifecycle):
    progress = lifecycle.progress
    progress.begin_stage('hot set', len(to_load(connection, oids)))
    try:
        for _ in load(connection, oids):
            progress.count(1)
            if lifecycle.warmup_time_is_up(
                    'the rest of the hot set of database %r' % name):
                return
    except bulk.CacheFull:
        LOG.info('Warmup: %d objects of the hot set of database %r are loaded;'
                 ' then the connection cache was full.', progress.loaded, name)
        return
    except (StorageError, TransientError):
        raise
    except Exception as error:
        if not is_connected(connection.db()):
            raise
        # ZODB 6 makes a StateLoadError of it, which says nothing itself.
        cause = getattr(error, '__cause__', None) or error
        LOG.warning('Warmup: the rest of the hot set of database %r is left'
                    ' out, since an object of it cannot be loaded: %s',
                    name, describe(cause), exc_info=True)
        return
    missing = progress.planned - progress.loaded
    if missing > 0:
        LOG.info('Warmup: %d of %d objects of the hot set of database %r exist'
                 ' no more; it has been packed since.',
                 missing, progress.planned, name)


def load(connection, oids):
    """Load the objects with *oids*, most recently used first, as far as there
    is room for them; yield each that exists and was not loaded yet.

    They are fetched by oid, since most objects are younger than those that
    refer to them, and so come as ghosts, which need to be loaded only once.
    In the end they are marked as used, so that those that were used last will
    be evicted last.

    Raises ``bulk.CacheFull`` where the cache has a limit in bytes: only then
    it is not known beforehand how many there is room for.
    """
    wanted = to_load(connection, oids)
    if not connection._cache.cache_size_bytes:
        wanted.sort()
    try:
        with _quiet_about_missing_objects():
            for oid in bulk.fetched_oids(connection, wanted):
                if not bulk.room(connection):
                    raise bulk.CacheFull()
                try:
                    item = connection.get(oid)
                    item._p_activate()
                except POSKeyError:
                    continue
                yield item
    finally:
        mark_as_used(connection, oids)


def to_load(connection, oids):
    """Those of *oids* whose objects are not loaded yet, as many as there is
    room for."""
    cache = connection._cache
    return list(islice((oid for oid in oids if not _is_loaded(cache, oid)),
                       bulk.room(connection)))


def mark_as_used(connection, oids):
    """Let the cache evict, of the objects with *oids*, the first one last."""
    cache = connection._cache
    for oid in reversed(oids):
        if _is_loaded(cache, oid):
            # The one attribute that counts as an access and runs no code of
            # the object's class.
            cache.get(oid)._p_mtime  # noqa: B018


def _is_loaded(cache, oid):
    item = cache.get(oid)
    return item is not None and item._p_changed is not None


@contextmanager
def _quiet_about_missing_objects():
    quiet = _QuietAboutMissingObjects()
    ZEO_LOG.addFilter(quiet)
    try:
        yield
    finally:
        ZEO_LOG.removeFilter(quiet)


class _QuietAboutMissingObjects(logging.Filter):
    """Drops what is logged of objects that do not exist."""

    def filter(self, record):
        return not (record.exc_info
                    and isinstance(record.exc_info[1], POSKeyError))
