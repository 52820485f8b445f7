from ftw.monitor import progress
from ftw.monitor.progress import Progress
from tests.patch import patch
import unittest


class TestProgress(unittest.TestCase):

    def setUp(self):
        self.now = 1000.0
        patch(self, progress, 'monotonic', lambda: self.now)
        self.progress = Progress()

    def counted(self):
        return self.progress.loaded, self.progress.planned

    def test_a_warmup_that_has_just_begun(self):
        self.assertEqual('begins', self.progress.stage)
        self.assertIsNone(self.progress.site)
        self.assertEqual((0, 0), self.counted())
        self.assertEqual((0, 0), (self.progress.worker, self.progress.workers))
        self.assertEqual((0, 0), (self.progress.step, self.progress.steps))
        self.assertEqual(0, self.progress.seconds())

    def test_what_is_loaded_is_added_up(self):
        self.progress.begin_stage('hot set', 300)
        self.assertEqual((0, 300), self.counted())
        self.progress.count(1)
        self.progress.count(99)
        self.assertEqual('hot set', self.progress.stage)
        self.assertEqual((100, 300), self.counted())

    def test_each_stage_counts_anew(self):
        self.progress.begin_stage('hot set', 300)
        self.progress.count(300)
        self.progress.begin_stage('pages')
        # Nobody knows how many objects the pages are made of.
        self.assertEqual((0, 0), self.counted())
        self.progress.count(7)
        self.assertEqual(('pages', (7, 0)),
                         (self.progress.stage, self.counted()))

    def test_the_seconds_go_on(self):
        self.now += 2.5
        self.assertEqual(2.5, self.progress.seconds())
        self.now += 2
        self.assertEqual(4.5, self.progress.seconds())

    def test_the_seconds_stop_in_the_end(self):
        self.now += 2.5
        self.progress.end()
        self.now += 100
        self.assertEqual(2.5, self.progress.seconds())

    def test_it_ends_once(self):
        self.now += 2.5
        self.progress.end()
        self.now += 100
        self.progress.end()
        self.assertEqual(2.5, self.progress.seconds())
