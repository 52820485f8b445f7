from copy import copy
from ftw.monitor.checks import Check
from ftw.monitor.checks import error
from ftw.monitor.checks import ok
from ftw.monitor.checks import Result
from ftw.monitor.checks import warning
from ftw.monitor.checks.watch import LATE
from ftw.monitor.checks.watch import Watch
from functools import partial
from tests.checks import check_threads
from tests.checks import DummyCheck
from tests.checks import WatchCase
from tests.loopback import until
import sys


def fail():
    raise ValueError('no way')


class TestResults(WatchCase):

    def test_before_the_first_one(self):
        watching = Watch('solr', DummyCheck())
        self.assertEqual(
            ('pending', 0, 'has not been asked yet'), watching.look())
        self.assertTrue(watching.pending())
        self.assertIsNone(watching.fault())
        self.assertEqual(0, watching.failing_for())

    def test_ok(self):
        watching = self.start(DummyCheck(lambda: ok('12 documents')))
        self.assertState('ok', watching)
        self.assertEqual(('ok', 0, '12 documents'), watching.look())
        self.assertFalse(watching.pending())
        self.assertIsNone(watching.fault())

    def test_a_warning_is_no_fault(self):
        watching = self.start(DummyCheck(lambda: warning('full', '/var')))
        self.assertState('warning', watching)
        self.assertEqual('full', watching.look()[2])
        self.assertEqual('/var', watching.detail())
        self.assertIsNone(watching.fault())
        self.assertEqual(0, watching.failing_for())

    def test_an_error_is_a_fault(self):
        watching = self.start(DummyCheck(lambda: error('away', '/var')))
        self.assertState('error', watching)
        self.assertEqual('away', watching.fault())
        self.assertEqual('/var', watching.detail())

    def test_a_fault_without_words_is_called_by_its_state(self):
        watching = self.start(DummyCheck(lambda: error('')))
        self.assertState('error', watching)
        self.assertEqual('error', watching.fault())

    def test_a_fault_is_one_line_without_what_means_healthy(self):
        watching = self.start(DummyCheck(lambda: error('not\nOK')))
        self.assertState('error', watching)
        self.assertEqual('not Ok', watching.fault())

    def test_it_is_asked_again_and_again(self):
        check = DummyCheck()
        watching = self.start(check)
        self.assertTrue(until(lambda: check.calls > 5))
        check.answer = lambda: error('away')
        self.assertState('error', watching)
        check.answer = ok
        self.assertState('ok', watching)
        self.assertIsNone(watching.fault())

    def test_the_age_is_that_of_the_result(self):
        check = DummyCheck()
        watching = self.start(check)
        self.assertState('ok', watching)
        self.hang(check)
        self.clock.now += 1.5
        self.assertEqual(('ok', 1.5, ''), watching.look())


class TestAFailingCall(WatchCase):

    def test_an_exception_is_an_error(self):
        watching = self.start(DummyCheck(fail))
        self.assertState('error', watching)
        self.assertEqual('ValueError: no way', watching.fault())

    def test_its_traceback_is_logged_once(self):
        check = DummyCheck(fail)
        self.start(check)
        self.assertTrue(until(lambda: check.calls > 5))
        record, = self.log.records
        self.assertEqual('The check solr failed.', record.getMessage())
        self.assertTrue(record.exc_info)

    def test_the_end_of_an_interpreter_ends_no_thread(self):
        check = DummyCheck(sys.exit)
        watching = self.start(check)
        self.assertState('error', watching)
        self.assertTrue(until(lambda: check.calls > 5))

    def test_the_path_in_the_exception_of_a_file_is_for_the_log_only(self):
        watching = self.start(DummyCheck(lambda: open('/no/such/file')))
        self.assertState('error', watching)
        self.assertIn('No such file or directory', watching.fault())
        self.assertNotIn('/no/such', watching.fault())
        self.assertIn('/no/such/file', watching.detail())

    def test_what_is_no_result_is_an_error(self):
        for nonsense in (None, True, 'ok', ('ok', 'fine'),
                         Result('fine', '', '')):
            watching = self.start(DummyCheck(partial(copy, nonsense)))
            self.assertState('error', watching)
            self.assertIn('Error: ', watching.fault())
            watching.stop()

    def test_times_that_are_none_are_told_and_those_of_others_are_used(self):
        for nonsense in (None, 0, -1, 'soon', float('nan')):
            check = DummyCheck()
            check.timeout = nonsense
            watching = Watch('solr', check)
            self.assertEqual(Check.timeout, watching.timeout)
            level, message = self.log.messages.pop()
            self.assertEqual('WARNING', level)
            self.assertIn('Check solr: its timeout is %r' % (nonsense,),
                          message)

    def test_a_mere_tuple_will_do(self):
        watching = self.start(DummyCheck(lambda: ('warning', 'full', '/')))
        self.assertState('warning', watching)
        self.assertEqual(('full', '/'),
                         (watching.look()[2], watching.detail()))

    def test_the_state_that_is_none_is_told(self):
        watching = self.start(DummyCheck(lambda: Result('fine', '', '')))
        self.assertState('error', watching)
        self.assertEqual("ValueError: 'fine' is no state", watching.fault())


class TestAHangingCall(WatchCase):

    def setUp(self):
        WatchCase.setUp(self)
        self.check = DummyCheck()
        self.watching = self.start(self.check)
        self.assertState('ok', self.watching)
        self.hang(self.check)

    def test_it_hangs_after_its_time_limit(self):
        self.clock.now += 2
        self.assertEqual('ok', self.watching.look()[0])
        self.clock.now += 1
        self.assertEqual(
            ('hanging', 3, 'has not returned for 3 s'), self.watching.look())
        self.assertEqual('has not returned for 3 s', self.watching.fault())
        self.assertFalse(self.watching.pending())

    def test_it_is_never_called_twice(self):
        calls = self.check.calls
        self.clock.now += 100000
        self.assertEqual(
            ('hanging', 100000, 'has not returned for 100000 s'),
            self.watching.look())
        self.assertEqual(calls, self.check.calls)
        self.assertEqual(['ftw.monitor.check-solr'], check_threads())

    def test_it_recovers_when_the_call_returns(self):
        self.clock.now += 60
        self.assertState('hanging', self.watching)
        self.check.may_return.set()
        self.assertState('ok', self.watching)
        self.assertIsNone(self.watching.fault())
        self.assertEqual(0, self.watching.failing_for())

    def test_the_first_call_may_hang_as_well(self):
        check = DummyCheck()
        check.may_return.clear()
        watching = self.start(check)
        self.assertTrue(check.hangs.wait(30))
        self.assertTrue(watching.pending())
        self.clock.now += 3
        self.assertFalse(watching.pending())
        self.assertState('hanging', watching)


class TestAThreadThatIsGone(WatchCase):

    def setUp(self):
        WatchCase.setUp(self)
        self.watching = self.start(DummyCheck())
        self.assertState('ok', self.watching)
        self.watching.stop()
        self.assertTrue(until(lambda: not check_threads()))

    def test_it_ends_when_it_is_stopped(self):
        calls = self.watching.check.calls
        self.assertEqual([], check_threads())
        self.assertEqual(calls, self.watching.check.calls)

    def test_its_last_result_becomes_stale(self):
        limit = 0.001 + 2 + LATE
        self.clock.now += limit - 0.1
        self.assertEqual('ok', self.watching.look()[0])
        self.clock.now += 1.1
        state, age, message = self.watching.look()
        self.assertEqual('stale', state)
        self.assertAlmostEqual(limit + 1, age)
        self.assertEqual('has not been asked for 13 s', message)
        self.assertEqual(message, self.watching.fault())

    def test_that_lasts_since_the_last_result(self):
        # Else a time of grace would never end.
        self.clock.now += 60
        self.assertEqual(60, self.watching.failing_for())


class TestHowLongItFails(WatchCase):

    def test_since_the_first_of_the_calls_that_have_failed(self):
        check = DummyCheck(lambda: error('away'))
        watching = self.start(check)
        self.assertState('error', watching)
        for _ in range(3):
            self.clock.now += 1
            self.assertTrue(until(
                lambda calls=check.calls: check.calls > calls + 1))
        self.assertEqual(3, watching.failing_for())

    def test_not_across_a_good_one(self):
        check = DummyCheck(lambda: error('away'))
        watching = self.start(check)
        self.assertState('error', watching)
        self.clock.now += 5
        check.answer = lambda: warning('slow')
        self.assertState('warning', watching)
        self.assertEqual(0, watching.failing_for())
        check.answer = lambda: error('away')
        self.assertState('error', watching)
        self.assertEqual(0, watching.failing_for())

    def test_since_the_call_that_hangs_was_begun(self):
        check = DummyCheck()
        watching = self.start(check)
        self.hang(check)
        self.clock.now += 2
        self.assertEqual(0, watching.failing_for())
        self.clock.now += 5
        self.assertEqual(7, watching.failing_for())

    def test_a_call_that_hangs_after_others_that_have_failed(self):
        check = DummyCheck(lambda: error('away'))
        watching = self.start(check)
        self.assertState('error', watching)
        self.clock.now += 5
        self.hang(check)
        self.clock.now += 7
        self.assertEqual(12, watching.failing_for())
