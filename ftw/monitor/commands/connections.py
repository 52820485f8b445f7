"""monitor: the open ZODB connections and the memory of this process."""

from ftw.monitor.commands import arguments
from ftw.monitor.interfaces import IMonitorPlugin
from zope.interface import provider
import psutil
import time


@provider(IMonitorPlugin)
def monitor(connection, seconds='100', db=''):
    """Show the open connections and the memory of this process

    The number of open connections to the database; virtual and resident size
    of the process, as in /proc/PID/status; then a line for each connection
    that has been open for more than SECONDS: its age in seconds, and the
    method and path of the request that has it. The oldest comes last.

    DB is the name of a database; by default, or as "-", the root database.
    """
    limit = arguments.seconds(seconds)
    opened = open_connections(arguments.database(db))
    connection.write('%d\n' % len(opened))
    memory = psutil.Process().memory_info()
    connection.write('VmSize:\t%8d kB\n' % (memory.vms // 1024))
    connection.write('VmRSS:\t%8d kB\n' % (memory.rss // 1024))
    now = time.time()
    for since, info in sorted(opened, reverse=True):
        if now - since > limit:
            connection.write('%.1f %s\n' % (now - since, info))


def open_connections(database):
    """``(time of opening, info)`` of each open connection of *database*."""
    found = []

    def look(connection):
        opened = connection.opened
        if opened:
            found.append((opened, request_of(connection)))

    # As DB.connectionDebugInfo does, which would put the whole request with
    # its cookies and passwords into the answer.
    database._connectionMap(look)
    return found


def request_of(connection):
    """What is known of the request that *connection* serves: one line."""
    info = connection.getDebugInfo() or ()
    if info and hasattr(info[0], 'get'):
        # The publisher has put the environment of the request there.
        words = [info[0].get('REQUEST_METHOD', ''),
                 info[0].get('PATH_INFO', '')]
    else:
        words = [str(word) for word in info]
    return ' '.join(' '.join(words).split())
