"""A ZEO server that is lost, and comes back, under a running instance."""

from tests.functional.case import FunctionalCase
from tests.functional.configuration import PERFORMER
from tests.functional.processes import wait_until
from tests.functional.processes import ZEOServer
import json
import signal
import threading


class TestZEO(FunctionalCase):

    def setUp(self):
        self.zeo = ZEOServer(self.layer.path)
        self.addCleanup(self.zeo.destroy)
        self.zeo.start()
        self.client = self.instance(storage=self.zeo.storage)
        self.client.add_package(ASKING_VIEW, ASKING_ZCML)
        self.client.start()
        self.statuses = []
        self.client.wait_for_health('OK')

    def say(self, line):
        # Well below ZEO's own time limits: a command that waits for the
        # server would be found out.
        return self.client.say(line, timeout=8)

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
            self.client.wait_for_health(
                "Error: Database 'main' disconnected.")
            self.assert_answers(False)
            self.zeo.start()
            self.client.wait_for_health('OK')
            self.assert_answers(True)
        self.assertEqual(200, self.client.get('/Plone')[0])

    def test_a_lost_database_comes_before_a_warmup_in_the_verdict(self):
        self.zeo.kill()
        self.client.wait_for_health("Error: Database 'main' disconnected.")
        self.assertEqual('1 0\n', self.say('warmup_state'))

    def test_a_server_that_hangs_holds_up_no_command(self):
        waiting = [threading.Thread(target=self.wait_for_the_server)
                   for _ in range(4)]
        self.zeo.send(signal.SIGSTOP)
        self.addCleanup(self.zeo.send, signal.SIGCONT)
        for visitor in waiting:
            visitor.daemon = True
            visitor.start()
        wait_until(lambda: self.say('monitor').startswith('4\n'),
                   'all workers wait for the server')
        for _ in range(2):
            self.assert_answers(True)
            # That it hangs is not seen yet, but there is an answer.
            self.assertTrue(self.say('health_check').endswith('\n'))
        self.zeo.send(signal.SIGCONT)
        for visitor in waiting:
            visitor.join()
        self.assertEqual([200] * 4, self.statuses)

    def wait_for_the_server(self):
        self.statuses.append(self.client.get('/@@ask-the-server')[0])

    def test_a_client_that_can_only_repeat_sees_it_interactively(self):
        self.zeo.kill()
        wait_until(lambda: self.say('zeostatus') == 'False\n', 'it is seen')
        answers = self.say('interactive\nzeostatus\n\nhealth_check\nquit')
        self.assertEqual(
            'Interactive mode on.  Use "quit" To exit.\nFalse\nFalse\n'
            "Error: Database 'main' disconnected.\nGoodbye.\n", answers)


class TestDatabaseIsLostDuringTheWarmup(FunctionalCase):

    def test_the_warmup_fails_and_is_repeated_when_it_is_back(self):
        zeo = ZEOServer(self.layer.path)
        self.addCleanup(zeo.destroy)
        zeo.start()
        instance = self.instance(storage=zeo.impatient_storage)
        instance.add_package(WAITING_PERFORMER, PERFORMER % 'Performer')
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


ASKING_VIEW = """\
from Products.Five.browser import BrowserView

class AskTheServer(BrowserView):
    def __call__(self):
        # Not in the client's cache.
        return str(self.context._p_jar.db().history(self.context._p_oid))
"""

ASKING_ZCML = """\
  <browser:page name="ask-the-server" for="*" class="visitors.AskTheServer"
                permission="zope.Public" />
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
