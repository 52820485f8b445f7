"""What can be wrong with an instance, asked again and again.

A check is a named utility for ``ftw.monitor.interfaces.ICheck``. ``Check`` is
made to be subclassed, and ``ok``, ``warning`` and ``error`` make its results.
"""

from collections import namedtuple
from ftw.monitor.interfaces import ICheck
from zope.interface import implementer


OK = 'ok'
WARNING = 'warning'
ERROR = 'error'

#: From the best to the worst.
STATES = (OK, WARNING, ERROR)


class Result(namedtuple('Result', 'state message detail')):
    """What a check has found out.

    :ivar state: ``'ok'``, ``'warning'`` or ``'error'``.
    :ivar message: a few words for everybody who can reach the monitor's port.
    :ivar detail: what only the log shall have: a path, say.
    """

    __slots__ = ()


def ok(message=''):
    """All is well."""
    return Result(OK, message, '')


def warning(message, detail=''):
    """Something should be seen to, but visitors can be served."""
    return Result(WARNING, message, detail)


def error(message, detail=''):
    """Visitors cannot be served, if the check is required."""
    return Result(ERROR, message, detail)


@implementer(ICheck)
class Check(object):
    """A base class with what most checks need; see ``ICheck``.

    With its times, a fault is seen within 3 s.
    """

    required = True
    interval = 1
    timeout = 2

    def check(self):
        """See ``ICheck``."""
        raise NotImplementedError('check() of %s' % type(self).__name__)
