"""Clients that are silent, slow, or do not read what they have asked for."""

from ftw.monitor.compat import monotonic
import errno
import socket


#: Seconds from one byte of those who send so slowly to the next.
SECOND = 1

#: Seconds until one who does not read gives up: it can't see whether it has
#: been closed.
PATIENCE = 10

#: A few times what the buffers of a connection take.
BIG_ANSWER = b'interactive\n' + 4000 * b'help\n'

WOULD_BLOCK = (errno.EAGAIN, errno.EWOULDBLOCK)


class SilentClient(object):
    """Connects, and says nothing.

    :cvar first: what it sends at once.
    """

    first = b''
    receive_buffer = None

    def __init__(self, address):
        self._address = address
        self.reconnections = -1
        self._connect()

    def _connect(self):
        self.reconnections += 1
        self._socket = socket.socket()
        if self.receive_buffer:
            self._socket.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        self._socket.settimeout(10)
        self._socket.connect(self._address)
        self._socket.setblocking(False)
        self._since = self._sent = monotonic()
        self._send(self.first)

    def _send(self, data):
        try:
            self._socket.send(data)
        except socket.error:
            # It is closed, or full; both are seen elsewhere.
            pass

    def go_on(self):
        """Do what it does from time to time; connect anew if it is closed."""
        if self._is_closed():
            self.close()
            self._connect()

    def _is_closed(self):
        try:
            while self._socket.recv(4096):
                # It is told why it will be closed.
                pass
        except socket.error as error:
            return error.errno not in WOULD_BLOCK
        return True

    def close(self):
        self._socket.close()


class HalfALine(SilentClient):
    """Sends the first letters of a command."""

    first = b'health_'


class ByteByByte(SilentClient):
    """Sends a byte per second."""

    def go_on(self):
        SilentClient.go_on(self)
        if monotonic() - self._sent >= SECOND:
            self._sent = monotonic()
            self._send(b'x')


class NeverReads(SilentClient):
    """Asks for some megabytes, and does not read them."""

    first = BIG_ANSWER
    receive_buffer = 4096

    def _is_closed(self):
        return monotonic() - self._since > PATIENCE


KINDS = (SilentClient, HalfALine, ByteByByte, NeverReads)
