"""What a running instance notices while its hot set is saved.

Four connections with 30,000 objects each. How long the lock is held that
everybody needs who opens or closes a connection, and how long another thread
is kept from running, beside one that only computes.
"""

from benchmarks.figures import median
from benchmarks.figures import milliseconds
from contextlib import closing
from contextlib import contextmanager
from ftw.monitor.warmup import caches
from ftw.monitor.warmup import hotset
from ftw.monitor.warmup import hotset_file
from persistent.mapping import PersistentMapping
from ZODB import DB
from ZODB.MappingStorage import MappingStorage
from ZODB.utils import z64
import os
import random
import shutil
import tempfile
import threading
import time
import transaction


CONNECTIONS = 4

#: Objects in the cache of each connection, and in the database.
CACHE = 30000
STORED = 2 * CACHE

REPETITIONS = 10

#: Seconds that a thread wants to sleep.
SLEEP = 0.001


def run(data, write):
    """Measure and write a table."""
    folder = tempfile.mkdtemp(prefix='ftwm-')
    path = os.path.join(folder, 'instance.hotset')
    try:
        with filled_database() as database:
            lock = watch_lock(database)
            taken, stalls, computing = [], [], []
            for _ in range(REPETITIONS):
                seconds, stall = watched(save, database, path)
                taken.append(seconds)
                stalls.append(stall)
                computing.append(watched(compute, seconds)[1])
            size = os.path.getsize(path)
    finally:
        shutil.rmtree(folder)
    write('\nSaving the hot set of %d connections with %d objects each, in ms;'
          ' %d times\n' % (CONNECTIONS, CACHE, REPETITIONS))
    write('%-44s %8s %8s\n' % ('', 'median', 'longest'))
    for name, values in (
            ('all of it', taken),
            ('hold of the lock of the database', lock.held),
            ('stall of another thread', stalls),
            ('the same, while a thread computes', computing)):
        write('%-44s  %s  %s\n' % (
            name, milliseconds(median(values)), milliseconds(max(values))))
    write('%-44s  %7.2f\n' % (
        'bytes of the file for each of %d objects' % CACHE,
        float(size) / CACHE))


def save(database, path):
    """As the thread of a running instance does it."""
    hotset_file.write(path, hotset.HotSet(
        int(time.time()), None, [],
        {'main': (caches.root_tid(database), caches.hot_oids(database))}))


def compute(seconds):
    """Do nothing else, for so many *seconds*."""
    end = time.time() + seconds
    while time.time() < end:
        pass


@contextmanager
def filled_database():
    """A ``DB`` whose connections have full caches, each another one."""
    with closing(DB(MappingStorage(), cache_size=CACHE)) as database:
        oids = store(database)
        connections = [
            database.open(transaction.TransactionManager())
            for _ in range(CONNECTIONS)]
        chance = random.Random(1)
        for connection in connections:
            # The root object is what a hot set knows its database by.
            for oid in [z64] + chance.sample(oids, CACHE - 1):
                connection.get(oid)._p_activate()
            if connection._cache.cache_non_ghost_count != CACHE:
                raise AssertionError(connection._cache.cache_non_ghost_count)
        yield database


def store(database):
    """Store many objects in *database*; return their ids."""
    connection = database.open()
    objects = [PersistentMapping() for _ in range(STORED)]
    for item in objects:
        connection.add(item)
    transaction.commit()
    oids = [item._p_oid for item in objects]
    connection.cacheMinimize()
    connection.close()
    return oids


def watched(work, *arguments):
    """Call *work*: how many seconds it takes, and the longest stall of a
    thread that only wants to sleep for a moment, again and again."""
    late = []
    ended = threading.Event()

    def sleep():
        while not ended.is_set():
            began = time.time()
            time.sleep(SLEEP)
            late.append(time.time() - began - SLEEP)

    sleeper = threading.Thread(target=sleep)
    sleeper.start()
    began = time.time()
    work(*arguments)
    taken = time.time() - began
    ended.set()
    sleeper.join()
    return taken, max(late)


def watch_lock(database):
    """Have the lock of *database* be one that notes how long it is held."""
    lock = WatchedLock()
    database._lock = lock
    # Of ZODB 3.10
    database._a = lock.acquire
    database._r = lock.release
    return lock


class WatchedLock(object):
    """:ivar held: the seconds of each time it was held."""

    def __init__(self):
        self._lock = threading.RLock()
        self._began = []
        self.held = []

    def acquire(self):
        self._lock.acquire()
        self._began.append(time.time())

    def release(self):
        self.held.append(time.time() - self._began.pop())
        self._lock.release()

    def __enter__(self):
        self.acquire()

    def __exit__(self, *exception):
        self.release()
