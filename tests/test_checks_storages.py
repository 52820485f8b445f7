from collections import namedtuple
from ftw.monitor.checks import storages
from ftw.monitor.checks.storages import question_to
from tests.checks import DummyClock
from tests.patch import patch
from transaction import TransactionManager
from ZODB import DB
from ZODB.blob import BlobStorage
from ZODB.DemoStorage import DemoStorage
from ZODB.FileStorage import FileStorage
from ZODB.MappingStorage import MappingStorage
from ZODB.POSException import StorageError
import os
import shutil
import tempfile
import threading
import time
import unittest


Disk = namedtuple('Disk', 'f_bavail f_frsize f_files f_favail')

FULL = Disk(15 * 1024, 1024, 1000, 1000)
NO_INODES = Disk(1024 * 1024, 1024, 1000, 0)
#: As btrfs tells it.
INODES_UNKNOWN = Disk(1024 * 1024, 1024, 0, 0)


class DummyServerStorage(MappingStorage):
    """A ZEO client, of version 5 or later."""

    problem = None
    read_only = False

    def is_connected(self):
        return True

    def ask(self, *args):
        if self.problem is not None:
            raise self.problem

    ping = ask

    def isReadOnly(self):
        return self.read_only


class DummyOldServerStorage(DummyServerStorage):
    """A ZEO client of version 4."""

    ping = None

    def __init__(self):
        DummyServerStorage.__init__(self)
        self.asked = []

    def history(self, oid, *args):
        self.asked.append(oid)
        self.ask()


class Disconnected(Exception):
    """What a SQL driver raises."""


class DummyAdapter(object):
    """The adapter of a RelStorage, with its driver and its managers.

    :ivar failures: how many of the next questions fail.
    :ivar done: what was done with the connections.
    """

    disconnected_exceptions = (Disconnected,)

    def __init__(self):
        self.driver = self.connmanager = self.poller = self
        self.failures = 0
        self.refuses = False
        self.read_only = False
        self.done = []

    def open_for_load(self):
        if self.refuses:
            raise Disconnected('refused')
        self.done.append('open')
        return self, self

    def get_current_tid(self, cursor):
        if self.failures:
            self.failures -= 1
            raise Disconnected('cut')
        self.done.append('ask')

    def rollback(self, connection, cursor):
        self.done.append('rollback')

    def rollback_and_close(self, connection, cursor):
        self.done.append('close')

    def execute(self, statement):
        """Whether the server writes."""

    def fetchall(self):
        return [(self.read_only,)]


class StorageCase(unittest.TestCase):

    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        patch(self, storages, 'PAUSE', 0.001)

    def path(self, name='Data.fs'):
        return os.path.join(self.directory, name)

    def keep(self, storage):
        self.addCleanup(storage.close)
        return storage

    def file_storage(self, **options):
        return self.keep(FileStorage(self.path(), **options))

    def blob_storage(self):
        os.mkdir(self.path('blobs'))
        return self.keep(BlobStorage(self.path('blobs'), FileStorage(
            self.path())))

    def disk(self, disk):
        patch(self, os, 'statvfs', lambda path: disk)

    def assertSays(self, state, message, storage):
        result = question_to(storage)()
        self.assertEqual((state, message), (result.state, result.message))
        return result

    def assertFine(self, storage):
        self.assertEqual('ok', question_to(storage)().state)


class TestInMemory(StorageCase):

    def test_nothing_can_be_lost(self):
        self.assertFine(MappingStorage())
        self.assertFine(DemoStorage(base=MappingStorage()))


class TestFileStorage(StorageCase):

    def test_its_file_is_there(self):
        self.assertSays('ok', 'its file is there', self.file_storage())

    def test_its_file_was_removed(self):
        storage = self.file_storage()
        os.unlink(self.path())
        result = self.assertSays(
            'error', 'has lost its file (No such file or directory)', storage)
        self.assertEqual(self.path(), result.detail)

    def test_its_file_was_replaced(self):
        storage = self.file_storage()
        shutil.copy(self.path(), self.path('copy'))
        os.rename(self.path('copy'), self.path())
        self.assertSays('error', 'has another file than the one that is open',
                        storage)

    def test_it_is_packed_while_it_is_asked(self):
        storage = self.file_storage()
        patch(self, storages, 'PAUSE', 0.1)
        database = DB(storage)
        ask = question_to(storage)
        results = set()
        over = threading.Event()

        def ask_often():
            while not over.is_set():
                results.add(ask().state)

        thread = threading.Thread(target=ask_often)
        thread.start()
        try:
            for number in range(20):
                connection = database.open(TransactionManager())
                connection.root()['x'] = number
                connection.transaction_manager.commit()
                connection.close()
                storage.pack(time.time() + 1, lambda data, *args: [])
        finally:
            over.set()
            thread.join(30)
        self.assertEqual({'ok'}, results)

    def test_the_disk_is_full(self):
        storage = self.file_storage()
        self.disk(FULL)
        result = self.assertSays(
            'warning', 'has 15 MiB left on the disk of its file', storage)
        self.assertEqual(self.path(), result.detail)

    def test_the_disk_has_no_inodes(self):
        storage = self.file_storage()
        self.disk(NO_INODES)
        self.assertSays('warning',
                        'has no inodes left on the disk of its file', storage)

    def test_a_disk_that_does_not_count_inodes(self):
        storage = self.file_storage()
        self.disk(INODES_UNKNOWN)
        self.assertFine(storage)

    def test_its_file_must_not_be_written(self):
        storage = self.file_storage()
        patch(self, os, 'access', lambda path, mode: False)
        self.assertSays('warning', 'must not write its file', storage)

    def test_it_may_be_meant_to_be_read_only(self):
        FileStorage(self.path()).close()
        storage = self.file_storage(read_only=True)
        self.disk(FULL)
        self.assertFine(storage)


class TestBlobs(StorageCase):

    def test_the_folder_is_there(self):
        self.assertFine(self.blob_storage())

    def test_the_folder_was_removed(self):
        storage = self.blob_storage()
        shutil.rmtree(self.path('blobs'))
        result = self.assertSays(
            'error', 'has lost its folder for blobs', storage)
        self.assertEqual(self.path('blobs'), result.detail.rstrip('/'))

    def test_its_disk_is_full(self):
        storage = self.blob_storage()
        fine = os.statvfs(self.path())
        patch(self, os, 'statvfs', lambda path: FULL if path.rstrip(
            '/').endswith('blobs') else fine)
        self.assertSays(
            'warning', 'has 15 MiB left on the disk of its folder for blobs',
            storage)


class TestDemoStorage(StorageCase):

    def test_both_parts_are_asked(self):
        for name in ('base', 'changes'):
            server = DummyServerStorage()
            parts = {'base': MappingStorage(), 'changes': MappingStorage()}
            parts[name] = server
            storage = DemoStorage(**parts)
            self.assertFine(storage)
            server.problem = StorageError('lost')
            self.assertSays('error', 'disconnected', storage)

    def test_one_in_the_other(self):
        server = DummyServerStorage()
        storage = DemoStorage(base=DemoStorage(base=server))
        server.problem = StorageError('lost')
        self.assertSays('error', 'disconnected', storage)

    def test_the_worst_is_told(self):
        fallback, lost = DummyServerStorage(), DummyServerStorage()
        fallback.read_only = True
        lost.problem = StorageError('lost')
        self.assertSays('error', 'disconnected',
                        DemoStorage(base=fallback, changes=lost))


class TestZEO(StorageCase):

    def test_the_server_answers(self):
        self.assertSays('ok', 'the ZEO server answers', DummyServerStorage())

    def test_the_server_is_lost_meanwhile(self):
        storage = DummyServerStorage()
        storage.problem = StorageError('lost')
        result = self.assertSays('error', 'disconnected', storage)
        self.assertIn('lost', result.detail)

    def test_another_exception_is_not_hidden(self):
        storage = DummyServerStorage()
        storage.problem = KeyError('x')
        with self.assertRaises(KeyError):
            question_to(storage)()

    def test_an_old_one_is_asked_about_the_root_object(self):
        storage = DummyOldServerStorage()
        self.assertSays('ok', 'the ZEO server answers', storage)
        self.assertEqual([b'\0' * 8], storage.asked)
        storage.problem = StorageError('lost')
        self.assertSays('error', 'disconnected', storage)

    def test_a_server_that_is_a_mere_fallback(self):
        storage = DummyServerStorage()
        storage.read_only = True
        self.assertSays('warning', 'is read-only', storage)

    def test_a_client_that_is_meant_to_be_read_only(self):
        storage = DummyServerStorage()
        storage.read_only = storage._is_read_only = True
        self.assertFine(storage)


class TestRelStorage(StorageCase):

    def setUp(self):
        StorageCase.setUp(self)
        self.clock = DummyClock()
        patch(self, storages, 'monotonic', self.clock)
        self.adapter = DummyAdapter()
        self.storage = MappingStorage()
        self.storage._adapter = self.adapter
        self.ask = question_to(self.storage)

    def assertAsked(self, message, *done):
        del self.adapter.done[:]
        self.assertEqual(message, self.ask().message)
        self.assertEqual(list(done), self.adapter.done)

    def test_one_connection_serves_all_questions(self):
        self.assertAsked('the SQL server answers', 'open', 'ask', 'rollback')
        self.assertAsked('the SQL server answers', 'ask', 'rollback')

    def test_a_connection_that_was_cut_is_opened_again(self):
        self.ask()
        self.adapter.failures = 1
        self.assertAsked('the SQL server answers',
                         'close', 'open', 'ask', 'rollback')

    def test_a_second_cut_is_a_fault(self):
        self.ask()
        self.adapter.failures = 2
        self.assertAsked('disconnected', 'close', 'open', 'close')
        self.clock.now += storages.RETRY
        self.assertAsked('the SQL server answers', 'open', 'ask', 'rollback')

    def test_one_that_is_away_is_not_asked_for_a_connection_at_once(self):
        # RelStorage would write a line into the log each time.
        self.adapter.failures = 2
        self.assertAsked('disconnected', 'open', 'close')
        self.assertAsked('disconnected')
        self.clock.now += storages.RETRY
        self.assertAsked('disconnected', 'open', 'close')
        self.assertAsked('disconnected')
        self.clock.now += storages.RETRY
        self.assertAsked('the SQL server answers', 'open', 'ask', 'rollback')
        self.assertAsked('the SQL server answers', 'ask', 'rollback')

    def test_a_server_that_refuses_connections(self):
        self.adapter.refuses = True
        result = self.ask()
        self.assertEqual(('error', 'disconnected', 'Disconnected: refused'),
                         tuple(result))

    def test_postgresql_that_does_not_write(self):
        adapter = type('Adapter', (DummyAdapter,), {
            '__module__': 'relstorage.adapters.postgresql.adapter'})()
        self.storage._adapter = adapter
        ask = question_to(self.storage)
        self.assertEqual('ok', ask().state)
        adapter.read_only = True
        self.assertEqual(
            ('warning', 'is read-only: the SQL server is a standby', ''),
            tuple(ask()))
        self.assertEqual('rollback', adapter.done[-1])
