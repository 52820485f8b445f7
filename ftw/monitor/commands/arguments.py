"""What the arguments of the commands mean."""

from ftw.monitor.interfaces import CommandError
from ftw.monitor.interfaces import IChecks
from ftw.monitor.interfaces import IDatabases
from zope.component import queryUtility


#: As good as for ever: 30 years. With a number so large that the time since
#: then is the same as now, ZODB's ActivityMonitor would never end.
MAX_SECONDS = 1e9


def databases():
    """The databases of this process. Raises ``CommandError`` before Zope has
    opened them."""
    found = queryUtility(IDatabases)
    if found is None:
        raise CommandError('The databases are not open yet.')
    return found


def checks():
    """The checks of this process. Raises ``CommandError`` before they run."""
    found = queryUtility(IChecks)
    if found is None:
        raise CommandError('The checks have not been started yet.')
    return found


def database(name):
    """The ``ZODB.DB`` that a client calls *name*."""
    known = databases()
    try:
        return known.get(name)
    except KeyError:
        raise CommandError('There is no database %r, only: %s.' % (
            name, ', '.join(known.names())))


def zeo_storage(name):
    """The ZEO client storage of the database that a client calls *name*."""
    found = database(name)
    storage = found.storage
    if not hasattr(storage, 'is_connected'):
        # What a <blobstorage> is wrapped around says more.
        inner = getattr(storage, '_BlobStorage__storage', storage)
        raise CommandError('Database %r is no ZEO client, but a %s.' % (
            str(found.database_name), type(inner).__name__))
    return storage


def seconds(text):
    """The number of seconds that a client wrote."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float('inf'):
        raise CommandError('%r is not a number of seconds above 0.' % text)
    return min(number, MAX_SECONDS)
