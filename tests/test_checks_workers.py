from ftw.monitor import instance
from ftw.monitor.checks import workers
from ftw.monitor.checks.workers import WorkersCheck
from ftw.monitor.instance.worker_pool import Workers
from ftw.monitor.running_requests import RunningRequests
from tests.checks import DummyClock
from tests.patch import patch
from tests.recorded_log import RecordedLog
import unittest


class TestWorkers(unittest.TestCase):

    def setUp(self):
        self.clock = DummyClock()
        patch(self, workers, 'monotonic', self.clock)
        patch(self, instance, 'workers', lambda: self.workers)
        self.log = RecordedLog.installed(self)
        self.running = RunningRequests()
        self.workers = Workers(2, 2, 7)
        self.excused = False
        self.check = WorkersCheck(self.running, 300, lambda: self.excused)
        self.assertState('ok')

    def assertState(self, expected):
        result = self.check.check()
        self.assertEqual(expected, result.state)
        return result.message

    def test_busy_is_not_ill(self):
        self.clock.now += 300
        self.assertEqual('2 of 2 busy, 7 requests wait',
                         self.assertState('ok'))
        self.assertEqual([], self.log.messages)

    def test_they_are_stuck_if_nothing_begins_or_ends(self):
        self.clock.now += 301
        self.assertEqual('all 2 workers have been stuck for 301 s',
                         self.assertState('error'))

    def test_they_are_not_as_long_as_requests_begin_and_end(self):
        for change in (self.running.end,
                       lambda: self.running.begin('GET', '/')):
            self.clock.now += 200
            change()
            self.assertState('ok')

    def test_they_are_not_as_long_as_one_is_free(self):
        self.workers = Workers(1, 2, 0)
        for _ in range(3):
            self.clock.now += 200
            self.assertState('ok')

    def test_they_are_not_as_long_as_they_are_excused(self):
        self.excused = True
        for _ in range(3):
            self.clock.now += 200
            self.assertState('ok')
        self.excused = False
        self.clock.now += 300
        self.assertState('ok')
        self.clock.now += 1
        self.assertState('error')

    def test_they_recover(self):
        self.clock.now += 301
        self.assertState('error')
        self.running.end()
        self.assertState('ok')
        self.clock.now += 300
        self.assertState('ok')

    def test_what_they_do_is_logged_once_each_time(self):
        for times in (1, 2):
            for _ in range(3):
                self.clock.now += 301
                self.assertState('error')
            self.assertEqual(times, len(self.log.messages))
            level, text = self.log.messages[-1]
            self.assertEqual('ERROR', level)
            self.assertIn('FTW_MONITOR_STUCK_AFTER is 300', text)
            self.assertIn('test_what_they_do_is_logged_once', text)
            self.running.end()
            self.assertState('ok')
