"""Whether the databases can be used: the check of each, and the verdict."""

from ftw.monitor.checks import Check
from ftw.monitor.checks import error
from ftw.monitor.checks.databases import is_connected
from ftw.monitor.checks.storages import DISCONNECTED
from ftw.monitor.checks.storages import question_to
from ftw.monitor.checks.watch import HANGING
from ftw.monitor.wording import describe
from traceback import format_exc


class DatabaseCheck(Check):
    """Asks the storage of a ``ZODB.DB`` what only its server can answer.

    Together, interval and time limit are the time until a server that hangs
    is seen: less than 3 s. With a shorter limit, a server that is a bit slow
    would be a fault of all its instances.
    """

    interval = 0.5
    timeout = 2

    def __init__(self, database):
        self._database = database
        self._ask = None

    def check(self):
        """See ``ICheck``."""
        if not is_connected(self._database):
            # A question would wait for the server, for up to 30 s.
            return error(DISCONNECTED)
        if self._ask is None:
            self._ask = question_to(self._database.storage)
        try:
            return self._ask()
        except Exception as problem:
            return error('cannot be asked (%s)' % describe(problem),
                         format_exc())


class Availability(object):
    """The databases as the verdict sees them.

    :param databases: an ``IDatabases``.
    :param watch_of: gives the ``Watch`` of a database's name, or None.
    :param grace: for how many seconds a database may be away or hang before
        that is a fault.
    """

    def __init__(self, databases, watch_of, grace):
        self._databases = databases
        self._watch_of = watch_of
        self._grace = grace

    def fault(self):
        """The first database that can't be used, as a sentence, or None."""
        for name, problem, watch in self._problems():
            if not self._within_grace(watch):
                return "Error: Database '%s' %s." % (name, problem)
        return None

    def is_away(self):
        """Whether a database can't be used now, with or without grace."""
        return any(True for _ in self._problems())

    def _problems(self):
        for name, database in self._databases.items():
            watch = self._watch_of(name)
            problem = problem_of(database, watch)
            if problem:
                yield name, problem, watch

    def _within_grace(self, watch):
        # One that has never answered was not there before.
        return (self._grace and watch is not None and watch.has_succeeded
                and watch.failing_for() < self._grace)


def problem_of(database, watch):
    """What is wrong with *database* now, in a few words, or None.

    :param watch: its ``Watch``, or None.
    """
    # The flag is there at once, before the check is asked again.
    if not is_connected(database):
        return DISCONNECTED
    if watch is None:
        return None
    if watch.look()[0] == HANGING:
        return 'did not answer within %d s' % watch.timeout
    return watch.fault()
