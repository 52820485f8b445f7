"""Loads many objects into the cache of their connection, without a round trip
for each."""

from ftw.monitor.compat import PY2
import sys


#: How many objects are fetched together. ZEO's client sends a request for each
#: of them at once, with no brake: so many that the way to the server hardly
#: counts, so few that the requests of other clients are not kept waiting.
BATCH = 100


class CacheFull(Exception):
    """The cache of a connection has no room for what is to be loaded."""


def load(objects):
    """Load persistent *objects*; yield each when it is loaded.

    Raises ``CacheFull``.
    """
    for item in fetched(objects):
        item._p_activate()
        yield item


def fetched(objects):
    """Yield each of the persistent *objects* when the storage has been asked
    for it, and there is room for it.

    Whoever takes them loads them. What is loaded already is not asked for.
    Raises ``CacheFull``.
    """
    for batch in _one_ahead(objects, _fetch_ghosts):
        for item in batch:
            if _is_ghost(item) and not room(item._p_jar):
                raise CacheFull()
            yield item


def fetched_oids(connection, oids):
    """Yield each of *oids* when the storage has been asked for its object."""
    for batch in _one_ahead(oids, lambda some: fetch(connection, some)):
        for oid in batch:
            yield oid


def fetch(connection, oids):
    """Have the storage send the objects with these *oids*, all at once.

    ZODB 3.10 knows no prefetch, and FileStorage has no need of it.
    """
    prefetch = getattr(connection, 'prefetch', None)
    if prefetch is not None and oids:
        prefetch(oids)


def room(connection):
    """How many more objects the cache of *connection* holds.

    Of a limit in bytes only is known whether it is reached: the size of an
    object is not known before it is loaded.
    """
    cache = connection._cache
    limit = cache.cache_size_bytes
    if limit and cache.total_estimated_size >= limit:
        return 0
    if limit and not cache.cache_size and not PY2:
        # So there is no other limit. In ZODB 3.10, 0 means no object at all.
        return sys.maxsize
    return max(0, cache.cache_size - cache.cache_non_ghost_count)


def _one_ahead(items, fetch):
    """Yield *items* in batches. While one is worked on, the next one is under
    way already."""
    batches = [items[start:start + BATCH]
               for start in range(0, len(items), BATCH)]
    for number, batch in enumerate(batches):
        if number == 0:
            fetch(batch)
        if number + 1 < len(batches):
            fetch(batches[number + 1])
        yield batch


def _fetch_ghosts(objects):
    connection = next((item._p_jar for item in objects
                       if item._p_jar is not None), None)
    if connection is None:
        # Never stored, so all of them are in memory.
        return
    ghosts = [item._p_oid for item in objects
              if item._p_jar is connection and _is_ghost(item)]
    fetch(connection, ghosts[:room(connection)])


def _is_ghost(item):
    # What was never stored is in memory.
    return item._p_jar is not None and item._p_changed is None
