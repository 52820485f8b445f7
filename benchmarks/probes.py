"""``python -m benchmarks.probes HOST PORT NUMBER SECONDS``: many probes.

One after the other without a pause, each with a connection of its own, until
there were NUMBER or SECONDS are over. Prints, in one line, how many there
were, how many of them were not answered ``OK``, and the seconds that the
slowest has taken.

A process of its own, so that it does not share an interpreter lock with
whoever measures.
"""

from array import array
from benchmarks.figures import median
from benchmarks.http_probe import say
from timeit import default_timer
import socket
import sys


def main(host, port, number, seconds):
    address = host, int(port)
    deadline = default_timer() + float(seconds)
    # An array, since there may be millions.
    taken = array('d')
    failed = 0
    before = default_timer()
    while len(taken) < int(number) and before < deadline:
        try:
            answer = say(address, b'health_check\n')
        except socket.error as error:
            answer = error
        if answer != b'OK\n':
            failed += 1
            sys.stderr.write('%r\n' % (answer,))
        now = default_timer()
        taken.append(now - before)
        before = now
    sys.stdout.write('%d %d %f %f\n' % (
        len(taken), failed, median(taken), max(taken)))


if __name__ == '__main__':
    main(*sys.argv[1:])
