"""The monitor's TCP server.

This is one of the two places that know which world they are in: the listener
for Python 3 is our own.
"""

from ftw.monitor.server.listener import Listener


def start(addresses):
    """Serve the commands on *addresses* in threads of their own.

    Returns ``(listener, problems)``: the running listener, None if there is
    no address left for it, and ``(address, error)`` for each address that
    could not be listened on.
    """
    sockets = []
    problems = []
    for address in addresses:
        try:
            sockets.extend(address.listen())
        except Exception as error:
            # Whatever it is, the instance must boot and serve its visitors.
            problems.append((address, error))
    if not sockets:
        return None, problems
    listener = Listener(sockets)
    listener.start()
    return listener, problems
