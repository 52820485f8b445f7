"""Asks one check again and again, in a thread of its own."""

from ftw.monitor import checks
from ftw.monitor.compat import monotonic
from ftw.monitor.wording import describe
from ftw.monitor.wording import one_line
import logging
import threading
import time


LOG = logging.getLogger('ftw.monitor')

#: States that a result does not have, but a check.
PENDING = 'pending'
HANGING = 'hanging'
STALE = 'stale'

FAULTS = (checks.ERROR, HANGING, STALE)

#: Seconds by which a result may be late. A thread may have to wait for its
#: turn among busy ones, so this is for what has gone wrong altogether.
LATE = 10


class Watch(object):
    """What is known of a check, and the thread that asks it.

    Everything but ``run()`` answers from memory, without a lock: an attribute
    that two of them need is one tuple.

    :ivar name: the name of the check.
    :ivar check: the ``ICheck``.
    :ivar required: whether the verdict depends on it.
    :ivar timeout: its time limit in seconds.
    :ivar has_succeeded: whether there was ever a result that is no error.
    """

    def __init__(self, name, check):
        self.name = name
        self.required = bool(getattr(check, 'required', True))
        self.timeout = self._seconds(check, 'timeout')
        self._interval = self._seconds(check, 'interval')
        self.check = check
        self.has_succeeded = False
        self._result = checks.Result(PENDING, 'has not been asked yet', '')
        self._taken = monotonic()
        self._began = None
        self._failing_since = None
        self._stopped = False

    def _seconds(self, check, attribute):
        value = getattr(check, attribute, None)
        try:
            if float(value) > 0:
                return value
        except (TypeError, ValueError):
            pass
        default = getattr(checks.Check, attribute)
        LOG.warning('Check %s: its %s is %r, which is no number of seconds'
                    ' above 0; it is asked as if it were %s.',
                    self.name, attribute, value, default)
        return default

    # -- the thread

    def start(self):
        """Begin to ask."""
        thread = threading.Thread(
            target=self.run, name='ftw.monitor.check-%s' % self.name)
        thread.daemon = True
        thread.start()

    def stop(self):
        """Do not ask again."""
        self._stopped = True

    def run(self):
        """Ask until ``stop()`` is called."""
        while not self._stopped:
            self._began = began = monotonic()
            result = self._ask()
            if result.state == checks.ERROR:
                if self._failing_since is None:
                    self._failing_since = began
            else:
                self._failing_since = None
                self.has_succeeded = True
            # In this order: it is never seen as neither running nor done.
            self._taken = monotonic()
            self._result = result
            self._began = None
            time.sleep(self._interval)

    def _ask(self):
        try:
            result = self.check.check()
            state, message, detail = result
            if state not in checks.STATES:
                raise ValueError('%r is no state' % (state,))
        except (Exception, SystemExit) as error:
            message = describe(error)
            if self._result.message != message:
                LOG.exception('The check %s failed.', self.name)
            return checks.error(
                message, str(getattr(error, 'filename', None) or ''))
        # It may be a mere tuple.
        return checks.Result(state, message, detail)

    # -- what is known

    def look(self):
        """``(state, age, message)``: how the check stands now.

        The state is that of the last result, or ``'pending'`` before there is
        one; ``'hanging'`` if the check has been running for longer than its
        time limit; ``'stale'`` if it has not been asked for far too long. The
        age is in seconds: of the result, or of the call that hangs.
        """
        began = self._began
        result = self._result
        now = monotonic()
        if began is not None and now - began > self.timeout:
            age = now - began
            return HANGING, age, 'has not returned for %d s' % age
        age = now - self._taken
        if age > self._interval + self.timeout + LATE:
            return STALE, age, 'has not been asked for %d s' % age
        return result.state, age, result.message

    def fault(self):
        """None, or in a few words why the check fails."""
        state, _, message = self.look()
        if state in FAULTS:
            return one_line(message or state)
        return None

    def pending(self):
        """Whether there is no result yet, and it does not hang either."""
        return self.look()[0] == PENDING

    def detail(self):
        """What only the log shall have about how the check stands now."""
        result = self._result
        return result.detail if self.look()[0] == result.state else ''

    def failing_for(self):
        """Seconds since the first of the calls that have failed without a
        break, since the one that hangs was begun, or since the result that is
        stale; 0 if it does not fail."""
        since = self._failing_since
        if since is not None:
            return monotonic() - since
        state, age, _ = self.look()
        return age if state in FAULTS else 0
