"""The least that loading objects from a ZEO server can cost."""

import threading


try:
    import asyncio
except ImportError:
    # Python 2, whose ZEO reads one object after the other.
    asyncio = None


#: Seconds for the server's answers.
TIMEOUT = 60


def load(connection, oids):
    """Read the objects with these *oids* all at once, and unpickle them.

    No object is made of what is unpickled: that is left to be done better.
    Returns how many objects there were.
    """
    unpickle = connection._reader.getState
    # The storage as this connection sees it, and the ZEO client behind it.
    view = connection._storage
    records = read(view._storage._server, oids, view._start)
    for data, _, _ in records:
        unpickle(data)
    return len(records)


def read(server, oids, before):
    """``[(pickle, tid, next tid)]`` of all *oids*, by a single wait.

    In the thread of the ZEO client, which then sends all requests before it
    reads the first answer.
    """
    read_one = server.client.load_before_co
    answers = []
    there = threading.Event()

    def begin():
        reading = asyncio.gather(*[
            read_one(oid, before, TIMEOUT) for oid in oids])
        reading.add_done_callback(finish)

    def finish(reading):
        answers.append(reading)
        there.set()

    server.loop.call_soon_threadsafe(begin)
    if not there.wait(TIMEOUT):
        raise AssertionError('The server does not answer.')
    return answers[0].result()
