"""What the connection caches of a database hold.

Any thread may look into them while the workers use them. Nothing is loaded,
and nothing is accessed: the caches note which object was used last, and that
is what we want to know.
"""

from contextlib import contextmanager
from ZODB.utils import z64
import gc
import time


#: How often a cache is asked while it is evicting objects, and the seconds in
#: between. That takes a moment; on a busy machine, of a large cache, more.
TRIES = 20
PAUSE = 0.05


def hot_oids(database):
    """The ids of the objects in the caches of a ``ZODB.DB``, most recently
    used first.

    A list without duplicates, of at most as many as one cache is to hold. An
    object's rank is the best it has in any cache.

    Raises ``ValueError`` if one of the caches evicts objects all the time.
    """
    rankings = [_ranking(connection._cache)
                for connection in _connections(database)]
    longest = max([len(ranking) for ranking in rankings] or [0])
    # 0 is for caches which only their size in bytes limits.
    limit = database.getCacheSize() or longest
    hot = []
    seen = set()
    for rank in range(longest):
        for ranking in rankings:
            if rank < len(ranking) and ranking[rank] not in seen:
                if len(hot) == limit:
                    return hot
                seen.add(ranking[rank])
                hot.append(ranking[rank])
    return hot


def root_tid(database):
    """The identity of a ``ZODB.DB``: when its root object was last changed.

    The 8 bytes of a transaction id; None if no cache holds the root object.
    """
    tids = [_tid(connection._cache.get(z64))
            for connection in _connections(database)]
    # A connection that waits in the pool may have an old root object.
    return max([tid for tid in tids if tid is not None] or [None])


def _tid(persistent):
    # Attributes that begin with _p_ neither load an object nor access it.
    if persistent is None or persistent._p_changed is None:
        return None
    return persistent._p_serial


def _connections(database):
    """All connections of *database* but those to its past.

    The lock that everybody needs who opens or closes a connection is held for
    no more than this.
    """
    connections = []
    database._connectionMap(connections.append)
    return [connection for connection in connections
            if connection.before is None]


def _ranking(cache):
    """The ids of the objects in *cache*, most recently used first."""
    for _ in range(TRIES - 1):
        try:
            return _ranking_now(cache)
        except ValueError:
            # It is evicting objects.
            time.sleep(PAUSE)
    return _ranking_now(cache)


def _ranking_now(cache):
    with _garbage_collection_paused():
        oids = [oid for oid, _ in cache.lru_items()]
    oids.reverse()
    return oids


@contextmanager
def _garbage_collection_paused():
    """To be used while a cache tells its objects.

    It makes a tuple for each of them, and Python up to 3.11 takes so many as
    a reason to collect garbage. What is finalized then may let another thread
    run. If that one uses the cache, it changes the ring of objects which the
    cache is going through, and the process ends with a segmentation fault.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
