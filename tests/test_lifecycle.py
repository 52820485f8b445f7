from ftw.monitor import lifecycle
from ftw.monitor import progress
from ftw.monitor.checks.availability import Availability
from ftw.monitor.checks.databases import Databases
from ftw.monitor.interfaces import ILifecycle
from ftw.monitor.lifecycle import Lifecycle
from ftw.monitor.server.call import Answer
from hypothesis import given
from hypothesis import settings
from tests.patch import patch
from tests.recorded_log import RecordedLog
from tests.texts import seen
from tests.texts import TEXT
from zope.interface.verify import verifyObject
import threading
import unittest


PERFORMER = 'my.policy.Performer'
SITES = ['/Plone', '/folder/Plone']


class DummyDatabases(object):

    def __init__(self, fault=None):
        self.reason = fault

    def fault(self):
        return self.reason


class DummyStorage(object):

    def is_connected(self):
        return False


class DummyDB(object):

    def __init__(self, name):
        self.database_name = name
        self.databases = {name: self}
        self.storage = DummyStorage()


class DummyClock(object):

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class LifecycleCase(unittest.TestCase):

    def setUp(self):
        self.clock = DummyClock()
        for module in (lifecycle, progress):
            patch(self, module, 'monotonic', self.clock)
        self.log = RecordedLog.installed(self)
        self.lifecycle = Lifecycle()

    def warm(self):
        self.lifecycle.want_warmup()
        self.assertTrue(self.lifecycle.begin_warmup())
        self.lifecycle.end_warmup(SITES, SITES)

    def assertVerdict(self, expected):
        self.assertEqual(self.lifecycle.verdict(), expected)

    def assertState(self, done, in_progress):
        self.assertEqual(
            self.lifecycle.warmup_state(), (done, in_progress))


class TestTheVerdict(LifecycleCase):

    def test_the_interface_is_kept(self):
        self.assertTrue(verifyObject(ILifecycle, self.lifecycle))

    def test_an_instance_that_wants_no_warmup_is_healthy_at_once(self):
        self.assertVerdict('OK')
        self.assertState(False, False)

    def test_an_instance_boots_until_its_warmup_begins(self):
        self.lifecycle.want_warmup()
        self.assertVerdict('Instance is booting')
        self.assertState(False, False)

    def test_the_first_warmup_is_in_progress(self):
        self.lifecycle.want_warmup()
        self.lifecycle.begin_warmup()
        self.assertVerdict('Warmup in progress')
        self.assertState(False, True)

    def test_the_first_warmup_has_succeeded(self):
        self.warm()
        self.assertVerdict('OK')
        self.assertState(True, False)

    def test_an_instance_without_any_site_is_warm_as_well(self):
        self.lifecycle.want_warmup()
        self.lifecycle.begin_warmup()
        self.lifecycle.end_warmup([], [])
        self.assertVerdict('OK')

    def test_the_first_warmup_has_failed(self):
        self.lifecycle.want_warmup()
        self.lifecycle.begin_warmup()
        self.lifecycle.fail_warmup('KeyError: 1')
        self.assertVerdict('Warmup failed: KeyError: 1')
        self.assertState(False, False)

    def test_an_attempt_that_could_not_even_begin_has_failed(self):
        self.lifecycle.want_warmup()
        self.lifecycle.fail_warmup('GET / answered 404')
        self.assertVerdict('Warmup failed: GET / answered 404')

    def test_a_failed_warmup_is_tried_again(self):
        self.lifecycle.want_warmup()
        self.lifecycle.begin_warmup()
        self.lifecycle.fail_warmup('KeyError: 1')
        self.assertTrue(self.lifecycle.begin_warmup())
        self.assertVerdict('Warmup in progress')
        self.lifecycle.end_warmup(SITES, SITES)
        self.assertVerdict('OK')

    def test_draining(self):
        self.lifecycle.draining = True
        self.assertVerdict('Draining')
        self.lifecycle.draining = False
        self.assertVerdict('OK')

    def test_a_required_check_fails(self):
        reasons = [None]
        self.lifecycle.require('disk', lambda: reasons[0])
        self.assertVerdict('OK')
        reasons[0] = 'no space left'
        self.assertVerdict('Error: disk: no space left')

    def test_the_first_of_several_checks_that_fails_is_told(self):
        for name, reason in (('a', None), ('b', 'bad'), ('c', 'worse')):
            self.lifecycle.require(name, lambda reason=reason: reason)
        self.assertVerdict('Error: b: bad')

    def test_a_database_is_away(self):
        databases = DummyDatabases("Error: Database 'main' disconnected.")
        self.lifecycle.watch_databases(databases)
        self.assertVerdict("Error: Database 'main' disconnected.")
        databases.reason = None
        self.assertVerdict('OK')

    def test_the_order(self):
        # Each fault hides those that are repaired after it.
        databases = DummyDatabases("Error: Database 'main' disconnected.")
        check = ['no space left']
        self.lifecycle.watch_databases(databases)
        self.lifecycle.require('disk', lambda: check[0])
        self.lifecycle.draining = True
        self.lifecycle.want_warmup()
        self.assertVerdict("Error: Database 'main' disconnected.")
        databases.reason = None
        self.assertVerdict('Instance is booting')
        self.lifecycle.begin_warmup()
        self.assertVerdict('Warmup in progress')
        self.lifecycle.fail_warmup('KeyError: 1')
        self.assertVerdict('Warmup failed: KeyError: 1')
        self.lifecycle.begin_warmup()
        self.lifecycle.end_warmup(SITES, SITES)
        self.assertVerdict('Draining')
        self.lifecycle.draining = False
        self.assertVerdict('Error: disk: no space left')
        check[0] = None
        self.assertVerdict('OK')

    def test_there_is_no_ok_before_the_checks_have_been_asked_once(self):
        pending = [True]
        self.lifecycle.await_checks(lambda: pending[0])
        self.assertVerdict('Instance is booting')
        self.lifecycle.want_warmup()
        self.lifecycle.begin_warmup()
        self.assertVerdict('Warmup in progress')
        self.lifecycle.end_warmup(SITES, SITES)
        self.lifecycle.draining = True
        self.assertVerdict('Instance is booting')
        pending[0] = False
        self.assertVerdict('Draining')

    def test_a_lost_database_comes_before_each_state_of_the_warmup(self):
        away = "Error: Database 'main' disconnected."
        self.lifecycle.watch_databases(DummyDatabases(away))
        self.lifecycle.want_warmup()
        self.assertVerdict(away)
        self.lifecycle.begin_warmup()
        self.assertVerdict(away)
        self.lifecycle.fail_warmup('x')
        self.assertVerdict(away)
        self.lifecycle.begin_warmup()
        self.lifecycle.end_warmup(SITES, SITES)
        self.assertVerdict(away)
        self.lifecycle.draining = True
        self.assertVerdict(away)

    def test_a_warmup_that_is_not_required_is_never_a_reason(self):
        # Autowarmup runs, but want_warmup() was not called.
        self.assertVerdict('OK')
        self.lifecycle.begin_warmup()
        self.assertVerdict('OK')
        self.assertState(False, True)
        self.lifecycle.warmup_performer_runs(PERFORMER)
        self.clock.now += 100000
        self.assertVerdict('OK')
        self.lifecycle.fail_warmup('KeyError: 1')
        self.assertVerdict('OK')
        self.assertState(False, False)

    def test_a_verdict_does_not_wait_for_a_lock(self):
        self.lifecycle.want_warmup()
        answers = []
        with self.lifecycle._lock:
            asking = threading.Thread(
                target=lambda: answers.append(self.lifecycle.verdict()))
            asking.daemon = True
            asking.start()
            asking.join(10)
            self.assertEqual(answers, ['Instance is booting'])


class TestAWarmup(LifecycleCase):

    def test_one_at_a_time(self):
        self.assertTrue(self.lifecycle.begin_warmup())
        self.assertFalse(self.lifecycle.begin_warmup())
        self.assertState(False, True)
        self.lifecycle.end_warmup(SITES, SITES)
        self.assertTrue(self.lifecycle.begin_warmup())

    def test_only_one_of_many_who_begin_at_once(self):
        barrier = threading.Event()
        begun = []

        def begin():
            barrier.wait(10)
            begun.append(self.lifecycle.begin_warmup())

        threads = [threading.Thread(target=begin) for _ in range(20)]
        for thread in threads:
            thread.start()
        barrier.set()
        for thread in threads:
            thread.join(10)
        self.assertEqual(sorted(begun), 19 * [False] + [True])

    def test_a_later_warmup_leaves_a_warm_instance_healthy(self):
        self.warm()
        self.lifecycle.begin_warmup()
        self.assertVerdict('OK')
        self.assertState(True, True)
        self.lifecycle.end_warmup(SITES, SITES)
        self.assertVerdict('OK')
        self.assertState(True, False)

    def test_a_later_warmup_that_fails_leaves_a_warm_instance_healthy(self):
        self.warm()
        self.lifecycle.begin_warmup()
        self.lifecycle.fail_warmup('KeyError: 1')
        self.assertVerdict('OK')
        self.assertState(True, False)

    def test_a_later_warmup_that_hangs_leaves_a_warm_instance_healthy(self):
        self.warm()
        self.lifecycle.begin_warmup()
        self.lifecycle.warmup_performer_runs(PERFORMER)
        self.clock.now += 100000
        self.assertVerdict('OK')
        self.assertState(True, True)

    def test_one_site_of_two_does_not_make_the_instance_warm(self):
        self.lifecycle.want_warmup()
        self.lifecycle.begin_warmup()
        self.lifecycle.end_warmup(['/Plone'], SITES)
        self.assertState(False, False)
        self.assertVerdict('Instance is booting')
        self.assertEqual(self.lifecycle.warm_sites, {'/Plone'})

    def test_one_site_after_the_other_makes_the_instance_warm(self):
        self.lifecycle.want_warmup()
        for site in SITES:
            self.assertFalse(self.lifecycle.warmup_done)
            self.lifecycle.begin_warmup()
            self.lifecycle.end_warmup([site], SITES)
        self.assertVerdict('OK')

    def test_a_site_added_since_does_not_make_a_warm_instance_cold(self):
        self.warm()
        self.lifecycle.begin_warmup()
        self.lifecycle.end_warmup(['/Plone'], SITES + ['/new'])
        self.assertVerdict('OK')
        self.assertState(True, False)


class TestTheProgress(LifecycleCase):

    def test_none_before_the_first_warmup(self):
        self.assertIsNone(self.lifecycle.progress)
        self.assertVerdict('OK')
        self.lifecycle.want_warmup()
        self.assertVerdict('Instance is booting')

    def test_each_warmup_has_its_own(self):
        self.lifecycle.begin_warmup()
        first = self.lifecycle.progress
        first.begin_stage('pages')
        first.count(7)
        self.clock.now += 5
        self.lifecycle.end_warmup(SITES, SITES)
        self.assertIs(first, self.lifecycle.progress)
        self.lifecycle.begin_warmup()
        second = self.lifecycle.progress
        self.assertIsNot(first, second)
        self.assertEqual(('begins', 0, 0),
                         (second.stage, second.loaded, second.seconds()))

    def test_who_comes_second_does_not_get_a_new_one(self):
        self.lifecycle.begin_warmup()
        first = self.lifecycle.progress
        self.assertFalse(self.lifecycle.begin_warmup())
        self.assertIs(first, self.lifecycle.progress)

    def test_a_success_ends_it(self):
        self.lifecycle.begin_warmup()
        self.clock.now += 5
        self.lifecycle.end_warmup(SITES, SITES)
        self.clock.now += 100
        self.assertEqual(5, self.lifecycle.progress.seconds())

    def test_a_failure_ends_it(self):
        self.lifecycle.begin_warmup()
        self.clock.now += 5
        self.lifecycle.fail_warmup('KeyError: 1')
        self.clock.now += 100
        self.assertEqual(5, self.lifecycle.progress.seconds())

    def test_a_later_failure_does_not_change_how_long_it_took(self):
        # Of an attempt that could not even begin.
        self.lifecycle.begin_warmup()
        self.clock.now += 5
        self.lifecycle.end_warmup(SITES, SITES)
        self.clock.now += 100
        self.lifecycle.fail_warmup('GET / answered 404')
        self.assertEqual(5, self.lifecycle.progress.seconds())

    def test_a_failure_before_the_first_warmup_has_none(self):
        self.lifecycle.fail_warmup('GET / answered 404')
        self.assertIsNone(self.lifecycle.progress)

    def test_the_verdict_is_the_same_however_far_it_is(self):
        self.lifecycle.want_warmup()
        self.lifecycle.begin_warmup()
        running = self.lifecycle.progress
        running.begin_stage('hot set', 100)
        running.count(100)
        running.worker = running.workers = 4
        running.step = running.steps = 8
        running.end()
        self.assertVerdict('Warmup in progress')
        self.assertState(False, True)

    def test_who_waits_for_another_instance_is_still_booting(self):
        self.lifecycle.want_warmup()
        self.lifecycle.autowarmup_runs = True
        self.lifecycle.warmup_waiting_for = 'instance2'
        self.assertVerdict('Instance is booting')
        self.assertState(False, False)


class TestWhatIsKeptOfAWarmup(LifecycleCase):

    def run_for(self, seconds, sites=SITES):
        self.lifecycle.begin_warmup()
        self.clock.now += seconds
        self.lifecycle.end_warmup(sites, SITES)

    def test_how_long_the_first_one_took(self):
        self.assertIsNone(self.lifecycle.first_warmup_seconds)
        self.run_for(12.5)
        self.assertEqual(12.5, self.lifecycle.first_warmup_seconds)

    def test_later_ones_do_not_count(self):
        self.run_for(12.5)
        self.run_for(3)
        self.assertEqual(12.5, self.lifecycle.first_warmup_seconds)
        self.assertEqual(3, self.lifecycle.progress.seconds())

    def test_nor_does_one_that_has_failed(self):
        self.lifecycle.begin_warmup()
        self.clock.now += 7
        self.lifecycle.fail_warmup('KeyError: 1')
        self.assertIsNone(self.lifecycle.first_warmup_seconds)
        self.run_for(12.5)
        self.assertEqual(12.5, self.lifecycle.first_warmup_seconds)

    def test_nor_one_that_did_not_make_the_instance_warm(self):
        self.run_for(7, ['/Plone'])
        self.assertIsNone(self.lifecycle.first_warmup_seconds)
        self.run_for(3, ['/folder/Plone'])
        self.assertEqual(3, self.lifecycle.first_warmup_seconds)

    def test_how_long_the_boot_before_took_makes_no_difference(self):
        self.lifecycle.previous_warmup_seconds = 99
        self.run_for(12.5)
        self.assertEqual(12.5, self.lifecycle.first_warmup_seconds)
        self.assertEqual(99, self.lifecycle.previous_warmup_seconds)

    def test_the_last_error(self):
        self.assertIsNone(self.lifecycle.warmup_last_error)
        self.lifecycle.fail_warmup('KeyError: 1')
        self.lifecycle.fail_warmup('KeyError: 2')
        self.assertEqual('KeyError: 2', self.lifecycle.warmup_last_error)

    def test_the_last_error_is_still_known_after_a_success(self):
        self.lifecycle.want_warmup()
        self.lifecycle.fail_warmup('KeyError: 1')
        self.run_for(3)
        self.assertEqual('KeyError: 1', self.lifecycle.warmup_last_error)
        self.assertIsNone(self.lifecycle.warmup_failure)
        self.assertVerdict('OK')


class TestThePauseAfterAFailure(LifecycleCase):

    def fail(self):
        self.lifecycle.begin_warmup()
        self.lifecycle.fail_warmup('KeyError: 1')

    def test_none_without_a_failure(self):
        self.assertEqual(self.lifecycle.warmup_retry_pause(), 0)
        self.warm()
        self.assertEqual(self.lifecycle.warmup_retry_pause(), 0)

    def test_grows_and_then_stays(self):
        pauses = []
        for _ in range(9):
            self.fail()
            pauses.append(self.lifecycle.warmup_retry_pause())
        self.assertEqual(pauses, [1, 2, 4, 8, 15, 30, 60, 60, 60])

    def test_gets_shorter_as_time_goes_by(self):
        for _ in range(4):
            self.fail()
        self.clock.now += 3
        self.assertEqual(self.lifecycle.warmup_retry_pause(), 5)
        self.clock.now += 100
        self.assertEqual(self.lifecycle.warmup_retry_pause(), 0)

    def test_begins_anew_after_a_success(self):
        for _ in range(4):
            self.fail()
        self.warm()
        self.assertEqual(self.lifecycle.warmup_retry_pause(), 0)
        self.fail()
        self.assertEqual(self.lifecycle.warmup_retry_pause(), 1)


class TestTheTimeLimit(LifecycleCase):

    def setUp(self):
        LifecycleCase.setUp(self)
        self.lifecycle.want_warmup()
        self.lifecycle.begin_warmup()

    def test_half_an_hour(self):
        self.clock.now += 1800
        self.assertFalse(self.lifecycle.warmup_time_is_up('x'))
        self.clock.now += 1
        self.assertTrue(self.lifecycle.warmup_time_is_up('x'))

    def test_a_performer_that_does_not_come_back_is_a_failure(self):
        self.lifecycle.warmup_performer_runs(PERFORMER)
        self.assertVerdict('Warmup in progress')
        self.clock.now += 1801
        self.assertVerdict('Warmup failed: my.policy.Performer has not'
                           ' returned after 1800 s')
        self.assertState(False, True)

    def test_the_limit_in_the_words_is_the_one_that_was_set(self):
        self.lifecycle.warmup_timeout = 2.5
        self.lifecycle.warmup_performer_runs(PERFORMER)
        self.clock.now += 3
        self.assertVerdict('Warmup failed: my.policy.Performer has not'
                           ' returned after 2.5 s')

    def test_a_performer_that_does_come_back_late_is_a_success(self):
        self.lifecycle.warmup_performer_runs(PERFORMER)
        self.clock.now += 1801
        self.lifecycle.warmup_performer_runs(None)
        self.assertVerdict('Warmup in progress')
        self.lifecycle.end_warmup(SITES, SITES)
        self.assertVerdict('OK')

    def test_a_failure_after_the_limit_is_told_with_its_own_reason(self):
        self.lifecycle.warmup_performer_runs(PERFORMER)
        self.clock.now += 1801
        self.lifecycle.fail_warmup('KeyError: 1')
        self.assertVerdict('Warmup failed: KeyError: 1')

    def test_the_next_attempt_has_the_whole_time_again(self):
        self.lifecycle.warmup_performer_runs(PERFORMER)
        self.clock.now += 1801
        self.lifecycle.fail_warmup('KeyError: 1')
        self.lifecycle.begin_warmup()
        self.assertVerdict('Warmup in progress')
        self.assertFalse(self.lifecycle.warmup_time_is_up('x'))
        self.lifecycle.warmup_performer_runs(PERFORMER)
        self.assertVerdict('Warmup in progress')

    def test_what_was_left_out_is_a_warning_and_no_failure(self):
        self.clock.now += 1801
        self.assertTrue(self.lifecycle.warmup_time_is_up('pages of /Plone'))
        self.assertTrue(self.lifecycle.warmup_time_is_up('/b for worker 2'))
        self.lifecycle.end_warmup(SITES, SITES)
        self.assertVerdict('OK')
        warning, = self.lifecycle.warmup_warnings
        self.assertEqual(
            warning,
            'the time limit of 1800 s (FTW_MONITOR_WARMUP_TIMEOUT) is used'
            ' up after 0 of 0 steps; left out: pages of /Plone,'
            ' /b for worker 2')
        logged, = self.log.records
        self.assertEqual(logged.levelname, 'WARNING')
        self.assertEqual(logged.getMessage(), 'Warmup: ' + warning)

    def test_what_was_left_out_is_forgotten_by_the_next_warmup(self):
        self.clock.now += 1801
        self.lifecycle.warmup_time_is_up('pages of /Plone')
        self.lifecycle.end_warmup(SITES, SITES)
        self.lifecycle.begin_warmup()
        self.lifecycle.end_warmup(SITES, SITES)
        self.assertEqual(self.lifecycle.warmup_warnings, [])

    def test_nothing_left_out_is_no_warning(self):
        self.assertFalse(self.lifecycle.warmup_time_is_up('pages'))
        # The last step took longer, but all were made.
        self.clock.now += 1801
        self.lifecycle.end_warmup(SITES, SITES)
        self.assertEqual(self.lifecycle.warmup_warnings, [])
        self.assertEqual(self.log.records, [])

    def test_a_warning_is_kept_until_the_next_warmup_begins(self):
        self.lifecycle.warn_of_warmup('/Plone: there is no index')
        self.lifecycle.end_warmup(SITES, SITES)
        self.assertEqual(self.lifecycle.warmup_warnings,
                         ['/Plone: there is no index'])
        self.lifecycle.begin_warmup()
        self.assertEqual(self.lifecycle.warmup_warnings, [])

    def test_the_next_warmup_has_the_whole_time_again(self):
        self.lifecycle.end_warmup(SITES, SITES)
        self.clock.now += 100000
        self.lifecycle.begin_warmup()
        self.assertFalse(self.lifecycle.warmup_time_is_up('x'))
        self.clock.now += 1801
        self.assertTrue(self.lifecycle.warmup_time_is_up('x'))

    def test_there_is_no_limit_before_the_first_warmup(self):
        self.assertFalse(Lifecycle().warmup_time_is_up('x'))

    def test_there_is_no_limit_while_no_warmup_runs(self):
        self.lifecycle.end_warmup(SITES, SITES)
        self.clock.now += 100000
        self.assertFalse(self.lifecycle.warmup_time_is_up('x'))
        self.assertEqual(self.lifecycle.warmup_left_out, [])


class TestIsItAlive(LifecycleCase):

    def assertAlive(self, expected='OK'):
        self.assertEqual(expected, self.lifecycle.alive())

    def test_nothing_outside_and_no_warmup_kills_it(self):
        self.lifecycle.watch_databases(DummyDatabases('Error: away.'))
        self.lifecycle.await_checks(lambda: True)
        self.lifecycle.require('solr', lambda: 'away')
        self.lifecycle.want_warmup()
        self.assertAlive()
        self.lifecycle.fail_warmup('KeyError: 1')
        self.lifecycle.draining = True
        self.assertAlive()

    def test_only_what_it_needs_to_live_does(self):
        reason = [None]
        self.lifecycle.require_to_live('workers', lambda: reason[0])
        self.assertAlive()
        reason[0] = 'not\nOK'
        self.assertAlive('Error: workers: not Ok')
        reason[0] = None
        self.assertAlive()


class TestWhateverThingsAreCalled(unittest.TestCase):

    def assertNeverHealthy(self, lifecycle):
        verdict = lifecycle.verdict()
        self.assertIs(type(verdict), str)
        self.assertNotIn('OK', verdict)
        self.assertEqual(len(seen(verdict).splitlines()), 1, verdict)
        # Nor when it is on the wire: what cannot be encoded is escaped.
        answer = Answer()
        answer.write(verdict)
        self.assertNotIn(b'OK', answer.getvalue())

    @settings(database=None, deadline=None)
    @given(TEXT)
    def test_a_database(self, name):
        lifecycle = Lifecycle()
        lifecycle.watch_databases(Availability(
            Databases(DummyDB(name)), lambda name: None, 0))
        self.assertNeverHealthy(lifecycle)

    @settings(database=None, deadline=None)
    @given(TEXT, TEXT)
    def test_a_check(self, name, reason):
        lifecycle = Lifecycle()
        lifecycle.require(name, lambda: reason)
        if reason:
            self.assertNeverHealthy(lifecycle)
        else:
            self.assertEqual(lifecycle.verdict(), 'OK')

    @settings(database=None, deadline=None)
    @given(TEXT)
    def test_an_exception(self, reason):
        lifecycle = Lifecycle()
        lifecycle.want_warmup()
        lifecycle.begin_warmup()
        lifecycle.fail_warmup(reason)
        self.assertNeverHealthy(lifecycle)

    @settings(database=None, deadline=None)
    @given(TEXT)
    def test_a_performer(self, name):
        lifecycle = Lifecycle()
        lifecycle.warmup_timeout = -1
        lifecycle.want_warmup()
        lifecycle.begin_warmup()
        lifecycle.warmup_performer_runs(name)
        self.assertNeverHealthy(lifecycle)
