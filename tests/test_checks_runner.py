from ftw.monitor.checks import error
from ftw.monitor.checks import ok
from ftw.monitor.checks import runner
from ftw.monitor.checks import warning
from ftw.monitor.checks.availability import DatabaseCheck
from ftw.monitor.checks.databases import Databases
from ftw.monitor.checks.runner import Runner
from ftw.monitor.interfaces import IChecks
from tests.checks import check_threads
from tests.checks import DummyCheck
from tests.checks import WatchCase
from tests.loopback import until
from tests.patch import patch
from ZODB import DB
from ZODB.MappingStorage import MappingStorage
from zope.interface.verify import verifyObject


class RunnerCase(WatchCase):

    def setUp(self):
        WatchCase.setUp(self)
        patch(self, runner, 'INTERVAL', 0.001)
        patch(self, DatabaseCheck, 'interval', 0.001)
        self.all = {}
        self.databases = Databases(self.open('main'))
        self.verdict = 'OK'
        self.runner = Runner(self.databases, lambda: self.verdict)

    def end(self):
        self.runner.stop()
        self.started.extend(self.runner.watches())
        WatchCase.end(self)

    def open(self, name):
        database = DB(MappingStorage(), databases=self.all,
                      database_name=name)
        self.addCleanup(database.close)
        return database

    def add(self, check, name='solr'):
        return self.runner.add(name, check)

    def names(self):
        return [watching.name for watching in self.runner.watches()]

    def assertLogs(self, *expected):
        self.assertLogged(False, expected)

    def assertVerdicts(self, *expected):
        self.assertLogged(True, [('INFO', 'The verdict is: ' + verdict)
                                 for verdict in expected])

    def assertLogged(self, verdicts, expected):
        """Check the messages that are, or are not, of *verdicts*."""
        def logged():
            return [message for message in self.log.messages
                    if message[1].startswith('The verdict is') == verdicts]

        self.assertTrue(until(lambda: len(logged()) >= len(expected)))
        self.assertEqual(list(expected), logged())


class TestTheChecks(RunnerCase):

    def test_the_interface_is_kept(self):
        self.assertTrue(verifyObject(IChecks, self.runner))

    def test_databases_come_first_by_name_then_the_others(self):
        self.open('catalog')
        self.add(DummyCheck())
        self.add(DummyCheck(), 'ldap')
        self.runner.start()
        self.assertEqual(
            ['database:catalog', 'database:main', 'solr', 'ldap'],
            self.names())
        self.assertEqual('database:main',
                         self.runner.of_database('main').name)
        self.assertIsNone(self.runner.of_database('nope'))

    def test_each_has_a_thread(self):
        self.add(DummyCheck())
        self.runner.start()
        self.assertEqual(
            ['ftw.monitor.check-database:main', 'ftw.monitor.check-solr',
             'ftw.monitor.checks'], sorted(check_threads()))

    def test_one_that_hangs_delays_no_other(self):
        stuck, free = DummyCheck(), DummyCheck()
        watching = self.add(stuck)
        self.add(free, 'ldap')
        self.runner.start()
        self.hang(stuck)
        calls = free.calls
        self.assertTrue(until(lambda: free.calls > calls + 5))
        self.assertState('ok', self.runner.of_database('main'))
        self.clock.now += 3
        self.assertState('hanging', watching)

    def test_a_database_that_is_opened_later_is_watched(self):
        self.runner.start()
        self.open('catalog')
        self.assertTrue(until(
            lambda: self.runner.of_database('catalog') is not None))
        self.assertState('ok', self.runner.of_database('catalog'))

    def test_stop_ends_all_threads(self):
        self.add(DummyCheck())
        self.runner.start()
        self.runner.stop()
        self.assertTrue(until(lambda: not check_threads()), check_threads())


class TestUntilAllHaveAnswered(RunnerCase):

    def setUp(self):
        RunnerCase.setUp(self)
        self.check = DummyCheck()
        self.check.may_return.clear()

    def test_it_waits_for_one_that_is_required(self):
        self.add(self.check)
        self.runner.start()
        self.assertTrue(self.check.hangs.wait(30))
        self.assertTrue(self.runner.pending())
        self.check.may_return.set()
        self.assertTrue(until(lambda: not self.runner.pending()))

    def test_it_does_not_wait_for_one_that_hangs(self):
        self.add(self.check)
        self.runner.start()
        self.assertTrue(self.check.hangs.wait(30))
        self.clock.now += 3
        self.assertTrue(until(lambda: not self.runner.pending()))

    def test_it_does_not_wait_for_one_that_is_not_required(self):
        self.check.required = False
        self.add(self.check)
        self.runner.start()
        self.assertTrue(until(lambda: not self.runner.pending()))

    def test_it_does_not_wait_for_a_database_that_is_opened_later(self):
        self.runner.start()
        self.assertTrue(until(lambda: not self.runner.pending()))
        self.open('catalog')
        self.assertFalse(self.runner.pending())


class TestTheLog(RunnerCase):

    def test_what_is_well_is_not_worth_a_line(self):
        check = DummyCheck()
        self.add(check)
        self.runner.start()
        self.assertTrue(until(lambda: check.calls > 20))
        self.assertLogs()

    def test_each_verdict_is_logged_once(self):
        self.runner.start()
        self.assertVerdicts('OK')
        self.verdict = hangs = 'Error: solr: has not returned for 3 s'
        self.assertVerdicts('OK', hangs)
        self.verdict = 'Error: solr: has not returned for 4 s'
        self.verdict = 'OK'
        self.assertVerdicts('OK', hangs, 'OK')

    def test_each_change_is_logged_once(self):
        check = DummyCheck(lambda: error('away', 'It was at /var/solr.'))
        watching = self.add(check)
        self.runner.start()
        away = ('WARNING',
                'Check solr: error: away. It was at /var/solr.')
        self.assertLogs(away)
        self.assertNotIn('/var', watching.fault())
        calls = check.calls
        self.assertTrue(until(lambda: check.calls > calls + 20))
        self.assertLogs(away)
        check.answer = ok
        again = ('INFO', 'Check solr is ok again.')
        self.assertLogs(away, again)
        check.answer = lambda: warning('slow')
        self.assertLogs(
            away, again, ('WARNING', 'Check solr: warning: slow.'))

    def test_one_that_hangs(self):
        check = DummyCheck()
        self.add(check)
        self.runner.start()
        self.hang(check)
        self.clock.now += 3
        self.assertLogs(('WARNING', 'Check solr: hanging:'
                                    ' has not returned for 3 s.'))

    def test_what_goes_wrong_in_here_ends_no_thread(self):
        self.runner.start()
        items = self.databases.items
        self.databases.items = None
        problem = ('ERROR', 'The checks cannot be looked at.')
        self.assertTrue(until(lambda: problem in self.log.messages))
        self.databases.items = items
        self.open('catalog')
        self.assertTrue(until(
            lambda: self.runner.of_database('catalog') is not None))
