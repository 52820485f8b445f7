"""Taking turns: of the instances of one host that share a database, one warms
up at a time.

It is a lock of the kernel on a file, which says who has it. The kernel takes
it from a process that dies, and there is nothing to run, configure or clean.
Instances that do not see the same file, since they have other hosts, users or
folders for temporary files, do not wait for each other.
"""

from ftw.monitor.compat import monotonic
from ftw.monitor.wording import message_of
from ftw.monitor.wording import one_line
from math import ceil
from ZODB.POSException import StorageError
import errno
import fcntl
import hashlib
import logging
import os
import re
import stat
import tempfile


LOG = logging.getLogger('ftw.monitor')

#: The most bytes to read of who has the lock.
MAX_NAME = 300

#: The place in memory of one process that is a part of the name which a
#: RelStorage of PostgreSQL gives itself.
PLACE_IN_MEMORY = re.compile(r' at (?:0x)?[0-9a-f]+\b')


class NoTurns(object):
    """Nobody waits for anybody."""

    def take(self):
        """See ``Turns``."""
        return None

    def give_back(self):
        """See ``Turns``."""


class Turns(object):
    """When this instance may warm up. For one thread, which never waits here.

    :param storage: the storage of the root database.
    :param name: what other instances call this one.
    :param patience: for how many seconds it lets others go first, in all.
    """

    def __init__(self, storage, name, patience):
        self._storage = storage
        self._name = name
        self._patience = patience
        self._lock = None
        self._waited = 0
        self._last_asked = None
        self._warned = False

    def take(self):
        """Take the turn. Returns None if the warm-up may begin.

        Otherwise, who has the turn, and whoever wants it should ask again
        soon. If others have had it for too long, or there is no way to take
        turns, the warm-up may begin without it; a warning says so, once.
        """
        try:
            holder = self._take_lock()
        except (EnvironmentError, StorageError) as error:
            self._warn('does not wait for other instances: %s. Mend that, or'
                       ' turn it off by FTW_MONITOR_WARMUP_WAIT=0',
                       message_of(error))
            return None
        if holder is None:
            self._last_asked = None
            return None
        return self._wait_for(holder)

    def _wait_for(self, holder):
        begins = self._last_asked is None
        now = monotonic()
        if not begins:
            self._waited += now - self._last_asked
        self._last_asked = now
        left = self._patience - self._waited
        if left <= 0:
            self._warn('begins although %s still has the turn: %s s were'
                       ' waited. FTW_MONITOR_WARMUP_WAIT is the limit',
                       holder, self._patience)
            return None
        if begins:
            LOG.info('Warmup waits for its turn, which %s has; at most %d s.',
                     holder, ceil(left))
        return holder

    def give_back(self):
        """Let another instance have the turn, if this one has it."""
        if self._lock is not None:
            self._lock.release()

    def _take_lock(self):
        if self._lock is None:
            self._lock = LockFile(path_for(self._storage))
        return self._lock.take('%s (process %d)' % (self._name, os.getpid()))

    def _warn(self, message, *args):
        if not self._warned:
            self._warned = True
            LOG.warning('Warmup ' + message + '.', *args)


def path_for(storage):
    """The path of the file for all instances that use *storage*.

    A ZEO client knows by its ``sortKey()`` which server it is connected to,
    a RelStorage which database; that may include a user or a password. Raises
    ``StorageError`` for a ZEO client that was never connected.
    """
    key = PLACE_IN_MEMORY.sub('', storage.sortKey())
    return os.path.join(
        tempfile.gettempdir(), 'ftw.monitor-warmup-%d-%s.lock' % (
            os.geteuid(), hashlib.sha256(_bytes(key)).hexdigest()[:16]))


class LockFile(object):
    """A lock that one process has at a time, until it gives it back or dies.

    The folder may be one that anybody can write to, as /tmp. The file stays
    there: removing it would let two have what is no longer one lock.
    """

    def __init__(self, path):
        self.path = path
        self._descriptor = None

    def take(self, name):
        """Take the lock, without waiting; return None, or who has it.

        *name* is what others are told who want it. Raises ``OSError`` (or
        ``IOError`` on Python 2) if that is not possible with this file.
        """
        if self._descriptor is not None:
            return None
        descriptor = _open_own(self.path)
        try:
            if not _lock(descriptor):
                # Nothing, if it is just being written.
                return (one_line(os.read(descriptor, MAX_NAME))
                        or 'another instance')
            os.ftruncate(descriptor, 0)
            os.write(descriptor, _bytes(name)[:MAX_NAME])
            self._descriptor, descriptor = descriptor, None
            return None
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def release(self):
        """Give it back; nothing happens if it is not ours."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            # A child that was forked meanwhile still has it open.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)


def _lock(descriptor):
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except EnvironmentError as error:
        if error.errno != errno.EWOULDBLOCK:
            raise
        return False
    return True


def _open_own(path):
    """Open the file at *path*, or create it; it has to be only ours.

    Somebody else may have put something there: a link to a file of ours that
    we would write to, or what makes us wait.
    """
    descriptor = os.open(
        path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        # Python 2 would have programs that we start inherit it.
        fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        status = os.fstat(descriptor)
        if (not stat.S_ISREG(status.st_mode) or status.st_nlink > 1
                or status.st_uid != os.geteuid()):
            raise OSError(errno.EPERM, 'This is no file of user %d alone'
                          % os.geteuid(), path)
    except Exception:
        os.close(descriptor)
        raise
    return descriptor


def _bytes(text):
    if isinstance(text, bytes):
        return text
    return text.encode('utf-8', 'backslashreplace')
