"""A ZEO server that is not near, and a database of this process on it."""

from contextlib import closing
from contextlib import contextmanager
from tests.functional.processes import free_port
from tests.functional.processes import listens
from tests.functional.processes import REPOSITORY
from tests.functional.processes import wait_until
from tests.functional.processes import ZEOServer
from ZEO.ClientStorage import ClientStorage
from ZODB import DB
from ZODB.FileStorage import FileStorage
import subprocess
import sys
import transaction


#: Seconds that each message is under way, in each direction.
DELAY = 0.001

#: Bytes of the client cache: enough for all that a benchmark loads.
CLIENT_CACHE = 400 * 1024 * 1024

#: Objects that the cache of a connection holds, as in most Plone sites.
CACHE = 30000


@contextmanager
def zeo_server(data, fill=None):
    """A running ZEO server with a copy of *data*.

    :param fill: called before it starts, with a connection to that copy.
    """
    server = ZEOServer(data)
    try:
        if fill is not None:
            fill_file(server.path('Data.fs'), fill)
        server.start()
        yield server
    finally:
        server.destroy()


def fill_file(path, fill):
    """Call *fill* with a connection to the Data.fs at *path*."""
    with connected(FileStorage(path)) as connection:
        fill(connection)


@contextmanager
def delayed(target):
    """A port that leads to the port *target*, but takes its time."""
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


@contextmanager
def opened(port, cache_size=CACHE):
    """A connection to the database behind *port*, with an empty client cache.

    :param cache_size: how many objects the connection's cache holds.
    """
    storage = ClientStorage(('127.0.0.1', port), cache_size=CLIENT_CACHE)
    with connected(storage, cache_size) as connection:
        yield connection
        if hasattr(storage, 'ping'):
            # What has been prefetched for nothing comes before the answer; it
            # would be an error in the log, if it came too late.
            storage.ping()


@contextmanager
def connected(storage, cache_size=CACHE):
    """A connection to the database in *storage*."""
    with closing(DB(storage, cache_size=cache_size)) as database:
        connection = database.open()
        try:
            yield connection
        finally:
            transaction.abort()
            connection.close()
