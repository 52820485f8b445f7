"""The hot set of real instances: when it is written, and what is done with
one that is wrong."""

from ftw.monitor.warmup.hotset import HotSet
from ftw.monitor.warmup.hotset import serialize
from ftw.monitor.warmup.hotset_file import read
from ftw.monitor.warmup.hotset_file import write
from tests.functional.case import FunctionalCase
from tests.functional.configuration import PERFORMER
from tests.functional.processes import wait_until
from tests.worlds import STATUS_AFTER_SIGTERM
import os
import signal
import stat
import threading


#: One of another database.
A_HOT_SET = HotSet(1760000000, None, [], {
    'main': (b'\x01' * 8, [b'\x00' * 8, b'\x00' * 7 + b'\x01'])})

#: Warms up nothing, in one way or the other.
PERFORMERS = """\
import time

class Performer(object):
    def __init__(self, context, request):
        pass

class BlockingPerformer(Performer):
    def perform(self):
        time.sleep(1000)

class FailingPerformer(Performer):
    def perform(self):
        raise ValueError('no way')
"""


class HotSetCase(FunctionalCase):

    def path(self, instance):
        return instance.path('var', 'instance.hotset')

    def content(self, instance):
        with open(self.path(instance), 'rb') as source:
            return source.read()

    def put(self, instance, data):
        """Let *data* be the hot set that a former boot has left."""
        with open(self.path(instance), 'wb') as target:
            target.write(data)

    def start(self, instance, **environ):
        instance.start(environ=environ)
        instance.wait_for_health('OK')
        return instance

    def end(self, instance, number=signal.SIGTERM):
        """Have it end in an orderly way; return its exit status."""
        process = instance.process
        instance.send(number)
        wait_until(lambda: process.poll() is not None,
                   lambda: 'the end\n' + instance.log()[-8000:])
        return process.returncode

    def hot_sets(self, instance):
        """The names of the files around the hot set, also temporary ones."""
        return [name for name in os.listdir(instance.path('var'))
                if '.hotset' in name]


class TestSaving(HotSetCase):

    def test_a_warm_instance_that_is_ended_leaves_one_for_the_next_boot(self):
        instance = self.start(self.instance())
        self.assertIn('No hot set yet', instance.log())
        self.assertEqual([], self.hot_sets(instance))
        self.assertEqual(STATUS_AFTER_SIGTERM, self.end(instance))
        self.assertEqual(['instance.hotset'], self.hot_sets(instance))
        self.assertEqual(0o600, stat.S_IMODE(
            os.stat(self.path(instance)).st_mode))
        hot_set = read(self.path(instance))
        self.assertEqual(['main'], list(hot_set.databases))
        self.assertGreater(hot_set.count(), 100)
        self.assertGreater(hot_set.warmup_seconds, 0)
        self.assertIn('Hot set of %d objects saved to %s.' % (
            hot_set.count(), self.path(instance)), instance.log())
        # The root object and the application root: every visit uses them.
        for number in (0, 1):
            self.assertIn(b'\x00' * 7 + bytes(bytearray([number])),
                          hot_set.databases['main'][1][:200])
        instance.start()
        instance.wait_for_log(
            'Hot set of %d objects, saved 2' % hot_set.count())

    def test_ctrl_c_is_an_orderly_end(self):
        instance = self.start(self.instance())
        self.end(instance, signal.SIGINT)
        self.assertGreater(read(self.path(instance)).count(), 100)

    def test_it_is_saved_while_all_workers_are_busy(self):
        instance = self.start(self.instance())

        def visit():
            try:
                while True:
                    instance.get('/Plone')
            except Exception:
                # It has ended.
                pass

        visitors = [threading.Thread(target=visit) for _ in range(6)]
        for visitor in visitors:
            visitor.start()
        try:
            wait_until(lambda: int(instance.say('monitor').split()[0]),
                       'a worker is busy')
            self.end(instance)
        finally:
            instance.kill()
            for visitor in visitors:
                visitor.join()
        self.assertGreater(read(self.path(instance)).count(), 100)
        self.assertEqual(['instance.hotset'], self.hot_sets(instance))


class TestNotSaving(HotSetCase):

    def assert_it_is_left_alone(self, performer, health):
        instance = self.instance()
        write(self.path(instance), A_HOT_SET)
        before = self.content(instance)
        instance.add_package(PERFORMERS, PERFORMER % performer)
        instance.start()
        instance.wait_for_log('Hot set of 2 objects, saved 2')
        wait_until(lambda: instance.health().startswith(health),
                   lambda: instance.log()[-8000:])
        self.end(instance)
        self.assertEqual(before, self.content(instance))
        self.assertEqual(['instance.hotset'], self.hot_sets(instance))

    def test_an_instance_that_ends_while_it_warms_up_leaves_it_alone(self):
        self.assert_it_is_left_alone('BlockingPerformer', 'Warmup in progress')

    def test_an_instance_that_does_not_get_warm_leaves_it_alone(self):
        self.assert_it_is_left_alone('FailingPerformer', 'Warmup failed: ')

    def test_nothing_is_read_nor_written_if_it_is_off(self):
        instance = self.instance()
        self.put(instance, b'something else')
        self.start(instance, FTW_MONITOR_HOTSET='off')
        self.assertEqual(STATUS_AFTER_SIGTERM, self.end(instance))
        self.assertEqual(b'something else', self.content(instance))
        self.assertEqual(['instance.hotset'], self.hot_sets(instance))
        self.assertNotIn('ot set', instance.log())


class TestOtherFiles(HotSetCase):

    def test_a_wrong_one_is_a_line_in_the_log_and_is_replaced(self):
        instance = self.instance()
        self.put(instance, serialize(A_HOT_SET)[:-1])
        self.start(instance)
        self.assertRegex(
            instance.log(),
            'WARNING .*No hot set: .* is damaged or not complete')
        self.end(instance)
        self.assertGreater(read(self.path(instance)).count(), 100)

    def test_one_that_can_neither_be_read_nor_written(self):
        instance = self.instance()
        os.mkdir(self.path(instance))
        self.start(instance, FTW_MONITOR_HOTSET_SEED='/nowhere/seed')
        self.assertRegex(instance.log(), 'WARNING .*not a regular file')
        self.assertRegex(instance.log(), 'WARNING .*/nowhere/seed does not'
                                         ' exist.*FTW_MONITOR_HOTSET_SEED')
        self.assertEqual(STATUS_AFTER_SIGTERM, self.end(instance))
        self.assertRegex(
            instance.log(), 'WARNING .*The hot set is not saved: %s .*'
            'FTW_MONITOR_HOTSET' % self.path(instance))
        self.assertEqual(['instance.hotset'], self.hot_sets(instance))

    def test_a_new_instance_starts_from_a_seed_and_has_its_own_elsewhere(self):
        instance = self.instance()
        path = instance.path('own')
        seed = instance.path('seed')
        write(seed, A_HOT_SET)
        self.start(instance, FTW_MONITOR_HOTSET=path,
                   FTW_MONITOR_HOTSET_SEED=seed)
        self.assertRegex(instance.log(), 'INFO .*Hot set of 2 objects,'
                                         ' saved 2.*, from %s' % seed)
        self.end(instance)
        self.assertGreater(read(path).count(), 100)
        self.assertEqual(2, read(seed).count())
        self.assertEqual([], self.hot_sets(instance))
