"""Whether this process still accepts visitors at its HTTP port."""

from contextlib import closing
from ftw.monitor import instance
from ftw.monitor.address import UnixAddress
from ftw.monitor.checks import Check
from ftw.monitor.checks import error
from ftw.monitor.checks import ok
from ftw.monitor.wording import describe
import socket


#: Seconds until a connection has to be accepted.
PATIENCE = 2


class HTTPPortCheck(Check):
    """Connects to the HTTP port, and hangs up without a word.

    The kernel alone would accept the connection, but only the thread that
    accepts visitors sees that we have hung up, and does the same. waitress
    and ZServer have no worker do that, and log nothing.

    :param addresses: called for the addresses that this process listens on.
    """

    interval = 0.5
    timeout = 3 * PATIENCE

    def __init__(self, addresses):
        self._addresses = addresses

    def check(self):
        """See ``ICheck``."""
        addresses = self._addresses()
        if not addresses or not instance.accepts_without_workers():
            return ok('is not asked: only waitress and ZServer can be')
        for address in addresses:
            try:
                hang_up(address)
            except socket.timeout:
                return error('%s has not accepted a connection within %d s' % (
                    name_of(address), PATIENCE), str(address))
            except EnvironmentError as problem:
                return error('%s does not accept connections: %s' % (
                    name_of(address), describe(problem)), str(address))
        return ok('%s accepts connections' % ', '.join(
            map(name_of, addresses)))


def name_of(address):
    """What *address* is called on the wire, where no path shall be."""
    if isinstance(address, UnixAddress):
        return 'the UNIX socket'
    return str(address)


def hang_up(address):
    """Connect to *address*, and wait until the other side has closed, too."""
    with closing(address.connect(PATIENCE)) as connection:
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1000):
            pass
