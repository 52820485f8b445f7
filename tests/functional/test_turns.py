"""Instances of one ZEO server that boot together."""

from itertools import groupby
from tests.functional.case import FunctionalCase
from tests.functional.configuration import PERFORMER
from tests.functional.processes import wait_until
from tests.functional.processes import ZEOServer
import shutil
import tempfile


#: Its work waits for a file; it notes when that begins and when it ends.
VISITORS = """\
import os
import time
from App.config import getConfiguration
from ftw.monitor.warmup import DefaultWarmupPerformer

HOME = os.environ['TEST_HOME']

def note():
    home = getConfiguration().instancehome
    with open(os.path.join(HOME, 'notes'), 'a') as notes:
        notes.write(os.path.basename(home) + '\\n')

class Performer(DefaultWarmupPerformer):
    def perform(self):
        note()
        while not os.path.exists(os.path.join(HOME, 'gate')):
            time.sleep(0.02)
        super(Performer, self).perform()
        note()
"""


class TestTurns(FunctionalCase):

    def setUp(self):
        self.zeo = ZEOServer(self.layer.path)
        self.addCleanup(self.zeo.destroy)
        self.zeo.start()
        # Short, since it comes into the path of a socket.
        self.temporary = tempfile.mkdtemp(prefix='ftwm-tmp-')
        self.addCleanup(shutil.rmtree, self.temporary)

    def start(self, name, wait):
        instance = self.instance(
            storage=self.zeo.storage, name=name,
            environment={'FTW_MONITOR_WARMUP_WAIT': wait})
        instance.add_package(VISITORS, PERFORMER % 'Performer')
        return instance.start(environ={
            'TEST_HOME': self.zeo.home, 'TMPDIR': self.temporary})

    def open_gate(self):
        self.zeo.write('gate', '')

    def wait_for_state(self, instance, state):
        """Poll until *instance* is in this *state*; return all figures."""
        def found():
            answer = instance.say('warmup')
            figures = dict(line.partition(': ')[::2]
                           for line in answer.splitlines())
            return figures.get('state') == state and figures

        return wait_until(found, lambda: '%s of %s: %s\n%s' % (
            state, instance.name, instance.say('warmup'), instance.log()))

    def first_and_second(self, wait):
        """Two that boot together, the first one of which warms up."""
        instances = [self.start('instance1', wait),
                     self.start('instance2', wait)]
        order = wait_until(
            lambda: self.zeo.read('notes').split(), lambda: '%s\n%s' % tuple(
                instance.log() for instance in instances))
        instances.sort(key=lambda instance: instance.name != order[0])
        return instances

    def test_they_warm_up_one_after_the_other(self):
        first, second = self.first_and_second('60')
        figures = self.wait_for_state(second, 'waiting')
        self.assertRegex(figures['waiting for'],
                         r'^%s \(process \d+\)$' % first.name)
        self.assertEqual('Instance is booting', second.health())
        self.assertEqual('Warmup in progress', first.health())
        line = second.wait_for_log('Warmup waits for its turn')
        self.assertIn('INFO', line)
        self.assertIn('which %(waiting for)s has; at most 60 s.' % figures,
                      line)

        self.open_gate()
        first.wait_for_health('OK')
        second.wait_for_health('OK')
        # Each has noted the beginning and the end for each of four workers.
        self.assertEqual(
            [(first.name, 8), (second.name, 8)],
            [(name, len(list(notes))) for name, notes in groupby(
                self.zeo.read('notes').split())])
        self.assertNotIn('waits for its turn', first.log())
        self.assertEqual('none', self.wait_for_state(
            second, 'done')['waiting for'])

    def test_one_that_hangs_is_waited_for_until_the_limit(self):
        first, second = self.first_and_second('3')
        self.wait_for_state(second, 'in progress')
        warning = second.wait_for_log('Warmup begins although')
        self.assertIn('WARNING', warning)
        self.assertRegex(
            warning, r'although %s \(process \d+\) still has the turn: 3 s'
                     r' were waited' % first.name)
        self.wait_for_state(first, 'in progress')

    def test_one_that_is_killed_is_not_waited_for(self):
        first, second = self.first_and_second('600')
        self.wait_for_state(second, 'waiting')
        first.kill()
        self.open_gate()
        second.wait_for_health('OK')
        self.assertNotIn('begins although', second.log())

    def test_nobody_waits_if_that_is_not_wanted(self):
        instances = self.first_and_second('')
        for instance in instances:
            self.wait_for_state(instance, 'in progress')
        self.open_gate()
        for instance in instances:
            instance.wait_for_health('OK')
            self.assertNotIn('turn', instance.read(instance.log_name))
