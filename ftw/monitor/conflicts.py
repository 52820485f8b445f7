"""Counts the write conflicts of the requests that this process publishes."""

from ftw.monitor.interfaces import IConflicts
from ZODB.POSException import ConflictError
from zope.component import getUtility
from zope.interface import implementer
import threading


@implementer(IConflicts)
class Conflicts(object):
    """See ``IConflicts``."""

    def __init__(self):
        self._lock = threading.Lock()
        self.total = 0
        self.unresolved = 0

    def count(self, retry):
        """Count a conflict; *retry*: the request will be tried again."""
        with self._lock:
            self.total += 1
            if not retry:
                self.unresolved += 1


def count_conflict(event):
    """Subscriber for ``IPubFailure``."""
    kind = event.exc_info[0]
    if isinstance(kind, type) and issubclass(kind, ConflictError):
        getUtility(IConflicts).count(event.retry)
