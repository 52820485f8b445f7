"""The one state of this instance, and the one verdict made from it."""

from ftw.monitor.compat import monotonic
from ftw.monitor.interfaces import ILifecycle
from ftw.monitor.progress import Progress
from ftw.monitor.wording import one_line
from zope.interface import implementer
import logging
import threading


LOG = logging.getLogger('ftw.monitor')

OK = 'OK'

BOOTING = 'Instance is booting'

#: Seconds until a failed warm-up may be tried again; the last one stays.
RETRY_PAUSES = (1, 2, 4, 8, 15, 30, 60)


@implementer(ILifecycle)
class Lifecycle(object):
    """What this instance is doing, from boot to end.

    Start-up says what is wanted, the warm-up tells how it goes, and the
    checks are asked for what is wrong. Attributes are set in an order that
    lets a verdict be made at any moment without a lock: ``_lock`` only keeps
    two warm-ups from beginning at the same time.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._databases = None
        self._checks_pending = None
        self._required_checks = []
        self._vital_checks = []
        self.draining = False

        self.warmup_wanted = False
        self.warmup_timeout = 1800
        self.warmup_done = False
        self.warm_sites = set()
        self.warmup_in_progress = False
        self.warmup_failure = None
        self.warmup_failures = 0
        self.warmup_last_error = None
        self.warmup_waiting_for = None
        self.autowarmup_runs = False
        self.warmup_warnings = []
        self.warmup_left_out = []
        self.progress = None
        self.first_warmup_seconds = None
        self.previous_warmup_seconds = None
        self._warmup_failed = 0
        self._warmup_performer = None

    # -- said by start-up

    def watch_databases(self, databases):
        """Have *databases* (its ``fault()``) asked first for each verdict."""
        self._databases = databases

    def await_checks(self, pending):
        """No ``OK`` before the checks have been asked once: as long as
        ``pending()`` is true."""
        self._checks_pending = pending

    def require(self, name, fault):
        """See ``ILifecycle``."""
        self._required_checks.append((name, fault))

    def require_to_live(self, name, fault):
        """Have ``fault()``, of a check called *name*, asked for whether this
        process is alive. It must not depend on anything outside."""
        self._vital_checks.append((name, fault))

    def want_warmup(self):
        """No ``OK`` before a warm-up has succeeded."""
        self.warmup_wanted = True

    # -- said by the warm-up

    def begin_warmup(self):
        """Begin a warm-up. False if one is running already."""
        with self._lock:
            if self.warmup_in_progress:
                return False
            self._warmup_performer = None
            self.warmup_warnings = []
            self.warmup_left_out = []
            self.progress = Progress()
            self.warmup_in_progress = True
            return True

    def warmup_performer_runs(self, performer):
        """Note which performer (its name) has been called; None: none."""
        self._warmup_performer = performer

    def warn_of_warmup(self, message, exc_info=None):
        """See ``ILifecycle``."""
        LOG.warning('Warmup: %s', message, exc_info=exc_info)
        self.warmup_warnings.append(message)

    def warmup_time_is_up(self, rest):
        """See ``ILifecycle``."""
        if not self.warmup_in_progress or not self._warmup_overdue():
            return False
        if rest not in self.warmup_left_out:
            self.warmup_left_out.append(rest)
        return True

    def end_warmup(self, sites, all_sites):
        """The running warm-up, of the *sites* (their paths), has succeeded.

        The instance is a warm one when that is true of *all_sites*.
        """
        if self.warmup_left_out:
            self.warn_of_warmup(
                'the time limit of %s s (FTW_MONITOR_WARMUP_TIMEOUT) is used'
                ' up after %d of %d steps; left out: %s' % (
                    self.warmup_timeout, self.progress.step,
                    self.progress.steps, ', '.join(self.warmup_left_out)))
        self.progress.end()
        self.warmup_failures = 0
        self.warmup_failure = None
        self.warm_sites.update(sites)
        if self.warm_sites.issuperset(all_sites) and not self.warmup_done:
            self.first_warmup_seconds = self.progress.seconds()
            self.warmup_done = True
        self._warmup_performer = None
        self.warmup_in_progress = False

    def fail_warmup(self, reason):
        """The running warm-up, or the attempt to begin one, has failed."""
        self.warmup_failures += 1
        self._warmup_failed = monotonic()
        self._warmup_performer = None
        if self.progress is not None:
            self.progress.end()
        self.warmup_last_error = reason
        self.warmup_failure = reason
        self.warmup_in_progress = False

    def warmup_retry_pause(self):
        """Seconds until a failed warm-up should be tried again, or 0."""
        if not self.warmup_failures:
            return 0
        pause = RETRY_PAUSES[
            min(self.warmup_failures, len(RETRY_PAUSES)) - 1]
        return max(0, self._warmup_failed + pause - monotonic())

    def _warmup_overdue(self):
        return self.progress.seconds() > self.warmup_timeout

    # -- asked by everybody

    def warmup_runs_in_time(self):
        """Whether a warm-up is running, and its time is not used up."""
        return self.warmup_in_progress and not self._warmup_overdue()

    def warmup_state(self):
        """See ``ILifecycle``."""
        return self.warmup_done, self.warmup_in_progress

    def verdict(self):
        """See ``ILifecycle``."""
        reason = (self._database_fault()
                  or self._warmup_fault()
                  or self._start_fault()
                  or ('Draining' if self.draining else None)
                  or check_fault(self._required_checks))
        return one_line(reason) if reason else OK

    def alive(self):
        """See ``ILifecycle``."""
        reason = check_fault(self._vital_checks)
        return one_line(reason) if reason else OK

    def _database_fault(self):
        if self._databases is None:
            return None
        return self._databases.fault()

    def _warmup_fault(self):
        # Read in this order: what a warm-up leaves behind is set before it
        # is no longer in progress.
        in_progress = self.warmup_in_progress
        performer = self._warmup_performer
        failure = self.warmup_failure
        if self.warmup_done or not self.warmup_wanted:
            return None
        if in_progress:
            if performer and self._warmup_overdue():
                return 'Warmup failed: %s has not returned after %s s' % (
                    performer, self.warmup_timeout)
            return 'Warmup in progress'
        if failure:
            return 'Warmup failed: ' + failure
        return BOOTING

    def _start_fault(self):
        if self._checks_pending is not None and self._checks_pending():
            return BOOTING
        return None


def check_fault(checks):
    """The first of the *checks*, ``(name, fault)`` each, that fails."""
    for name, fault in checks:
        reason = fault()
        if reason:
            return 'Error: %s: %s' % (name, reason)
    return None
