"""Talking over loopback: what tests of listeners and addresses share."""

from contextlib import closing
from ftw.monitor.compat import monotonic
import socket
import time


#: Seconds that a test waits for what must happen. Far more than it takes.
PATIENCE = 30


def until(condition):
    """Wait until *condition()*; return what it says in the end."""
    deadline = monotonic() + PATIENCE
    while not condition() and monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def everything(client):
    """All bytes until the server closes the connection."""
    parts = []
    while True:
        part = client.recv(65536)
        if not part:
            return b''.join(parts)
        parts.append(part)


def has_ipv6():
    """Whether this machine has an IPv6 loopback address."""
    with closing(socket.socket(socket.AF_INET6)) as probe:
        try:
            probe.bind(('::1', 0))
        except socket.error:
            return False
    return True
