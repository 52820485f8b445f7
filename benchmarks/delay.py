"""``python -m benchmarks.delay PORT TARGET SECONDS``: a slow way to a server.

Passes on all that comes to PORT of this host to its port TARGET, and back,
each piece SECONDS later, however many are under way. A process of its own, so
that it does not share an interpreter lock with whoever measures.
"""

from contextlib import closing
import collections
import socket
import sys
import threading
import time


class Lane(object):
    """One direction of one connection."""

    def __init__(self, source, target, delay):
        self._source = source
        self._target = target
        self._delay = delay
        self._pieces = collections.deque()
        self._arrived = threading.Semaphore(0)

    def start(self):
        for work in (self._read, self._write):
            thread = threading.Thread(target=work)
            thread.daemon = True
            thread.start()

    def _read(self):
        piece = b'.'
        while piece:
            try:
                piece = self._source.recv(65536)
            except socket.error:
                piece = b''
            self._pieces.append((time.time() + self._delay, piece))
            self._arrived.release()

    def _write(self):
        while True:
            self._arrived.acquire()
            due, piece = self._pieces.popleft()
            time.sleep(max(0, due - time.time()))
            try:
                if not piece:
                    self._target.shutdown(socket.SHUT_WR)
                    return
                self._target.sendall(piece)
            except socket.error:
                # That side has gone.
                return


def main(port, target, delay):
    with closing(socket.socket()) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(('127.0.0.1', int(port)))
        listening.listen(5)
        while True:
            client, _ = listening.accept()
            server = socket.create_connection(('127.0.0.1', int(target)))
            for side in (client, server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Lane(client, server, float(delay)).start()
            Lane(server, client, float(delay)).start()


if __name__ == '__main__':
    main(*sys.argv[1:])
