from contextlib import closing
from ftw.monitor.checks.databases import Databases
from ftw.monitor.checks.databases import is_connected
from ftw.monitor.interfaces import IDatabases
from persistent.mapping import PersistentMapping
from ZODB import DB
from ZODB.ActivityMonitor import ActivityMonitor
from ZODB.MappingStorage import MappingStorage
from zope.interface.verify import verifyObject
import transaction
import unittest


class DummyClientStorage(MappingStorage):
    """Has a server, as ZEO's; nothing in here may ask that one."""

    connected = True

    def is_connected(self):
        return self.connected

    def ping(self):
        raise AssertionError('It would block.')

    server_status = ping


class TestTheDatabases(unittest.TestCase):

    def setUp(self):
        self.all = {}
        # In this order, so that sorting shows.
        self.root = self.open('main')
        self.temporary = self.open('temporary')
        self.catalog = self.open('catalog')
        self.databases = Databases(self.root)

    def open(self, name):
        database = DB(DummyClientStorage(), databases=self.all,
                      database_name=name)
        self.addCleanup(database.close)
        return database

    def test_the_interface_is_kept(self):
        self.assertTrue(verifyObject(IDatabases, self.databases))

    def test_all_of_them_sorted_by_name(self):
        self.assertEqual(
            self.databases.names(), ['catalog', 'main', 'temporary'])
        self.assertEqual(self.databases.items(), [
            ('catalog', self.catalog),
            ('main', self.root),
            ('temporary', self.temporary)])

    def test_one_that_is_opened_later_is_there_as_well(self):
        later = self.open('later')
        self.assertIn('later', self.databases.names())
        self.assertIs(self.databases.get('later'), later)

    def test_the_root_database_has_three_names(self):
        for name in ('', '-', 'main'):
            self.assertIs(self.databases.get(name), self.root)

    def test_the_root_database_need_not_be_called_main(self):
        databases = Databases(self.catalog)
        for name in ('', '-', 'catalog'):
            self.assertIs(databases.get(name), self.catalog)
        self.assertIs(databases.get('main'), self.root)

    def test_another_one_by_its_name(self):
        self.assertIs(self.databases.get('temporary'), self.temporary)

    def test_there_is_none_of_that_name(self):
        for name in ('nope', 'Main', ' '):
            with self.assertRaises(KeyError):
                self.databases.get(name)

    def test_asking_opens_no_connection(self):
        for _, database in self.databases.items():
            database.open = None
        self.assertIs(self.databases.get(''), self.root)

    def test_a_storage_without_a_server_is_always_connected(self):
        with closing(DB(MappingStorage())) as database:
            self.assertTrue(is_connected(database))

    def test_a_closed_database_is_no_crash(self):
        database = DB(MappingStorage())
        database.close()
        self.assertTrue(is_connected(database))

    def test_every_database_counts_its_activity(self):
        self.assertIsNone(self.root.getActivityMonitor())
        self.databases.monitor_activity()
        for _, database in self.databases.items():
            connection = database.open(transaction.TransactionManager())
            # ZODB 5 made the root object in this one, ZODB 3 did not.
            connection.getTransferCounts(True)
            connection.root()['x'] = PersistentMapping()
            connection.transaction_manager.commit()
            connection.close()
            counted = database.getActivityMonitor().getActivityAnalysis(
                divisions=1)[0]
            self.assertEqual(counted['connections'], 1)
            self.assertEqual(counted['stores'], 2)

    def test_an_activity_monitor_that_is_there_is_kept(self):
        own = ActivityMonitor()
        self.catalog.setActivityMonitor(own)
        self.databases.monitor_activity()
        self.assertIs(self.catalog.getActivityMonitor(), own)
        theirs = self.root.getActivityMonitor()
        self.databases.monitor_activity()
        self.assertIs(self.root.getActivityMonitor(), theirs)
