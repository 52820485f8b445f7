"""HAProxy in front, with the configuration of the README."""

from contextlib import closing
from tests.examples import example
from tests.functional.case import FunctionalCase
from tests.functional.configuration import PERFORMER
from tests.functional.processes import build_opener
from tests.functional.processes import free_port
from tests.functional.processes import HAPROXY
from tests.functional.processes import HAProxy
from tests.functional.processes import ProxyHandler
from tests.functional.processes import wait_until
from tests.functional.processes import ZEOServer
from tests.functional.test_zeo import WAITING_PERFORMER
import unittest


@unittest.skipUnless(HAPROXY, 'HAProxy is missing; on Debian:'
                              ' apt-get install haproxy')
class TestHAProxy(FunctionalCase):

    def test_it_sends_visitors_to_warm_instances_only(self):
        zeo = ZEOServer(self.layer.path)
        self.addCleanup(zeo.destroy)
        zeo.start()
        gated = self.instance(storage=zeo.storage)
        other = self.instance(storage=zeo.storage)
        gated.add_package(WAITING_PERFORMER, PERFORMER % 'Performer')
        port = free_port()
        haproxy = HAProxy(
            example('frontend www')
            .replace('8000', str(port))
            .replace('8080 port 8160', '%d port %d' % (
                gated.port, gated.port + 80))
            .replace('8081 port 8161', '%d port %d' % (
                other.port, other.port + 80)))
        self.addCleanup(haproxy.destroy)
        haproxy.start()
        haproxy.wait_for_state('instance1', 'DOWN')
        haproxy.wait_for_state('instance2', 'DOWN')

        gated.start(environ={'TEST_HOME': gated.home})
        other.start()
        wait_until(lambda: gated.read('begun'), gated.log)
        haproxy.wait_for_state('instance2', 'UP')
        self.assertEqual('Warmup in progress', gated.health())
        self.assertEqual('DOWN', haproxy.server_states()['instance1'])
        gated.write('gate', '')
        haproxy.wait_for_state('instance1', 'UP')
        with closing(build_opener(ProxyHandler({})).open(
                'http://127.0.0.1:%d/Plone' % port)) as response:
            self.assertEqual(200, response.getcode())

        zeo.kill()
        haproxy.wait_for_state('instance1', 'DOWN')
        haproxy.wait_for_state('instance2', 'DOWN')
        zeo.start()
        haproxy.wait_for_state('instance1', 'UP')
        haproxy.wait_for_state('instance2', 'UP')

        other.kill()
        haproxy.wait_for_state('instance2', 'DOWN')
        self.assertEqual('UP', haproxy.server_states()['instance1'])
