from ftw.monitor.compat import monotonic
from tests.loopback import until
from tests.patch import patch
import time
import unittest


class TestTheClock(unittest.TestCase):

    def test_it_goes_on(self):
        before = monotonic()
        self.assertTrue(until(lambda: monotonic() > before))

    def test_it_does_not_care_for_the_time_of_day(self):
        before = monotonic()
        patch(self, time, 'time', lambda: 0)
        self.assertTrue(0 <= monotonic() - before < 3600)
