"""``bin/instance monitor`` and ``ftw-monitor``, as an operator types them."""

from ftw.monitor.compat import PY2
from tests.functional.case import FunctionalCase
from tests.functional.configuration import LISTEN_IPV6
from tests.functional.configuration import PERFORMER
from tests.functional.processes import BUILDOUT
from tests.functional.processes import NC
from tests.functional.processes import say
from tests.functional.processes import wait_until
from tests.loopback import has_ipv6
from tests.terminal import lines_on_screen
from tests.terminal import TerminalProcess
import json
import os
import sys
import unittest


#: Its work waits for a file.
VISITORS = """\
import os
import time
from ftw.monitor.warmup import DefaultWarmupPerformer

class GatedPerformer(DefaultWarmupPerformer):
    def perform(self):
        gate = os.path.join(os.environ['TEST_HOME'], 'gate')
        while not os.path.exists(gate):
            time.sleep(0.02)
        super(GatedPerformer, self).perform()
"""


def ftw_monitor(*words):
    """The command line of the script ``ftw-monitor``."""
    return [sys.executable,
            os.path.join(BUILDOUT, 'bin', 'ftw-monitor')] + list(words)


class TestControl(FunctionalCase):

    def monitor(self, instance, *words):
        return instance.run(instance.ctl('monitor', *words))

    def ftw_monitor(self, instance, *words):
        return instance.run(ftw_monitor(*words))

    def test_it_prints_the_answers_of_a_running_instance(self):
        instance = self.instance().start()
        instance.wait_for_health('OK')
        self.assertEqual((0, 'OK\n', ''),
                         self.monitor(instance, 'health_check'))
        self.assertEqual((0, '1 0\n', ''),
                         self.monitor(instance, 'warmup_state'))
        status, output, errors = self.monitor(instance)
        self.assertEqual((0, ''), (status, errors))
        self.assertTrue(output.startswith('Supported commands:\n'), output)
        self.assertEqual(output, instance.say('help'))
        status, output, errors = self.monitor(
            instance, 'perf_metrics', '-', '60')
        self.assertEqual((0, ''), (status, errors))
        self.assertIn('uptime', json.loads(output)['instance'])
        status, output, errors = self.monitor(instance, 'dbinfo', 'nowhere')
        self.assertEqual(
            (0, "Error: There is no database 'nowhere', only: main."
                " Usage: dbinfo [db] [seconds=300]\n", ''),
            (status, output, errors))

        address = '%s:%d' % instance.monitor
        self.assertEqual((0, 'OK\n', ''), self.ftw_monitor(
            instance, '--address', address, 'health_check'))
        self.assertEqual((0, '1 0\n', ''), self.ftw_monitor(
            instance, '-a', str(instance.port + 80), 'warmup_state'))

    @unittest.skipUnless(NC, 'nc is missing; on Debian:'
                             ' apt-get install netcat-openbsd')
    def test_nc_is_all_that_it_takes(self):
        instance = self.instance().start()
        instance.wait_for_health('OK')
        command = [NC, '-N', instance.host, str(instance.port + 80)]
        self.assertEqual(
            (0, 'OK\n', ''), instance.run(command, stdin='health_check\n'))
        if PY2:
            # zc.monitor waits for a newline.
            return
        # Without one, the end of its input ends the line.
        self.assertEqual(
            (0, '1 0\n', ''), instance.run(command, stdin='warmup_state'))

    def test_it_names_the_address_where_nothing_listens(self):
        instance = self.instance()
        address = '%s:%d' % instance.monitor
        for status, output, errors in (
                self.monitor(instance, 'health_check'),
                self.ftw_monitor(instance, '-a', address, 'health_check')):
            self.assertEqual((1, ''), (status, output))
            self.assertEqual(1, errors.count('\n'), errors)
            self.assertIn(address, errors)

    def test_an_unhealthy_instance_is_no_success(self):
        instance = self.instance(environment={
            'FTW_MONITOR_WARMUP_PATHS': '/'})
        instance.add_package(
            'def performer(site, request):\n'
            '    raise ValueError("no way")\n', """
  <adapter
      for="Products.CMFCore.interfaces.ISiteRoot
           zope.publisher.interfaces.browser.IBrowserRequest"
      provides="ftw.monitor.interfaces.IWarmupPerformer"
      factory="visitors.performer"
      />""")
        instance.start()
        instance.wait_for_health(
            'Warmup failed: the performer for /Plone: ValueError: no way')
        status, output, errors = self.monitor(instance, 'health_check')
        self.assertEqual(1, status)
        self.assertRegex(output, '^Warmup (failed: the performer for /Plone:'
                                 ' ValueError: no way|in progress)\n$')
        self.assertEqual('', errors)

    def test_it_finds_the_address_in_the_configuration_of_zope(self):
        instance = self.instance()
        path = instance.path('monitor.sock')
        moved = self.instance(environment={'FTW_MONITOR_ADDRESS': path})
        moved.start()
        wait_until(lambda: say(path, 'health_check') == 'OK\n', moved.log)
        self.assertEqual((0, 'OK\n', ''),
                         self.monitor(moved, 'health_check'))
        self.assertEqual((0, 'OK\n', ''), self.ftw_monitor(
            moved, '-a', path, 'health_check'))

    def test_it_says_when_the_monitor_is_turned_off(self):
        instance = self.instance(environment={'FTW_MONITOR_ADDRESS': 'off'})
        status, output, errors = self.monitor(instance, 'health_check')
        self.assertEqual((1, ''), (status, output))
        self.assertIn('FTW_MONITOR_ADDRESS=off', errors)

    @unittest.skipUnless(has_ipv6(), 'this machine has no IPv6 loopback')
    def test_it_finds_an_instance_on_ipv6(self):
        instance = self.instance(server=LISTEN_IPV6)
        instance.start()
        address = ('::1', instance.port + 80)
        wait_until(lambda: say(address, 'health_check') == 'OK\n',
                   instance.log)
        self.assertEqual((0, 'OK\n', ''),
                         self.monitor(instance, 'health_check'))
        self.assertEqual((0, 'OK\n', ''), self.ftw_monitor(
            instance, '-a', '[::1]:%d' % address[1], 'health_check'))


class TestFollowingAWarmup(FunctionalCase):

    def gated_instance(self):
        instance = self.instance()
        instance.add_package(VISITORS, PERFORMER % 'GatedPerformer')
        return instance

    def start(self, instance):
        instance.start(environ={'TEST_HOME': instance.home})

    def on_terminal(self, command):
        program = TerminalProcess(command)
        self.addCleanup(program.close)
        return program

    def wait_for(self, program, text):
        wait_until(lambda: text in program.shown, lambda: '%r in %r' % (
            text, program.shown))

    def test_a_bar_from_before_the_boot_until_the_end(self):
        instance = self.gated_instance()
        program = self.on_terminal(ftw_monitor(
            '-a', '%s:%d' % instance.monitor, 'warmup', '--follow'))
        self.wait_for(program, b'waiting for the monitor at 127.0.0.1')
        self.start(instance)
        self.wait_for(program, b'[................]   0 % ')
        self.wait_for(program, b' /Plone: begins, worker 1 of 4, ')
        instance.write('gate', '')
        self.assertEqual(0, program.wait(), program.shown)
        self.assertEqual('OK', instance.health())
        line, end = lines_on_screen(program.shown)
        self.assertEqual('', end)
        self.assertRegex(
            line, r'^\[################\] 100 % done after \d+\.\d s,'
                  r' warnings: \d+$')

    def test_ctrl_c_ends_it_and_not_the_warmup(self):
        instance = self.gated_instance()
        self.start(instance)
        instance.wait_for_health('Warmup in progress')
        program = self.on_terminal(
            instance.ctl('monitor', 'warmup', '--follow'))
        self.wait_for(program, b'worker 1 of 4')
        program.type(b'\x03')
        self.assertEqual(1, program.wait())
        self.assertNotIn(b'Traceback', program.shown)
        self.assertEqual('0 1\n', instance.say('warmup_state'))

    def test_lines_on_a_pipe(self):
        instance = self.instance().start()
        status, output, errors = instance.run(ftw_monitor(
            '-a', '%s:%d' % instance.monitor, 'warmup', '--follow'))
        self.assertEqual((0, ''), (status, errors))
        lines = output.splitlines()
        self.assertIn('waiting for the monitor at', lines[0])
        self.assertRegex(lines[-1], r'^done after \d+\.\d s, warnings: \d+$')
        self.assertRegex(output, r'/Plone: \w+, worker \d of 4, \d+\.\d s\n')
        # It is over.
        self.assertEqual(
            (0, lines[-1] + '\n', ''), instance.run(instance.ctl(
                'monitor', 'warmup', '--follow')))
