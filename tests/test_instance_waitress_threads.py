"""What every worker thread of waitress does once."""

from contextlib import contextmanager
from tests.functional.processes import wait_until
from tests.recorded_log import RecordedLog
from tests.warmup_case import Problem
from tests.worlds import only_with_wsgi
import threading
import unittest


try:
    from ftw.monitor.instance.waitress_threads import call_in_others
    from ftw.monitor.instance.waitress_threads import dispatcher
    from ftw.monitor.instance.waitress_threads import Gathering
    from waitress.task import ThreadedTaskDispatcher
except ImportError:
    # Plone 4.3
    ThreadedTaskDispatcher = None


#: Seconds. For those who would come at once.
PATIENCE = 60

#: Seconds. For those who never come.
IMPATIENCE = 0.2


class DummyTask(object):
    """A request, as far as waitress looks at it."""

    def __init__(self, action):
        self.service = action

    def cancel(self):
        """Nobody waits for the answer."""


class ThreadsCase(unittest.TestCase):

    def setUp(self):
        #: The threads that have done the work, in order.
        self.called = []

    def work(self):
        self.called.append(threading.current_thread())

    def start_waitress(self, threads):
        self.waitress = ThreadedTaskDispatcher()
        self.waitress.set_thread_count(threads)
        self.addCleanup(self.waitress.shutdown)
        self.wait_for_rest()

    def in_worker(self, action):
        """Have *action* called by a worker; return what it returns."""
        results = []
        self.waitress.add_task(DummyTask(lambda: results.append(action())))
        return wait_until(lambda: results, 'a worker has done it')[0]

    @contextmanager
    def visitors(self, number):
        """Meanwhile so many workers are busy."""
        here = []
        left = []
        leave = threading.Event()

        def stay():
            here.append(threading.current_thread())
            leave.wait()
            left.append(True)

        for _ in range(number):
            self.waitress.add_task(DummyTask(stay))
        wait_until(lambda: len(here) == number, 'the visitors are there')
        try:
            yield here
        finally:
            leave.set()
            wait_until(lambda: len(left) == number, 'the visitors have left')

    def wait_for_rest(self):
        """Until no worker has anything to do."""
        wait_until(lambda: not self.waitress.queue
                   and not self.waitress.active_count, 'all workers rest')


@only_with_wsgi
class TestCallInOthers(ThreadsCase):

    def test_each_worker_does_it_once(self):
        self.start_waitress(4)
        self.assertEqual(0, call_in_others(self.work, False, PATIENCE))
        self.assertEqual(
            ['waitress-0', 'waitress-1', 'waitress-2', 'waitress-3'],
            sorted(thread.name for thread in self.called))

    def test_each_other_worker_does_it_once_if_we_are_one(self):
        self.start_waitress(4)

        def call():
            return threading.current_thread(), call_in_others(
                self.work, True, PATIENCE)

        own, asleep = self.in_worker(call)
        self.assertEqual(0, asleep)
        self.assertEqual(3, len(self.called))
        self.assertEqual(4, len(set(self.called + [own])))

    def test_they_do_it_one_after_the_other(self):
        self.start_waitress(3)
        two = threading.Barrier(2)
        met = []

        def meet():
            try:
                two.wait(IMPATIENCE)
                met.append(True)
            except threading.BrokenBarrierError:
                two.reset()
            self.work()

        call_in_others(meet, False, PATIENCE)
        self.assertEqual(3, len(self.called))
        self.assertEqual([], met)

    def test_all_have_done_it_when_it_returns(self):
        self.start_waitress(4)
        for number in range(1, 21):
            call_in_others(self.work, False, PATIENCE)
            self.assertEqual(4 * number, len(self.called))

    def test_a_busy_one_is_left_out(self):
        self.start_waitress(4)
        with self.visitors(1) as busy:
            self.assertEqual(1, call_in_others(self.work, False, IMPATIENCE))
            self.assertEqual(3, len(set(self.called)))
            self.assertNotIn(busy[0], self.called)

    def test_a_busy_one_does_not_do_it_later(self):
        self.start_waitress(4)
        with self.visitors(1):
            call_in_others(self.work, False, IMPATIENCE)
        self.wait_for_rest()
        self.assertEqual(3, len(self.called))

    def test_a_busy_one_that_comes_in_time_does_it(self):
        self.start_waitress(2)
        with self.visitors(1) as busy:
            calling = threading.Thread(
                target=call_in_others, args=(self.work, False, PATIENCE))
            calling.start()
            # The other one waits for it.
            wait_until(lambda: self.waitress.active_count == 2, 'it waits')
            self.assertEqual([], self.called)
        calling.join(PATIENCE)
        self.assertEqual(2, len(set(self.called)))
        self.assertIn(busy[0], self.called)

    def test_if_all_are_busy_nobody_ever_does_it(self):
        self.start_waitress(3)
        with self.visitors(3):
            self.assertEqual(3, call_in_others(self.work, False, IMPATIENCE))
        self.wait_for_rest()
        self.assertEqual([], self.called)

    def test_what_goes_wrong_is_raised_when_all_have_done_it(self):
        self.start_waitress(4)
        log = RecordedLog.installed(self, name='waitress')

        def fail():
            self.work()
            raise Problem('no more tea')

        with self.assertRaises(Problem) as caught:
            call_in_others(fail, False, PATIENCE)
        self.assertEqual('no more tea', str(caught.exception))
        self.assertEqual(4, len(set(self.called)))
        # waitress has nothing to say about it.
        self.assertEqual([], log.messages)

    def test_visitors_are_served_afterwards_by_all_of_them(self):
        self.start_waitress(4)

        def fail():
            raise Problem()

        for work in (self.work, fail):
            try:
                call_in_others(work, False, PATIENCE)
            except Problem:
                pass
            with self.visitors(4) as served:
                self.assertEqual(4, len(set(served)))

    def test_a_visitor_who_comes_meanwhile_is_served_next(self):
        self.start_waitress(2)
        order = []

        def work():
            if not order:
                self.waitress.add_task(
                    DummyTask(lambda: order.append('visitor')))
            order.append('work')

        call_in_others(work, False, PATIENCE)
        wait_until(lambda: len(order) == 3, 'the visitor is served')
        self.assertIn('visitor', order[1:])


@only_with_wsgi
class TestWithoutOthers(ThreadsCase):

    def test_without_waitress_nobody_does_it(self):
        self.assertIsNone(dispatcher())
        self.assertEqual(0, call_in_others(self.work, False, PATIENCE))
        self.assertEqual([], self.called)

    def test_the_only_worker_has_no_others(self):
        self.start_waitress(1)
        self.assertEqual(0, self.in_worker(
            lambda: call_in_others(self.work, True, PATIENCE)))
        self.assertEqual([], self.called)

    def test_a_thread_that_is_only_called_like_a_worker_is_none(self):
        ended = threading.Event()
        for target in (ended.wait, lambda: ended.wait()):
            thread = threading.Thread(name='waitress-0', target=target)
            thread.start()
            self.addCleanup(thread.join)
        self.addCleanup(ended.set)
        self.assertIsNone(dispatcher())
        self.assertEqual(0, call_in_others(self.work, False, PATIENCE))

    def test_waitress_is_found_by_its_threads(self):
        self.start_waitress(2)
        self.assertIs(self.waitress, dispatcher())

    def test_waitress_is_not_found_any_more_when_it_has_ended(self):
        self.start_waitress(2)
        self.waitress.shutdown()
        wait_until(lambda: dispatcher() is None, 'its threads have ended')
        self.assertEqual(0, call_in_others(self.work, False, PATIENCE))

    def test_workers_that_end_instead_are_left_out(self):
        gathering = Gathering(self.work, 2)
        for _ in range(2):
            gathering.cancel()
        self.assertEqual(2, gathering.run(IMPATIENCE))
        self.assertEqual([], self.called)
