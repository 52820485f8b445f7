"""The databases of this instance, and whether they are there."""

from ftw.monitor.interfaces import IDatabases
from ZODB.ActivityMonitor import ActivityMonitor
from zope.interface import implementer


@implementer(IDatabases)
class Databases(object):
    """All databases of a multi-database, by name.

    Nothing in here opens a connection, loads an object or asks a server.

    :param root: the ``ZODB.DB`` that is mounted at ``/``.
    """

    def __init__(self, root):
        self.root = root

    def items(self):
        """``(name, ZODB.DB)`` of every database, sorted by name."""
        # A copy: another thread may open a further one in the meantime.
        return sorted(dict(self.root.databases).items())

    def names(self):
        """The names, sorted."""
        return [name for name, _ in self.items()]

    def get(self, name):
        """The database called *name*; '' and '-' are the root database.

        Raises ``KeyError``.
        """
        if name in ('', '-', self.root.database_name):
            return self.root
        return dict(self.root.databases)[name]

    def monitor_activity(self):
        """Let every database that does not yet do so count its activity."""
        for _, database in self.items():
            if database.getActivityMonitor() is None:
                database.setActivityMonitor(ActivityMonitor())


def is_connected(database):
    """False if the database's storage knows that it has lost its server.

    For ZEO this reads a flag. A storage without a server is always connected.
    """
    # A closed database has no storage any more.
    storage = getattr(database, 'storage', None)
    flag = getattr(storage, 'is_connected', None)
    return flag is None or bool(flag())


def server_link(database):
    """A value that is another one when the database's storage has lost its
    server meanwhile, even if it has found it again. It must be compared only.

    ZEO counts its connections (from version 5 on), or keeps the current one.
    """
    storage = getattr(database, 'storage', None)
    return (getattr(storage, '_connection_generation', None),
            getattr(storage, '_connection', None))


def server_session(connection):
    """What ``server_link`` is for a database, for one ZODB *connection*; None
    if it has no session of its own with the server.

    With RelStorage each has one, and gets a new one in the next transaction
    if that is lost. Nothing else tells that it was.
    """
    managed = getattr(connection._storage, '_load_connection', None)
    session = getattr(managed, 'connection', None)
    # psycopg2 knows of a session that was lost in this transaction.
    return session and (session, getattr(session, 'closed', None))
