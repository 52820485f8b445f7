from ftw.monitor.running_requests import RunningRequests
from ftw.monitor.thread_dump import thread_dump
from tests.loopback import PATIENCE
import os
import re
import threading
import unittest


class TestThreadDump(unittest.TestCase):

    def setUp(self):
        self.running = RunningRequests()

    def test_each_thread_with_its_functions_the_innermost_last(self):
        may_end = threading.Event()
        self.addCleanup(may_end.set)
        began = threading.Event()

        def outer():
            inner()

        def inner():
            began.set()
            may_end.wait(PATIENCE)

        thread = threading.Thread(target=outer, name='waitress-7')
        thread.start()
        self.assertTrue(began.wait(PATIENCE))
        text = thread_dump(self.running)
        may_end.set()
        thread.join(PATIENCE)
        part = text[text.index('Thread waitress-7\n'):]
        self.assertTrue(
            part.index('.outer, line') < part.index('.inner, line'))

    def test_the_request_of_a_thread(self):
        self.running.begin('GET', '/Plone/news')
        self.assertTrue(re.search(
            r'^Thread MainThread, for \d+\.\d s: GET /Plone/news$',
            thread_dump(self.running), re.M))

    def test_no_path_of_a_file(self):
        text = thread_dump(self.running)
        self.assertNotIn(os.sep, text)
        self.assertNotIn('.py', text)
