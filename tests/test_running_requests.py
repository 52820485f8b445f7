from ftw.monitor import running_requests
from ftw.monitor.instance.visitor import USER_AGENT
from ftw.monitor.interfaces import IRunningRequests
from ftw.monitor.running_requests import request_begins
from ftw.monitor.running_requests import request_ends
from ftw.monitor.running_requests import RunningRequests
from tests.checks import DummyClock
from tests.loopback import PATIENCE
from tests.patch import patch
from zope.component import provideUtility
from zope.component import testing
from zope.interface.verify import verifyObject
import threading
import unittest


class DummyEvent(object):

    def __init__(self, **environ):
        self.request = self
        self.environ = environ


class TestRunningRequests(unittest.TestCase):

    def setUp(self):
        testing.setUp()
        self.addCleanup(testing.tearDown)
        self.clock = DummyClock()
        patch(self, running_requests, 'monotonic', self.clock)
        self.running = RunningRequests()
        provideUtility(self.running, IRunningRequests)

    def event(self, **environ):
        return DummyEvent(REQUEST_METHOD='GET', PATH_INFO='/Plone',
                          QUERY_STRING='password=secret',
                          HTTP_COOKIE='secret', **environ)

    def paths(self):
        return [request.path for request in self.running.longest_first()]

    def test_the_interface_is_kept(self):
        self.assertTrue(verifyObject(IRunningRequests, self.running))

    def test_one_runs_from_its_start_to_its_end(self):
        request_begins(self.event())
        self.clock.now += 2
        request, = self.running.longest_first()
        self.assertEqual(('GET', '/Plone'), (request.method, request.path))
        self.assertEqual(2, request.age())
        self.assertEqual(threading.current_thread().name,
                         request.thread_name())
        self.assertNotIn('secret', repr(request))
        request_ends(self.event())
        self.assertEqual([], self.paths())

    def test_each_change_is_seen(self):
        seen = [self.running.changes]
        for change in (request_begins, request_ends) * 2:
            change(self.event())
            self.assertNotIn(self.running.changes, seen)
            seen.append(self.running.changes)

    def test_a_visit_of_the_warmup_is_no_request(self):
        request_begins(self.event())
        visit = self.event(HTTP_USER_AGENT=USER_AGENT)
        request_begins(visit)
        request_ends(visit)
        self.assertEqual(['/Plone'], self.paths())

    def test_but_it_shows_that_its_worker_is_not_stuck(self):
        visit = self.event(HTTP_USER_AGENT=USER_AGENT)
        for happens in (request_begins, request_ends):
            before = self.running.changes
            happens(visit)
            self.assertNotEqual(before, self.running.changes)

    def test_the_longest_is_first(self):
        may_end = threading.Event()
        self.addCleanup(may_end.set)
        threads = []
        for path in ('/a', '/b', '/c'):
            self.clock.now += 1
            began = threading.Event()

            def publish(path=path, began=began):
                self.running.begin('GET', path)
                began.set()
                may_end.wait(PATIENCE)

            thread = threading.Thread(target=publish, name=path)
            thread.start()
            threads.append(thread)
            self.assertTrue(began.wait(PATIENCE))
        found = self.running.longest_first()
        self.assertEqual(['/a', '/b', '/c'], self.paths())
        self.assertEqual(['/a', '/b', '/c'],
                         [request.thread_name() for request in found])
        may_end.set()
        for thread in threads:
            thread.join(PATIENCE)
        # They have died without a word.
        self.assertEqual([], self.paths())
        self.assertEqual('ended', found[0].thread_name())

    def test_a_path_is_one_line(self):
        self.running.begin('GET', '/a\r\n5 GET /b')
        self.assertEqual(['/a 5 GET /b'], self.paths())
