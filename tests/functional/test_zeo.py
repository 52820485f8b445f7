"""A ZEO server that is lost, and comes back, under a running instance."""

from tests.functional.layers import ONE_SITE
from tests.functional.processes import Instance
from tests.functional.processes import wait_until
from tests.functional.processes import ZEOServer
import json
import unittest


class TestZEO(unittest.TestCase):

    layer = ONE_SITE

    def setUp(self):
        self.zeo = ZEOServer(self.layer.path)
        self.addCleanup(self.zeo.destroy)
        self.zeo.start()
        self.instance = Instance(storage=self.zeo.storage)
        self.addCleanup(self.instance.destroy)
        self.instance.start()
        self.instance.wait_for_health('OK')

    def say(self, line):
        # Well below ZEO's own time limits: a command that waits for the
        # server would be found out.
        return self.instance.say(line, timeout=8)

    def assert_answers(self, connected):
        self.assertEqual('%s\n' % connected, self.say('zeostatus'))
        self.assertRegex(self.say('zeocache'), r'^\d+( \d+){4}\n$')
        self.assertRegex(self.say('dbinfo'), r'^\d+( \d+){4}\n$')
        self.assertRegex(self.say('monitor'), r'^\d+\nVmSize:')
        metrics = json.loads(self.say('perf_metrics'))
        if connected:
            self.assertGreater(metrics['db']['total_objs'], 1000)
            self.assertGreater(metrics['db']['size_in_bytes'], 100000)
        else:
            self.assertEqual(
                {'error': "Database 'main' disconnected."}, metrics)

    def test_every_command_answers_while_the_server_comes_and_goes(self):
        self.assert_answers(True)
        for _ in range(2):
            self.zeo.kill()
            self.instance.wait_for_health(
                "Error: Database 'main' disconnected.")
            self.assert_answers(False)
            self.zeo.start()
            self.instance.wait_for_health('OK')
            self.assert_answers(True)
        self.assertEqual(200, self.instance.get('/Plone')[0])

    def test_a_lost_database_comes_before_a_warmup_in_the_verdict(self):
        self.zeo.kill()
        self.instance.wait_for_health("Error: Database 'main' disconnected.")
        self.assertEqual('1 0\n', self.say('warmup_state'))

    def test_a_client_that_can_only_repeat_sees_it_interactively(self):
        self.zeo.kill()
        wait_until(lambda: self.say('zeostatus') == 'False\n', 'it is seen')
        answers = self.say('interactive\nzeostatus\n\nhealth_check\nquit')
        self.assertEqual(
            'Interactive mode on.  Use "quit" To exit.\nFalse\nFalse\n'
            "Error: Database 'main' disconnected.\nGoodbye.\n", answers)


class TestDatabaseIsLostDuringTheWarmup(unittest.TestCase):

    layer = ONE_SITE

    def test_the_warmup_fails_and_is_repeated_when_it_is_back(self):
        zeo = ZEOServer(self.layer.path)
        self.addCleanup(zeo.destroy)
        zeo.start()
        # By default, a load from a lost server waits for 30 s.
        instance = Instance(storage=IMPATIENT_STORAGE % zeo.port)
        self.addCleanup(instance.destroy)
        instance.add_package(WAITING_PERFORMER, WAITING_ZCML)
        instance.start(environ={'TEST_HOME': instance.home})
        wait_until(lambda: instance.read('begun'), instance.log)
        zeo.kill()
        instance.wait_for_health("Error: Database 'main' disconnected.")
        instance.write('gate', '')
        instance.wait_for_log('Next try in')
        self.assertNotEqual('OK', instance.health())
        zeo.start()
        instance.wait_for_health('OK')
        self.assertEqual('1 0\n', instance.say('warmup_state'))


IMPATIENT_STORAGE = """\
    <clientstorage>
      server 127.0.0.1:%d
      wait-timeout 2
    </clientstorage>
"""

WAITING_PERFORMER = """\
import os
import time
from ftw.monitor.warmup import DefaultWarmupPerformer

def path(name):
    return os.path.join(os.environ['TEST_HOME'], name)

class Performer(DefaultWarmupPerformer):
    def perform(self):
        with open(path('begun'), 'a') as begun:
            begun.write('x')
        while not os.path.exists(path('gate')):
            time.sleep(0.02)
        super(Performer, self).perform()
"""

WAITING_ZCML = """\
  <adapter
      for="Products.CMFPlone.interfaces.IPloneSiteRoot *"
      factory="visitors.Performer"
      provides="ftw.monitor.interfaces.IWarmupPerformer"
      />
"""
