"""Whether any worker thread still gets something done."""

from ftw.monitor import instance
from ftw.monitor.checks import Check
from ftw.monitor.checks import error
from ftw.monitor.checks import ok
from ftw.monitor.compat import monotonic
from ftw.monitor.thread_dump import thread_dump
import logging


LOG = logging.getLogger('ftw.monitor')


class WorkersCheck(Check):
    """Fails when all workers are stuck: each of them is busy, and no request
    has begun or ended for a long time. That all are busy is no fault.

    :param running: the ``IRunningRequests``.
    :param limit: how many seconds a long time is.
    :param excuse: called; true if the workers wait for something that is not
        their fault. That time does not count.
    """

    interval = 1

    def __init__(self, running, limit, excuse):
        self._running = running
        self._limit = limit
        self._excuse = excuse
        self._seen = None
        self._since = monotonic()
        self._dumped = False

    def check(self):
        """See ``ICheck``."""
        workers = instance.workers()
        seen = self._running.changes
        if (workers.busy < workers.total or seen != self._seen
                or self._excuse()):
            self._seen = seen
            self._since = monotonic()
            self._dumped = False
        stuck = monotonic() - self._since
        if stuck <= self._limit:
            return ok('%d of %d busy, %d requests wait' % workers)
        if not self._dumped:
            self._dumped = True
            LOG.error('All %d workers have been stuck for %d s'
                      ' (FTW_MONITOR_STUCK_AFTER is %s). What all threads'
                      ' do:\n%s', workers.total, stuck, self._limit,
                      thread_dump(self._running))
        return error('all %d workers have been stuck for %d s' % (
            workers.total, stuck))
