"""Databases that count what is loaded of them."""

from ftw.monitor.compat import PY2
from transaction import TransactionManager
from ZODB import DB
from ZODB.Connection import Connection
from ZODB.MappingStorage import MappingStorage
from ZODB.utils import z64
import unittest


CAN_PREFETCH = hasattr(Connection, 'prefetch')

only_with_prefetch = unittest.skipUnless(
    CAN_PREFETCH, 'ZODB 3.10 loads one object at a time.')


class CountingStorage(MappingStorage):
    """Knows what it was asked to send, and what it was asked to send ahead of
    time, as ZEO and RelStorage can be.

    :ivar loaded: the object ids of all that was loaded, one after the other.
    :ivar fetched: the object ids of each request to send some ahead.
    :ivar most_ahead: how many objects, at most, were sent and not loaded yet.
    :ivar errors: what loading an object raises, by object id.
    """

    def __init__(self):
        super(CountingStorage, self).__init__()
        self.errors = {}
        self.forget()

    def forget(self):
        """Count from here on."""
        self.loaded = []
        self.fetched = []
        self.most_ahead = 0
        self._ahead = set()

    def all_fetched(self):
        return [oid for oids in self.fetched for oid in oids]

    def prefetch(self, oids, tid):
        oids = list(oids)
        self.fetched.append(oids)
        self._ahead.update(oids)
        self.most_ahead = max(self.most_ahead, len(self._ahead))

    if PY2:
        def load(self, oid, version=''):
            self._note(oid)
            return super(CountingStorage, self).load(oid, version)
    else:
        def loadBefore(self, oid, tid):
            self._note(oid)
            return super(CountingStorage, self).loadBefore(oid, tid)

    def _note(self, oid):
        self.loaded.append(oid)
        self._ahead.discard(oid)
        if oid in self.errors:
            raise self.errors[oid]


class DatabaseCase(unittest.TestCase):

    def setUp(self):
        self.databases = []
        self.addCleanup(self.close)

    def close(self):
        while self.databases:
            self.databases.pop().close()

    def database(self, objects, cache_size=100000, **options):
        """A database, which has the values of *objects* in its root."""
        database = DB(CountingStorage(), cache_size=cache_size, **options)
        self.databases.append(database)
        self.change(database, lambda root: root.update(objects))
        return database

    def change(self, database, action):
        """Commit what *action* does with the root object."""
        connection = database.open(TransactionManager())
        action(connection.root())
        connection.transaction_manager.commit()
        # Nobody else gets this connection, which is never closed.
        connection.cacheMinimize()

    def open(self, database):
        """A connection with nothing in its cache but the root object."""
        connection = database.open(TransactionManager())
        connection.root()._p_activate()
        self.forget(connection)
        return connection

    def forget(self, connection):
        """Count what *connection* loads from here on."""
        connection.db().storage.forget()
        connection.getTransferCounts(clear=True)

    def stored(self, cache_size=100000, **objects):
        """The values of *objects*, stored, as an empty cache has them."""
        self.connection = self.open(self.database(objects, cache_size))
        self.storage = self.connection.db().storage
        return [self.connection.root()[name] for name in sorted(objects)]

    # -- what is in the cache of a connection

    @staticmethod
    def in_memory(connection):
        """The ids of the objects that are loaded, least recently used first.
        """
        return [oid for oid, _ in connection._cache.lru_items()]

    def assertNothingEvicted(self, connection):
        """At the end of a request, all that is in memory stays there."""
        before = self.in_memory(connection)
        connection.cacheGC()
        self.assertEqual(before, self.in_memory(connection))


def oids_of(database):
    """The ids of all objects but the root, oldest first."""
    return sorted(oid for oid in database.storage._data if oid != z64)
