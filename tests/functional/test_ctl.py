"""``bin/instance monitor`` and ``ftw-monitor``, as an operator types them."""

from ftw.monitor.compat import PY2
from tests.functional.case import FunctionalCase
from tests.functional.configuration import LISTEN_IPV6
from tests.functional.processes import BUILDOUT
from tests.functional.processes import NC
from tests.functional.processes import say
from tests.functional.processes import wait_until
from tests.loopback import has_ipv6
import json
import os
import sys
import unittest


class TestControl(FunctionalCase):

    def monitor(self, instance, *words):
        return instance.run(instance.ctl('monitor', *words))

    def ftw_monitor(self, instance, *words):
        return instance.run(
            [sys.executable, os.path.join(BUILDOUT, 'bin', 'ftw-monitor')]
            + list(words))

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
