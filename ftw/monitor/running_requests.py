"""Which requests the workers are publishing."""

from collections import namedtuple
from ftw.monitor.compat import monotonic
from ftw.monitor.instance.visitor import is_our_visit
from ftw.monitor.interfaces import IRunningRequests
from ftw.monitor.wording import one_line
from zope.component import getUtility
from zope.interface import implementer
import sys
import threading


class RunningRequest(namedtuple('RunningRequest', 'ident since method path')):
    """A request that is being published.

    :ivar ident: the identifier of its thread.
    :ivar since: when that began, as ``monotonic()`` tells the time.
    """

    __slots__ = ()

    def age(self):
        """For how many seconds it has been running."""
        return monotonic() - self.since

    def thread_name(self):
        """The name of its thread."""
        for thread in threading.enumerate():
            if thread.ident == self.ident:
                return thread.name
        return 'ended'


@implementer(IRunningRequests)
class RunningRequests(object):
    """See ``IRunningRequests``. Without a lock: a thread has one entry."""

    def __init__(self):
        self._by_thread = {}
        self.changes = 0

    def begin(self, method, path):
        """This thread begins to publish a request."""
        self.changes += 1
        ident = threading.current_thread().ident
        self._by_thread[ident] = RunningRequest(
            ident, monotonic(), one_line(method), one_line(path))

    def end(self):
        """This thread has published it, or failed."""
        self.changes += 1
        self._by_thread.pop(threading.current_thread().ident, None)

    def longest_first(self):
        """See ``IRunningRequests``."""
        alive = sys._current_frames()
        return sorted((request for request in list(self._by_thread.values())
                       if request.ident in alive),
                      key=lambda request: request.since)


def request_begins(event):
    """Subscriber for ``IPubStart``."""
    running = getUtility(IRunningRequests)
    if is_our_visit(event.request):
        # The warm-up visits pages while @@warmup is published, and goes on.
        running.changes += 1
    else:
        environ = event.request.environ
        running.begin(environ.get('REQUEST_METHOD', ''),
                      environ.get('PATH_INFO', ''))


def request_ends(event):
    """Subscriber for ``IPubSuccess`` and ``IPubFailure``."""
    running = getUtility(IRunningRequests)
    if is_our_visit(event.request):
        running.changes += 1
    else:
        running.end()
