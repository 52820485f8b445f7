"""All checks of this process: begins to ask them, and logs what changes."""

from ftw.monitor.checks import OK
from ftw.monitor.checks.availability import DatabaseCheck
from ftw.monitor.checks.watch import PENDING
from ftw.monitor.checks.watch import Watch
from ftw.monitor.interfaces import IChecks
from zope.interface import implementer
import logging
import re
import threading
import time


LOG = logging.getLogger('ftw.monitor')

DIGITS = re.compile(r'\d+')

#: Seconds between two looks at how the checks stand.
INTERVAL = 0.5


@implementer(IChecks)
class Runner(object):
    """See ``IChecks``.

    :param databases: an ``IDatabases``.
    :param verdict: called for the verdict, whose changes are logged.

    Each check has a thread ``ftw.monitor.check-NAME``, so that one that hangs
    delays no other. The thread ``ftw.monitor.checks`` logs what changes, and
    begins to ask databases that have been opened later: Zope opens that of a
    mount point when it is first visited.
    """

    def __init__(self, databases, verdict):
        self._databases = databases
        self._verdict = verdict
        self._last_verdict = None
        self._of_databases = {}
        self._others = []
        self._first = []
        self._logged = {}
        self._stopped = False

    def add(self, name, check):
        """Ask *check*, too; before ``start()``. Returns its ``Watch``."""
        watch = Watch(name, check)
        self._others.append(watch)
        return watch

    def start(self):
        """Begin to ask all of them."""
        self._watch_databases()
        for watch in self._others:
            watch.start()
        self._first = [watch for watch in self.watches()
                       if watch.required]
        thread = threading.Thread(target=self._run, name='ftw.monitor.checks')
        thread.daemon = True
        thread.start()

    def stop(self):
        """Ask none of them again."""
        self._stopped = True
        for watch in self.watches():
            watch.stop()

    def watches(self):
        """See ``IChecks``."""
        databases = dict(self._of_databases)
        return [databases[name] for name in sorted(databases)] + self._others

    def of_database(self, name):
        """See ``IChecks``."""
        return self._of_databases.get(name)

    def pending(self):
        """Whether a required check has not been answered since the start."""
        if self._first:
            self._first = [watch for watch in self._first if watch.pending()]
        return bool(self._first)

    # -- its thread

    def _run(self):
        while not self._stopped:
            try:
                self._watch_databases()
                self._log_changes()
                self._log_verdict()
            except Exception:
                LOG.exception('The checks cannot be looked at.')
            time.sleep(INTERVAL)

    def _watch_databases(self):
        for name, database in self._databases.items():
            if name not in self._of_databases and not self._stopped:
                watch = Watch('database:%s' % name, DatabaseCheck(database))
                watch.start()
                self._of_databases[name] = watch

    def _log_changes(self):
        for watch in self.watches():
            state, age, message = watch.look()
            before = self._logged.get(watch.name, OK)
            if state in (before, PENDING):
                continue
            self._logged[watch.name] = state
            if state == OK:
                LOG.info('Check %s is ok again.', watch.name)
            else:
                LOG.warning('Check %s: %s: %s.%s', watch.name, state, message,
                            watch.detail() and ' ' + watch.detail())

    def _log_verdict(self):
        verdict = self._verdict()
        # How long something has been hanging is in it.
        if DIGITS.sub('', verdict) != DIGITS.sub('', self._last_verdict or ''):
            LOG.info('The verdict is: %s', verdict)
            self._last_verdict = verdict
