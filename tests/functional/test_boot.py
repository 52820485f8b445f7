"""An instance boots, and a load balancer watches."""

from contextlib import closing
from ftw.monitor.compat import PY2
from tests.functional.case import FunctionalCase
from tests.functional.configuration import PERFORMER
from tests.functional.configuration import SLOW_LISTEN
from tests.functional.processes import DEADLINE
from tests.functional.processes import free_port
from tests.functional.processes import REFUSED
from tests.functional.processes import say
from tests.functional.processes import wait_until
import os
import re
import socket
import threading


#: A performer whose work waits for a file; a view that does so, too.
VISITORS = """\
import os
import time
from ftw.monitor.warmup import DefaultWarmupPerformer
from Products.Five.browser import BrowserView

HOME = os.environ['TEST_HOME']

def wait_for(name):
    while not os.path.exists(os.path.join(HOME, name)):
        time.sleep(0.02)

def note(name):
    with open(os.path.join(HOME, name), 'a') as target:
        target.write('x')
    return os.path.getsize(os.path.join(HOME, name))

class GatedPerformer(DefaultWarmupPerformer):
    def perform(self):
        note('begun')
        wait_for('gate')
        super(GatedPerformer, self).perform()

class FailsTwice(DefaultWarmupPerformer):
    def perform(self):
        if note('calls') <= 2:
            raise ValueError('BROKEN TOKEN')
        super(FailsTwice, self).perform()

class HoldView(BrowserView):
    def __call__(self):
        note('held')
        wait_for('gate')
        return 'released'

class LockView(BrowserView):
    def __call__(self):
        # As somebody who opens a connection while RelStorage waits for SQL.
        database = self.context._p_jar.db()
        acquire, release = (
            (database._lock.acquire, database._lock.release)
            if hasattr(database, '_lock') else (database._a, database._r))
        acquire()
        try:
            note('locked')
            wait_for('gate')
        finally:
            release()
        return 'unlocked'

class ErrorView(BrowserView):
    def __call__(self):
        raise RuntimeError('this page is broken')
"""

VIEWS = """\
  <browser:page name="hold" for="*" class="visitors.HoldView"
                permission="zope.Public" />
  <browser:page name="lock" for="*" class="visitors.LockView"
                permission="zope.Public" />
  <browser:page name="error" for="*" class="visitors.ErrorView"
                permission="zope.Public" />
"""


FIVE_NUMBERS = re.compile(r'^\d+( \d+){4}\n$')


class TestBoot(FunctionalCase):

    def started(self, performer=None, environ=None, **options):
        instance = self.instance(**options)
        instance.add_package(
            VISITORS, VIEWS + (PERFORMER % performer if performer else ''))
        instance.start(environ=dict(environ or {}, TEST_HOME=instance.home))
        return instance

    def open_gate(self, instance):
        instance.write('gate', '')

    def test_it_is_never_healthy_before_its_first_warmup_has_succeeded(self):
        instance = self.started('GatedPerformer')
        before = instance.wait_for_health('Warmup in progress')
        self.assertEqual(REFUSED, before[0])
        self.assertLessEqual(set(before), {
            REFUSED, 'Instance is booting', 'Warmup in progress'})
        wait_until(lambda: instance.read('begun'), 'the performer is called')
        self.assertEqual('0 1\n', instance.say('warmup_state'))

        self.open_gate(instance)
        self.assertEqual(['Warmup in progress', 'OK'],
                         instance.wait_for_health('OK')[-2:])
        self.assertEqual('1 0\n', instance.say('warmup_state'))
        self.assertIn('INFO', instance.wait_for_log(
            'The monitor listens on 127.0.0.1:%d.' % (instance.port + 80)))

    def test_it_warms_itself_up_without_any_configuration(self):
        instance = self.instance()
        instance.start()
        instance.wait_for_health('OK')
        log = instance.log()
        # A figure for each of four workers.
        self.assertRegex(
            log, r'/Plone is warm after .*: \d+, \d+, \d+, \d+\.')
        self.assertNotIn('Traceback', log)

    def test_a_warmup_that_fails_is_tried_again_until_it_succeeds(self):
        instance = self.started('FailsTwice')
        seen = instance.wait_for_health('OK')
        self.assertIn('Warmup failed: visitors.FailsTwice for /Plone:'
                      ' ValueError: BROkEN TOkEN', seen)
        self.assertNotIn('OK', ''.join(seen[:-1]))
        log = instance.log()
        self.assertIn('Next try in 1 s.', log)
        self.assertIn('Next try in 2 s.', log)
        self.assertIn('ValueError: BROKEN TOKEN', log)

    def test_a_performer_that_hangs_is_named_after_the_time_limit(self):
        instance = self.started('GatedPerformer', environment={
            'FTW_MONITOR_WARMUP_TIMEOUT': '2'})
        instance.wait_for_health(
            'Warmup failed: visitors.GatedPerformer has not returned'
            ' after 2 s')
        self.assertEqual('0 1\n', instance.say('warmup_state'))

        self.open_gate(instance)
        instance.wait_for_health('OK')
        warning = instance.wait_for_log('the time limit of 2 s')
        self.assertIn('left out: catalog of /Plone', warning)
        self.assertIn('/Plone for worker 4', warning)

    def assertWaitsForNoWarmup(self, instance):
        # It may be booting until the checks have been asked once.
        self.assertEqual([], [
            verdict for verdict in instance.wait_for_health('OK')
            if 'Warmup' in verdict])

    def test_without_autowarmup_it_is_healthy_at_once(self):
        instance = self.started('GatedPerformer', environment={
            'FTW_MONITOR_AUTOWARMUP': 'Off'})
        self.assertWaitsForNoWarmup(instance)
        self.assertEqual('0 0\n', instance.say('warmup_state'))
        self.assertEqual('', instance.read('begun'))

    def test_a_warmup_that_is_not_required_does_not_keep_visitors_out(self):
        instance = self.started('GatedPerformer', environment={
            'FTW_MONITOR_WARMUP_REQUIRED': '0'})
        self.assertWaitsForNoWarmup(instance)
        wait_until(lambda: instance.say('warmup_state') == '0 1\n',
                   'the warm-up runs nevertheless')
        self.assertEqual('OK', instance.health())
        self.open_gate(instance)
        wait_until(lambda: instance.say('warmup_state') == '1 0\n',
                   'the warm-up succeeds')

    def test_it_serves_although_its_monitor_port_is_taken(self):
        port = free_port()
        with closing(socket.socket()) as taken:
            taken.bind(('127.0.0.1', port + 80))
            taken.listen(1)
            instance = self.started(port=port)
            instance.wait_for_log('Warmup ends')
            self.assertEqual(200, instance.get('/Plone')[0])
        warning = instance.wait_for_log('cannot listen on')
        self.assertIn('WARNING', warning)
        self.assertIn('127.0.0.1:%d' % (port + 80), warning)
        self.assertIn('FTW_MONITOR_ADDRESS', warning)
        self.assertEqual(1, instance.read(instance.log_name).count(
            'cannot listen on'))

    def test_its_monitor_is_on_the_address_of_its_http_server(self):
        instance = self.started(host='127.0.0.2', server=SLOW_LISTEN)
        instance.wait_for_health('OK')
        self.assertEqual(REFUSED, say(
            ('127.0.0.1', instance.port + 80), 'health_check'))

    def test_a_proxy_setting_is_none_of_its_business(self):
        dead = 'http://127.0.0.1:%d' % free_port()
        instance = self.started(environ={
            'http_proxy': dead, 'HTTP_PROXY': dead, 'no_proxy': ''})
        instance.wait_for_health('OK')

    def test_it_is_healthy_while_all_workers_are_busy(self):
        instance = self.started(threads=2)
        instance.wait_for_health('OK')
        visitors = [threading.Thread(target=instance.get, args=('/@@hold',))
                    for _ in range(3)]
        for visitor in visitors:
            visitor.start()
            self.addCleanup(visitor.join)
        self.addCleanup(self.open_gate, instance)
        wait_until(lambda: instance.read('held') == 'xx', 'both are held')
        self.assertEqual('OK', instance.health())
        self.assertEqual(
            2, int(instance.say('monitor').splitlines()[0]))
        oldest = instance.say('monitor 0.001').splitlines()[-1]
        self.assertRegex(oldest, r'^\d+\.\d GET /@@hold$')

    def test_a_command_that_waits_for_a_lock_holds_up_no_health_check(self):
        instance = self.started()
        instance.wait_for_health('OK')
        answers = []
        threads = [
            threading.Thread(target=instance.get, args=('/@@lock',)),
            threading.Thread(target=lambda: answers.append(
                instance.say('dbinfo', DEADLINE)))]
        threads[0].start()
        self.addCleanup(threads[0].join)
        self.addCleanup(self.open_gate, instance)
        wait_until(lambda: instance.read('locked'), 'it is locked')
        threads[1].start()
        for _ in range(20):
            self.assertEqual('OK', instance.health())
        if PY2:
            # zc.monitor's thread does not wait until it is unlocked.
            threads[1].join()
            self.assertIn('Error: dbinfo has been running for', answers[0])
            self.assertIn('dbinfo has been running', instance.say('dbinfo'))
        else:
            self.assertEqual([], answers)
        self.open_gate(instance)
        threads[1].join()
        wait_until(lambda: FIVE_NUMBERS.match(instance.say('dbinfo')),
                   'it answers again')

    def test_further_pages_are_rendered_and_a_broken_one_is_no_failure(self):
        instance = self.started(environment={
            'FTW_MONITOR_WARMUP_PATHS': '/@@search @@error no-such-page'})
        instance.wait_for_health('OK')
        log = instance.log()
        # Zope 2.13 has no page for an error.
        self.assertRegex(log, '/Plone: page /@@error (answered 500|failed with'
                              ' RuntimeError: this page is broken)')
        self.assertIn('/Plone: page /no-such-page answered 404', log)
        self.assertNotIn('@@search answered', log)

    def test_the_monitor_listens_on_a_unix_socket_instead(self):
        instance = self.instance()
        path = instance.path('monitor.sock')
        instance.start(environ={'FTW_MONITOR_ADDRESS': path})
        wait_until(lambda: say(path, 'health_check') == 'OK\n',
                   'healthy on the UNIX socket')
        self.assertEqual(REFUSED, instance.health())

        # Killed, it leaves the socket file behind, which is in nobody's way.
        instance.kill()
        self.assertTrue(os.path.exists(path))
        instance.start(environ={'FTW_MONITOR_ADDRESS': path})
        wait_until(lambda: say(path, 'health_check') == 'OK\n',
                   'healthy on the UNIX socket again')

    def test_without_a_monitor_it_warms_itself_up_all_the_same(self):
        instance = self.started(environ={'FTW_MONITOR_ADDRESS': 'off'})
        instance.wait_for_log('Warmup ends')
        self.assertEqual(REFUSED, instance.health())

    def test_a_setting_that_makes_no_sense_is_a_line_in_the_log(self):
        instance = self.started(environ={
            'FTW_MONITOR_WARMUP_TIMEOUT': 'soon',
            'FTW_MONITOR_ADDRESS': 'nowhere'})
        instance.wait_for_health('OK')
        log = instance.log()
        self.assertIn("FTW_MONITOR_WARMUP_TIMEOUT is ignored: 'soon'", log)
        self.assertIn("FTW_MONITOR_ADDRESS is ignored: 'nowhere'", log)

    def test_the_maintenance_instance_has_no_monitor_and_no_warmup(self):
        instance = self.started(name='instance0')
        self.assertEqual(200, instance.wait_for_http()[0])
        self.assertEqual(200, instance.get('/Plone')[0])
        self.assertEqual(REFUSED, instance.health())
        self.assertNotIn('Warmup', instance.log())
