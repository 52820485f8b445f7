"""How busy the threads are that publish requests."""

from collections import namedtuple


class Workers(namedtuple('Workers', 'busy total waiting')):
    """The worker threads at one moment.

    :ivar busy: how many do something.
    :ivar total: how many there are.
    :ivar waiting: how many requests wait for one.
    """

    __slots__ = ()
