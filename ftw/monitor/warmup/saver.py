"""The thread that saves the hot set."""

from ftw.monitor.warmup.caches import hot_oids
from ftw.monitor.warmup.caches import root_tid
from ftw.monitor.warmup.hotset import HotSet
from ftw.monitor.warmup.hotset import HotSetError
from ftw.monitor.wording import describe
from ftw.monitor.wording import message_of
import logging
import threading
import time


LOG = logging.getLogger('ftw.monitor')

#: Seconds between two times that the hot set is saved.
INTERVAL = 300

#: Seconds that the end of the process waits, at most, until it is saved.
PATIENCE = 3

#: Storages that begin empty, by the names of their classes: the second one is
#: not installed with Plone 6.2.
VOLATILE = ('MappingStorage', 'TemporaryStorage')


class Saver(threading.Thread):
    """Saves the hot set from time to time, and when the process ends.

    Never before this instance is warm: one that is restarted again and again
    would lose what it needs to get warm. Blocks in waiting, in writing the
    file, and for a moment in the lock of each database.

    :param store: an ``IHotSetStore``.
    :param lifecycle: the ``Lifecycle`` of this process.
    :param databases: an ``IDatabases``.
    :param hosts: called for each hot set, it returns the virtual hosts, the
        most important one first.
    """

    def __init__(self, store, lifecycle, databases, hosts):
        super(Saver, self).__init__(name='ftw.monitor.hotset')
        self.daemon = True
        self._store = store
        self._lifecycle = lifecycle
        self._databases = databases
        self._hosts = hosts
        self._finishing = False
        self._told_to_end = threading.Event()
        self._complaint = None

    def finish(self, patience=PATIENCE):
        """Save a last time; wait until that is done, at most so many seconds.

        Then, the thread has ended. May be called several times, in any thread
        and by the handler of a signal, whatever the main thread was doing: it
        is this thread that takes the locks, of the database and of the log.
        """
        # The flag comes first: a handler that interrupts set() would wait in
        # there for itself. And a forked process has no such thread.
        if self.is_alive() and not self._finishing:
            self._finishing = True
            self._told_to_end.set()
        self.join(patience)

    def run(self):
        while not self._told_to_end.wait(INTERVAL):
            self._save(logging.DEBUG)
        self._save(logging.INFO)

    def _save(self, level):
        """Save the hot set if there is one worth it. Never fails.

        The same failure is told once, until it is another one or over.
        """
        if not self._lifecycle.warmup_done:
            return
        try:
            hot_set = self.hot_set()
            if not hot_set.databases:
                # Of databases that are closed, for instance.
                return
            self._store.save(hot_set)
        except HotSetError as error:
            self._complain(message_of(error))
        except Exception as error:
            self._complain(describe(error), exc_info=True)
        else:
            LOG.log(logging.INFO if self._complaint else level,
                    'Hot set of %d objects saved to %s.',
                    hot_set.count(), self._store.path)
            self._complaint = None

    def _complain(self, complaint, exc_info=None):
        if complaint != self._complaint:
            LOG.warning(
                'The hot set is not saved: %s. It is tried again every %d s.'
                ' Set FTW_MONITOR_HOTSET to a file that this process can'
                ' write, or to off.', complaint, INTERVAL, exc_info=exc_info)
        self._complaint = complaint

    def hot_set(self):
        """The ``HotSet`` of this moment.

        Without databases of which nothing is in memory, not even the root
        object: nobody could tell that the next process has the same one.
        """
        databases = {}
        for name in self._databases.names():
            database = self._databases.get(name)
            if is_volatile(database):
                continue
            tid = root_tid(database)
            oids = hot_oids(database)
            if tid is not None:
                databases[name] = tid, oids
        return HotSet(
            int(time.time()), self._lifecycle.first_warmup_seconds,
            self._hosts(), databases)


def is_volatile(database):
    """Whether the objects of *database* end with the process."""
    # A closed database has no storage any more.
    storage = getattr(database, 'storage', None)
    return any(kind.__name__ in VOLATILE for kind in type(storage).__mro__)
