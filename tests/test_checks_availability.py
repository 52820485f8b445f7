from ftw.monitor.checks import error
from ftw.monitor.checks import ok
from ftw.monitor.checks import warning
from ftw.monitor.checks.availability import Availability
from ftw.monitor.checks.availability import DatabaseCheck
from ftw.monitor.checks.databases import Databases
from tests.checks import DummyCheck
from tests.checks import WatchCase
from ZODB import DB
from ZODB.MappingStorage import MappingStorage


class DummyClientStorage(MappingStorage):
    """Has a server, as ZEO's; may say that it is away."""

    connected = True

    def is_connected(self):
        return self.connected

    def ping(self):
        """The server answers."""


class AvailabilityCase(WatchCase):

    grace = 0

    def setUp(self):
        WatchCase.setUp(self)
        self.all = {}
        self.watches = {}
        self.root = self.open('main')
        self.availability = Availability(
            Databases(self.root), self.watches.get, self.grace)

    def open(self, name):
        database = DB(DummyClientStorage(), databases=self.all,
                      database_name=name)
        self.addCleanup(database.close)
        return database

    def watch(self, answer=ok, name='main'):
        check = DummyCheck(answer)
        self.watches[name] = self.start(check, name)
        self.assertState(answer().state, self.watches[name])
        return check

    def assertFault(self, problem, name='main'):
        self.assertEqual("Error: Database '%s' %s." % (name, problem),
                         self.availability.fault())

    def assertNoFault(self):
        self.assertIsNone(self.availability.fault())


class TestTheVerdict(AvailabilityCase):

    def test_all_are_there(self):
        self.open('catalog')
        self.assertNoFault()
        self.watch()
        self.assertNoFault()

    def test_the_flag_is_seen_at_once(self):
        self.watch()
        self.root.storage.connected = False
        self.assertFault('disconnected')
        self.root.storage.connected = True
        self.assertNoFault()

    def test_the_flag_is_seen_before_there_is_a_check(self):
        self.open('mounted').storage.connected = False
        self.assertFault('disconnected', 'mounted')

    def test_one_that_hangs(self):
        check = self.watch()
        self.hang(check)
        self.assertNoFault()
        self.clock.now += 2.1
        self.assertFault('did not answer within 2 s')
        check.may_return.set()
        self.assertState('ok', self.watches['main'])
        self.assertNoFault()

    def test_another_fault_in_its_words(self):
        self.watch(lambda: error('has lost its file', '/var/Data.fs'))
        self.assertFault('has lost its file')

    def test_a_warning_is_no_fault(self):
        self.watch(lambda: warning('is read-only'))
        self.assertNoFault()

    def test_the_first_of_several_by_name_is_told(self):
        for name in ('temporary', 'catalog'):
            self.open(name).storage.connected = False
        self.assertFault('disconnected', 'catalog')

    def test_it_opens_no_connection(self):
        self.root.open = None
        self.root.storage.connected = False
        self.assertFault('disconnected')

    def test_the_default_limits_show_a_hang_within_3_s(self):
        self.assertTrue(DatabaseCheck.interval + DatabaseCheck.timeout < 3)


class TestGrace(AvailabilityCase):

    grace = 10

    def watch_failing(self, name='main'):
        """A check that has been good once, and fails since then."""
        check = self.watch(ok, name)
        check.answer = lambda: error('away')
        self.assertState('error', self.watches[name])
        return check

    def test_a_short_failure_is_none(self):
        check = self.watch_failing()
        self.clock.now += 9
        self.assertNoFault()
        check.answer = ok
        self.assertState('ok', self.watches['main'])
        self.clock.now += 9
        check.answer = lambda: error('away')
        self.assertState('error', self.watches['main'])
        self.assertNoFault()

    def test_a_long_failure_is_one(self):
        self.watch_failing()
        self.clock.now += 10
        self.assertFault('away')

    def test_one_that_was_never_there_has_no_grace(self):
        self.watch(lambda: error('away'))
        self.assertFault('away')

    def test_one_that_hangs_for_long_is_a_fault(self):
        self.hang(self.watch())
        self.clock.now += 9
        self.assertNoFault()
        self.clock.now += 1
        self.assertFault('did not answer within 2 s')

    def test_one_that_is_not_asked_any_more_is_a_fault(self):
        self.watch()
        self.watches['main'].stop()
        self.end()
        self.clock.now += 60
        self.assertFault('has not been asked for 60 s')

    def test_one_fault_in_grace_hides_no_other(self):
        self.open('catalog')
        self.watch_failing()
        self.clock.now += 9
        self.watch_failing('catalog')
        self.clock.now += 1
        self.assertFault('away')


class TestTheCheck(AvailabilityCase):

    def test_the_storage_is_asked(self):
        self.assertEqual('ok', DatabaseCheck(self.root).check().state)

    def test_a_storage_that_is_known_to_be_away_is_not_asked(self):
        self.root.storage.ping = None
        self.root.storage.connected = False
        self.assertEqual(error('disconnected'),
                         DatabaseCheck(self.root).check())

    def test_it_opens_no_connection(self):
        self.root.open = None
        self.assertEqual('ok', DatabaseCheck(self.root).check().state)
