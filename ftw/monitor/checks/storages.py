"""What can be asked of each kind of storage, to know that it can be used."""

from ftw.monitor.checks import error
from ftw.monitor.checks import OK
from ftw.monitor.checks import ok
from ftw.monitor.checks import STATES
from ftw.monitor.checks import warning
from ftw.monitor.compat import monotonic
from ftw.monitor.wording import describe
from ZODB.POSException import StorageError
from ZODB.utils import z64
import os
import time


#: What is said of a database that has lost its server.
DISCONNECTED = 'disconnected'

#: A disk with less is as good as full: bytes.
MIN_FREE = 16 * 1024 * 1024

#: Seconds after which a connection that could not be opened is tried again:
#: RelStorage logs each attempt.
RETRY = 2

#: While a FileStorage is packed, it has another file for a moment.
LOOKS = 5
PAUSE = 0.1


def question_to(storage):
    """A callable that asks *storage* what only its server, or its disk, can
    answer, and returns a ``Result``.

    It may block for as long as the server does not answer, and raise what the
    storage raises. It is to be called by one thread.
    """
    questions = [question_to_one(part) for part in parts(storage)]

    def ask():
        results = [question() for question in questions]
        # The worst of them.
        return max(results, key=lambda result: STATES.index(result.state))

    return ask


def parts(storage):
    """The storages that *storage* is made of: a DemoStorage has two."""
    if hasattr(storage, 'base') and hasattr(storage, 'changes'):
        return parts(storage.base) + parts(storage.changes)
    return [storage]


def question_to_one(storage):
    """The same for a storage without parts."""
    if hasattr(storage, 'is_connected'):
        ask = ZEOQuestion(storage)
    elif hasattr(getattr(storage, '_adapter', None), 'connmanager'):
        ask = RelStorageQuestion(storage)
    elif hasattr(storage, '_file_name') and hasattr(storage, '_file'):
        ask = FileQuestion(storage)
    else:
        # That of a temporary folder, say.
        ask = nothing_to_ask

    def ask_all():
        result = ask()
        if result.state == OK:
            return (blob_problem(storage) or read_only_problem(storage)
                    or result)
        return result

    return ask_all


class ZEOQuestion(object):
    """Asks the ZEO server that a client storage is connected to."""

    def __init__(self, storage):
        self._storage = storage

    def __call__(self):
        try:
            self._ask()
        except StorageError as problem:
            # The connection was lost while we waited.
            return error(DISCONNECTED, describe(problem))
        return ok('the ZEO server answers')

    def _ask(self):
        # From ZEO 5 on. Before that, a question about the root object, which
        # is quick, but nothing that the client could answer.
        ping = getattr(self._storage, 'ping', None)
        if ping is not None:
            ping()
        else:
            self._storage.history(z64)


class RelStorageQuestion(object):
    """Asks the SQL server of a RelStorage, by a connection of its own.

    Whatever goes wrong with a new connection means that there is none to be
    had: each driver has exceptions of its own for that.
    """

    def __init__(self, storage):
        self._storage = storage
        self._adapter = storage._adapter
        self._opened = None
        self._problem = None
        self._next_try = 0

    def __call__(self):
        if self._opened is not None:
            try:
                return self._ask()
            except Exception:
                # A server that was restarted has cut this connection, and may
                # be well. The workers open new ones, too.
                self._close()
        if self._problem is None or monotonic() >= self._next_try:
            return self._ask_anew()
        return self._problem

    def _ask_anew(self):
        try:
            self._opened = self._adapter.connmanager.open_for_load()
            result = self._ask()
        except Exception as problem:
            self._close()
            self._problem = error(DISCONNECTED, describe(problem))
            self._next_try = monotonic() + RETRY
            return self._problem
        self._problem = None
        return result

    def _ask(self):
        connection, cursor = self._opened
        self._adapter.poller.get_current_tid(cursor)
        read_only = self._is_read_only(cursor)
        # Else it would see the same snapshot for ever, and hinder the vacuum.
        self._adapter.connmanager.rollback(connection, cursor)
        if read_only and not is_meant_to_be_read_only(self._storage):
            return warning('is read-only: the SQL server is a standby')
        return ok('the SQL server answers')

    def _is_read_only(self, cursor):
        if 'postgresql' not in type(self._adapter).__module__:
            return False
        # A standby. The default for new transactions does not count: those in
        # which RelStorage stores say that they are going to write.
        cursor.execute('SELECT pg_is_in_recovery()')
        return cursor.fetchall()[0][0]

    def _close(self):
        opened, self._opened = self._opened, None
        if opened is not None:
            self._adapter.connmanager.rollback_and_close(*opened)


class FileQuestion(object):
    """Looks whether the file of a FileStorage is there, and can grow."""

    def __init__(self, storage):
        self._storage = storage

    def __call__(self):
        path = self._storage._file_name
        for _ in range(LOOKS):
            result = self._look(path)
            if result.state == OK:
                break
            time.sleep(PAUSE)
        return result

    def _look(self, path):
        problem = self._problem(path)
        if problem is not None:
            return error(problem, path)
        try:
            return disk_problem(path, self._storage) or ok(
                'its file is there')
        except EnvironmentError as problem:
            # It has gone since.
            return error('has lost its file (%s)' % problem.strerror, path)

    def _problem(self, path):
        try:
            there = os.stat(path)
            opened = os.fstat(self._storage._file.fileno())
        except (EnvironmentError, ValueError) as problem:
            # ValueError: it is closed for a moment, when a pack ends.
            return 'has lost its file (%s)' % (
                getattr(problem, 'strerror', None) or problem)
        if (there.st_dev, there.st_ino) != (opened.st_dev, opened.st_ino):
            return 'has another file than the one that is open'
        return None


def nothing_to_ask():
    """Of a storage of which we know nothing that could go wrong."""
    return ok('has no server and no file that we know of')


def blob_problem(storage):
    """What is wrong with the folder for blobs, a ``Result``, or None."""
    helper = getattr(storage, 'fshelper', None)
    folder = getattr(helper, 'base_dir', None)
    if not folder:
        return None
    if not os.path.isdir(folder):
        return error('has lost its folder for blobs', folder)
    return disk_problem(folder, storage)


def disk_problem(path, storage):
    """Why nothing can be written to *path*, a ``Result``, or None.

    Visitors can still be served, so it is a warning.
    """
    if is_meant_to_be_read_only(storage):
        return None
    disk = os.statvfs(path)
    what = 'folder for blobs' if os.path.isdir(path) else 'file'
    if not os.access(path, os.W_OK):
        return warning('must not write its %s' % what, path)
    free = disk.f_bavail * disk.f_frsize
    if free < MIN_FREE:
        return warning('has %d MiB left on the disk of its %s' % (
            free // (1024 * 1024), what), path)
    if disk.f_files and not disk.f_favail:
        return warning('has no inodes left on the disk of its %s' % what, path)
    return None


def read_only_problem(storage):
    """A ``Result`` if *storage* cannot write though it is meant to; a ZEO
    client may be connected to a server that is a mere fallback."""
    if storage.isReadOnly() and not is_meant_to_be_read_only(storage):
        return warning('is read-only')
    return None


def is_meant_to_be_read_only(storage):
    """Whether the configuration says so."""
    return bool(getattr(storage, '_is_read_only', False))
