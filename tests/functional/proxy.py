"""A way to a server that can be cut, and that can lose what is sent."""

from contextlib import closing
from tests.functional.processes import free_port
import socket
import struct
import threading


class Proxy(object):
    """Passes on all that comes to ``port`` to the port *target*, and back.

    In threads of this process. ``hold()`` keeps back whatever is sent, in both
    directions, as a network does that drops packets: nobody is told.
    """

    def __init__(self, target):
        self._target = target
        self._passing = threading.Event()
        self._passing.set()
        self._connected = []
        self._listening = None
        self.port = free_port()
        self.accept()

    def accept(self):
        """Accept connections."""
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind(('127.0.0.1', self.port))
        self._listening.listen(100)
        _start(self._accept_all, self._listening)

    def refuse(self):
        """Accept no further connections."""
        listening, self._listening = self._listening, None
        # close() alone would not wake the thread in accept().
        with closing(listening):
            listening.shutdown(socket.SHUT_RDWR)

    def hold(self):
        """Keep back whatever is sent from now on."""
        self._passing.clear()

    def release(self):
        """Pass on what was kept back, and all that comes."""
        self._passing.set()

    def cut(self):
        """Reset all connections."""
        connected, self._connected = self._connected, []
        for connection in connected:
            _reset(connection)

    def close(self):
        """End it, and all connections."""
        if self._listening is not None:
            self.refuse()
        self.release()
        self.cut()

    # -- its threads

    def _accept_all(self, listening):
        while True:
            try:
                client, _ = listening.accept()
            except socket.error:
                # It refuses.
                return
            try:
                server = socket.create_connection(('127.0.0.1', self._target))
            except socket.error:
                client.close()
                continue
            self._connected.extend([client, server])
            _start(self._pass_on, client, server)
            _start(self._pass_on, server, client)

    def _pass_on(self, source, target):
        try:
            piece = b'.'
            while piece:
                piece = source.recv(65536)
                self._passing.wait()
                target.sendall(piece)
        except socket.error:
            # One of them has gone.
            pass
        self._passing.wait()
        _reset(source)
        _reset(target)


def _reset(connection):
    try:
        # Nothing that is under way shall arrive any more.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              struct.pack('ii', 1, 0))
        # close() alone would not wake a thread in recv().
        connection.shutdown(socket.SHUT_RDWR)
    except socket.error:
        # It has ended already.
        pass
    connection.close()


def _start(target, *args):
    thread = threading.Thread(target=target, args=args)
    thread.daemon = True
    thread.start()
