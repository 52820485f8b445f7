"""Every fault has the right verdict, and HAProxy sees it.

``tests.functional.beds`` has the table; ``python -m benchmarks faults`` shows
how long it takes until each is seen, and until it is seen to be over.
"""

from tests.functional.beds import BEDS
from tests.functional.beds import DISCONNECTED
from tests.functional.beds import FileStorageBed
from tests.functional.case import FunctionalCase
from tests.functional.layers import ONE_SITE
from tests.functional.processes import wait_until
from tests.functional.processes import ZEOServer
import re
import unittest


class BedLayer(object):
    """One bed for all of its faults."""

    __bases__ = (ONE_SITE,)
    __module__ = __name__

    def __init__(self, make_bed):
        self.__name__ = make_bed.__name__
        self._make_bed = make_bed

    def setUp(self):
        self.bed = self._make_bed(ONE_SITE.path)

    def tearDown(self):
        self.bed.destroy()


class FaultCase(unittest.TestCase):
    """Begins and ends a fault; ``test_`` methods come from the table."""

    def run_fault(self, fault):
        """Check what is seen from before its begin to after its end."""
        bed = self.layer.bed
        bed.instance.wait_for_health('OK')
        fault.begin(bed)
        try:
            if fault.verdict is None:
                self.assert_stays_healthy()
            else:
                self.wait_for_verdict(fault.verdict)
                self.wait_for_haproxy('DOWN')
        finally:
            fault.end(bed)
        bed.instance.wait_for_health('OK')
        # And so it is.
        statuses = [bed.instance.get('/Plone')[0]
                    for _ in range(bed.unlucky + 1)]
        self.assertEqual(200, statuses[-1], bed.instance.log()[-4000:])
        self.wait_for_haproxy('UP')

    def wait_for_verdict(self, expected):
        """Wait for it; there is no other one before than a good one."""
        instance = self.layer.bed.instance
        seen = []

        def look():
            seen.append(instance.health())
            return seen[-1] != 'OK'

        wait_until(look, lambda: '%s, not only OK\n%s' % (
            expected, instance.log()[-4000:]))
        self.assertTrue(re.match(expected + '$', seen[-1]), seen[-1])

    def assert_stays_healthy(self):
        # Until the checks have been asked twice.
        for _ in range(2):
            self.layer.bed.wait_for_checks()
            self.assertEqual('OK', self.layer.bed.instance.health())

    def wait_for_haproxy(self, state):
        if self.layer.bed.haproxy is not None:
            self.layer.bed.haproxy.wait_for_state('instance', state)


LAYERS = dict((make_bed, BedLayer(make_bed)) for make_bed in BEDS)


def add_cases():
    """A class for each bed, a test for each of its faults."""
    for make_bed, layer in LAYERS.items():
        members = {'layer': layer, '__module__': __name__}
        for fault in make_bed.faults:
            members['test_' + re.sub(r'\W+', '_', fault.name)] = (
                lambda self, fault=fault: self.run_fault(fault))
        name = 'TestFaultsOf' + make_bed.__name__
        globals()[name] = type(name, (FaultCase,), members)


add_cases()


class TestStuckWorkers(FunctionalCase):

    layer = LAYERS[FileStorageBed]

    def setUp(self):
        self.bed = self.layer.bed
        self.bed.instance.wait_for_health('OK')

    def say(self, line):
        return self.bed.instance.say(line)

    def dumps(self):
        """How many thread dumps there are in the event log."""
        instance = self.bed.instance
        return instance.read(instance.log_name).count('What all threads do')

    def test_who_is_stuck_is_shown_and_only_then_the_process_is_not_alive(
            self):
        dumps = self.dumps()
        self.bed.hold(2)
        try:
            self.assertRegex(
                self.say('requests'),
                r'^workers: 2\nbusy: 2\nwaiting: 0\n'
                r'(\d+\.\d GET /@@hold \(\S+\)\n){2}$')
            threads = self.say('threads')
            self.assertRegex(threads, r'for \d+\.\d s: GET /@@hold\n')
            self.assertIn('  visitors.wait_for, line ', threads)
            self.assertNotIn('.py', threads)
            wait_until(lambda: self.say('alive_check') != 'OK\n', 'stuck')
            self.assertRegex(self.say('alive_check'),
                             r'^Error: workers: all 2 workers have been stuck'
                             r' for \d+ s\n$')
            self.bed.wait_for_checks()
            self.assertEqual(dumps + 1, self.dumps())
        finally:
            self.bed.let_go()
        wait_until(lambda: self.say('alive_check') == 'OK\n', 'it goes on')
        self.assertEqual('workers: 2\nbusy: 0\nwaiting: 0\n',
                         self.say('requests'))

    def test_a_fault_from_outside_does_not_make_it_less_alive(self):
        self.bed.tell_check('fail')
        try:
            self.bed.instance.wait_for_health('Error: external: out of order')
            self.assertEqual('OK\n', self.say('alive_check'))
        finally:
            self.bed.tell_check('')


class TestGracePeriod(FunctionalCase):

    def start(self, grace):
        self.zeo = ZEOServer(self.layer.path)
        self.addCleanup(self.zeo.destroy)
        self.zeo.start()
        instance = self.instance(
            storage=self.zeo.impatient_storage,
            environment={'FTW_MONITOR_DATABASE_GRACE': grace})
        instance.start().wait_for_health('OK')
        return instance

    def test_a_short_failover_takes_no_instance_out(self):
        instance = self.start('600')
        self.zeo.kill()
        wait_until(lambda: 'database:main error' in instance.say('checks'),
                   lambda: instance.say('checks'))
        self.assertEqual('OK', instance.health())
        self.zeo.start()
        wait_until(lambda: 'database:main ok' in instance.say('checks'),
                   lambda: instance.say('checks'))
        self.assertEqual('OK', instance.health())

    def test_a_long_one_does(self):
        instance = self.start('1')
        self.zeo.kill()
        instance.wait_for_health("Error: Database 'main' disconnected.")
        self.assertRegex(instance.health(), DISCONNECTED)
        self.assertEqual('OK\n', instance.say('alive_check'))
        self.zeo.start()
        instance.wait_for_health('OK')
