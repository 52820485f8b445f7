"""``python -m benchmarks.load HOST PORT PATH CLIENTS``: visitors without end.

A process of its own, so that its clients do not share an interpreter lock
with whoever measures.
"""

from ftw.monitor.compat import HTTPConnection
import sys
import threading


def visit(host, port, path):
    """Request *path* over and over again."""
    while True:
        connection = HTTPConnection(host, port, timeout=60)
        connection.request('GET', path)
        connection.getresponse().read()
        connection.close()


def main(host, port, path, clients):
    for _ in range(int(clients)):
        visitor = threading.Thread(
            target=visit, args=(host, int(port), path))
        visitor.daemon = True
        visitor.start()
    # Until whoever started us closes our standard input, or is gone.
    sys.stdin.read()


if __name__ == '__main__':
    main(*sys.argv[1:])
