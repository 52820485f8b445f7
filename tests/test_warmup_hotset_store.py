"""Which file is used, and what the log says: one line for each file that was
looked into and is not simply missing."""

from ftw.monitor.interfaces import IHotSetStore
from ftw.monitor.warmup.hotset import HotSet
from ftw.monitor.warmup.hotset_file import write
from ftw.monitor.warmup.hotset_store import HotSetStore
from tests.patch import patch
from tests.recorded_log import RecordedLog
from zope.interface.verify import verifyObject
import logging
import os
import shutil
import tempfile
import time
import unittest


SAVED = 1760000000


class TestHotSetStore(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='ftwm-store-')
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, 'instance.hotset')
        self.seed = os.path.join(self.folder, 'seed.hotset')
        self.log = RecordedLog.installed(self, logging.INFO)

    def make_one(self):
        return HotSetStore(self.path)

    def make_one_with_seed(self):
        return HotSetStore(self.path, self.seed)

    def put(self, path, objects):
        write(path, HotSet(
            SAVED, None, [], {'main': (b'1' * 8, [b'2' * 8] * objects)}))

    def spoil(self, path):
        with open(path, 'wb') as target:
            target.write(b'something else')

    def loaded(self, path, objects):
        """The log line for a hot set that is used."""
        return ('INFO', 'Hot set of %d objects, saved %s, from %s.' % (
            objects, time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(SAVED)),
            path))

    def assertWarnings(self, *parts_of_each):
        """So many warnings are in the log, and have these parts."""
        warnings = [message for level, message in self.log.messages
                    if level == 'WARNING']
        self.assertEqual(len(parts_of_each), len(warnings), warnings)
        for message, parts in zip(warnings, parts_of_each):
            for part in parts:
                self.assertIn(part, message)

    def test_the_interface_is_kept(self):
        self.assertTrue(verifyObject(IHotSetStore, self.make_one()))

    def test_what_was_saved_is_loaded(self):
        hot_set = HotSet(SAVED, 1.5, ['a'], {'main': (b'1' * 8, [b'2' * 8])})
        self.make_one().save(hot_set)
        self.assertEqual(vars(hot_set), vars(self.make_one().load()))
        self.assertEqual([self.loaded(self.path, 1)], self.log.messages)

    def test_the_first_boot(self):
        self.assertIsNone(self.make_one().load())
        [(level, message)] = self.log.messages
        self.assertEqual('INFO', level)
        self.assertIn(self.path, message)

    def test_a_wrong_file(self):
        self.spoil(self.path)
        self.assertIsNone(self.make_one().load())
        self.assertEqual(1, len(self.log.messages))
        self.assertWarnings([self.path, 'something else', 'is replaced'])

    def test_the_seed_at_the_first_boot(self):
        self.put(self.seed, 5)
        self.assertEqual(5, self.make_one_with_seed().load().count())
        self.assertEqual([self.loaded(self.seed, 5)], self.log.messages)

    def test_the_own_one_is_better_than_the_seed(self):
        self.put(self.seed, 5)
        self.put(self.path, 3)
        self.assertEqual(3, self.make_one_with_seed().load().count())
        self.assertEqual([self.loaded(self.path, 3)], self.log.messages)

    def test_the_seed_is_better_than_a_wrong_one(self):
        self.put(self.seed, 5)
        self.spoil(self.path)
        self.assertEqual(5, self.make_one_with_seed().load().count())
        self.assertWarnings([self.path])
        self.assertEqual(self.loaded(self.seed, 5), self.log.messages[-1])
        self.assertEqual(2, len(self.log.messages))

    def test_a_seed_that_is_missing(self):
        self.assertIsNone(self.make_one_with_seed().load())
        self.assertEqual(1, len(self.log.messages))
        self.assertWarnings(
            [self.seed + ' does not exist', 'FTW_MONITOR_HOTSET_SEED'])

    def test_a_seed_that_is_wrong(self):
        self.spoil(self.seed)
        self.assertIsNone(self.make_one_with_seed().load())
        self.assertEqual(1, len(self.log.messages))
        self.assertWarnings(
            [self.seed, 'something else', 'FTW_MONITOR_HOTSET_SEED'])

    def test_both_are_wrong(self):
        self.spoil(self.path)
        self.spoil(self.seed)
        self.assertIsNone(self.make_one_with_seed().load())
        self.assertWarnings([self.path], [self.seed])

    def test_a_seed_that_nobody_needs_is_not_looked_at(self):
        self.put(self.path, 3)
        self.spoil(self.seed)
        self.make_one_with_seed().load()
        self.assertEqual([self.loaded(self.path, 3)], self.log.messages)

    def test_the_seed_is_never_written(self):
        self.put(self.seed, 5)
        store = self.make_one_with_seed()
        store.save(HotSet(SAVED, None, [], {}))
        self.assertEqual(0, store.load().count())
        self.assertEqual(5, HotSetStore(self.seed).load().count())

    def test_a_folder_that_can_be_written(self):
        self.make_one().check_folder()
        self.assertEqual([], self.log.messages)

    def test_a_folder_that_is_none(self):
        self.path = os.path.join(self.folder, 'no', 'instance.hotset')
        self.make_one().check_folder()
        self.assertWarnings(
            [os.path.dirname(self.path), 'is no folder', 'FTW_MONITOR_HOTSET'])

    def test_a_folder_that_cannot_be_written(self):
        # root may write everywhere.
        patch(self, os, 'access', lambda path, mode: False)
        self.make_one().check_folder()
        self.assertWarnings(
            [self.folder, 'cannot be written', 'FTW_MONITOR_HOTSET'])
