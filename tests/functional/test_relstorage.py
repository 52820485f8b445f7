"""An instance whose database is in PostgreSQL, by RelStorage: how it gets
warm, and what is seen of it when the server goes and comes back."""

from ftw.monitor.warmup.hotset import HotSet
from ftw.monitor.warmup.hotset_file import read
from tests.functional.case import FunctionalCase
from tests.functional.postgresql import needs_postgresql
from tests.functional.postgresql import ONE_SITE_IN_POSTGRESQL
from tests.functional.postgresql import PostgreSQL
from tests.functional.processes import wait_until
import json
import re
import signal
import threading


#: What RelStorage asks PostgreSQL for: one object, and many at once.
ONE_OBJECT = re.compile(r'statement: EXECUTE \w*_load_current_query_')
MANY_OBJECTS = re.compile(r'statement: .* WHERE zoid = ANY')


class RelStorageCase(FunctionalCase):

    layer = ONE_SITE_IN_POSTGRESQL

    def setUp(self):
        self.server = PostgreSQL(self.layer.template)
        self.addCleanup(self.server.destroy)
        self.server.start()
        self.client = self.instance(storage=self.server.storage)

    def start(self):
        self.client.start()
        self.client.wait_for_health('OK')

    def say(self, line):
        # Well below all time limits of TCP: a command that waits for the
        # server would be found out.
        return self.client.say(line, timeout=8)


@needs_postgresql
class TestRelStorage(RelStorageCase):

    def test_an_instance_boots_and_gets_warm_and_answers_every_command(self):
        self.start()
        self.assertEqual('1 0\n', self.say('warmup_state'))
        self.assertEqual(200, self.client.get('/Plone')[0])
        self.assertRegex(self.say('dbinfo'), r'^\d+( \d+){4}\n$')
        self.assertRegex(self.say('monitor'), r'^\d+\nVmSize:')
        metrics = json.loads(self.say('perf_metrics'))
        self.assertGreater(metrics['db']['total_objs'], 1000)
        self.assertGreater(metrics['db']['size_in_bytes'], 100000)
        for command in ('zeostatus', 'zeocache'):
            self.assertEqual(
                "Error: Database 'main' is no ZEO client, but a RelStorage."
                ' Usage: %s [db]\n' % command, self.say(command))
        self.assertNotIn('Traceback', self.client.log())

    def test_a_warm_instance_loads_no_more_than_a_few_objects(self):
        self.start()
        self.client.get('/Plone')
        before = int(self.say('dbinfo').split()[0])
        self.assertEqual(200, self.client.get('/Plone')[0])
        wait_until(lambda: self.say('monitor').startswith('0\n'),
                   'the connection is closed')
        self.assertLess(int(self.say('dbinfo').split()[0]) - before, 100)

    def test_what_was_used_before_comes_back_in_bulk_at_the_next_boot(self):
        self.start()
        hot_set = self.end()
        self.assertGreater(hot_set.count(), 100)
        self.server.execute("ALTER DATABASE zodb SET log_statement = 'all'")
        self.start()
        self.assertIn('Hot set of %d objects, saved 2' % hot_set.count(),
                      self.client.log())
        self.assertRegex(
            self.client.log(), 'the hot set is loaded after .*: %s' % (
                ', '.join([r'[1-9]\d\d+'] * 4)))
        statements = self.server.read('output.log')
        many = len(MANY_OBJECTS.findall(statements))
        one = len(ONE_OBJECT.findall(statements))
        self.assertGreater(many, 0)
        self.assertLess(one, hot_set.count() / 2)

    def end(self):
        """Have the instance end in an orderly way; return its hot set."""
        process = self.client.process
        self.client.send(signal.SIGTERM)
        wait_until(lambda: process.poll() is not None, self.client.log)
        hot_set = read(self.client.path('var', 'instance.hotset'))
        self.assertIsInstance(hot_set, HotSet)
        return hot_set


@needs_postgresql
class TestTheServerIsLost(RelStorageCase):

    def setUp(self):
        super(TestTheServerIsLost, self).setUp()
        self.start()

    def assert_it_serves_again(self):
        """By itself, and soon."""
        wait_until(lambda: self.client.get('/Plone')[0] == 200,
                   lambda: 'a page\n' + self.client.log()[-8000:], 10)

    def test_no_command_fails_while_the_server_comes_and_goes(self):
        for mode in ('fast', 'immediate'):
            self.server.stop(mode)
            self.assertEqual(500, self.client.get('/Plone')[0])
            self.assertEqual(['error'], list(
                json.loads(self.say('perf_metrics'))))
            self.assertRegex(self.say('dbinfo'), r'^\d+( \d+){4}\n$')
            self.assertRegex(self.say('monitor'), r'^\d+\nVmSize:')
            self.assertTrue(self.say('health_check').endswith('\n'))
            self.server.start()
            self.assert_it_serves_again()

    def test_connections_that_are_cut_are_made_anew(self):
        self.assertGreater(self.server.cut_connections(), 0)
        self.assert_it_serves_again()

    def test_a_server_that_hangs_holds_up_no_command(self):
        statuses = []
        visitor = threading.Thread(target=lambda: statuses.append(
            self.client.get('/Plone')[0]))
        visitor.daemon = True
        self.server.freeze()
        visitor.start()
        wait_until(lambda: self.say('monitor').startswith('1\n'),
                   'a worker waits for the server')
        self.assertRegex(self.say('dbinfo'), r'^\d+( \d+){4}\n$')
        # That it hangs is not seen yet, but there is an answer.
        self.assertTrue(self.say('health_check').endswith('\n'))
        self.server.thaw()
        visitor.join()
        self.assertEqual([200], statuses)


@needs_postgresql
class TestTheServerIsLostDuringTheWarmup(RelStorageCase):

    def setUp(self):
        super(TestTheServerIsLostDuringTheWarmup, self).setUp()
        self.client.add_package(ASKING_VIEW, ASKING_ZCML)
        self.client.start(environ={
            'TEST_HOME': self.client.home,
            'FTW_MONITOR_WARMUP_PATHS': '@@ask-the-server'})
        wait_until(lambda: self.client.read('begun'), self.client.log)

    def test_it_fails_as_long_as_the_server_is_away(self):
        self.server.stop()
        self.client.write('gate', '')
        self.client.wait_for_log('Next try in', 30)
        self.assertNotEqual('OK', self.client.health())
        self.server.start()
        self.client.wait_for_health('OK')

    def test_it_is_repeated_if_the_server_was_away_for_a_moment(self):
        self.server.restart('immediate')
        self.client.write('gate', '')
        self.client.wait_for_log(
            "Warmup failed: Database 'main' was disconnected for a moment", 30)
        self.client.wait_for_health('OK')


#: A page that waits, and then needs the server.
ASKING_VIEW = """\
import os
import time
from Products.Five.browser import BrowserView

def path(name):
    return os.path.join(os.environ['TEST_HOME'], name)

class AskTheServer(BrowserView):
    def __call__(self):
        with open(path('begun'), 'a') as begun:
            begun.write('x')
        while not os.path.exists(path('gate')):
            time.sleep(0.02)
        # No cache has it.
        return str(self.context._p_jar._storage.history(self.context._p_oid))
"""

ASKING_ZCML = """\
  <browser:page name="ask-the-server" for="*" class="visitors.AskTheServer"
                permission="zope.Public" />
"""
