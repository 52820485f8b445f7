"""Which processes have a monitor, and where it listens."""

from tests.functional.case import FunctionalCase
from tests.functional.configuration import LISTEN_IPV6
from tests.functional.configuration import SLOW_LISTEN
from tests.functional.processes import free_port
from tests.functional.processes import REFUSED
from tests.functional.processes import say
from tests.functional.processes import SCRIPTS
from tests.functional.processes import wait_until
from tests.loopback import has_ipv6
from tests.worlds import only_with_wsgi
from tests.worlds import only_with_zserver
import os
import sys
import unittest


HOST_AND_PORT = """\
use = egg:waitress#main
host = %(host)s
port = %(port)d
"""

LISTEN = """\
use = egg:waitress#main
listen = %s
"""

UNIX_SOCKET = """\
use = egg:waitress#main
unix_socket = http.sock
"""

WITH_VARIABLE = """\
use = egg:waitress#main
host = 127.0.0.1
port = %%(http_port)s
"""

#: The kinds of servers that Zope 2.13 knows, with those for HTTP in between.
MANY_SERVERS = """\
<ftp-server>
    address %%(host)s:%d
</ftp-server>
<webdav-source-server>
    address %%(host)s:%d
</webdav-source-server>
<http-server>
    address %%(host)s:%%(port)d
</http-server>
<http-server>
    address %%(host)s:%d
</http-server>
<icp-server>
    address %%(host)s:%d
</icp-server>
"""

NO_HTTP_SERVER = """\
<ftp-server>
    address %(host)s:%(port)d
</ftp-server>
"""

ALL_ADDRESSES = """\
<http-server>
    address %(port)d
</http-server>
"""

WITH_PORT_BASE = """\
port-base 1
ip-address %%(host)s
<http-server>
    address %d
</http-server>
"""

#: Serves the application by the standard library's server. The socket is
#: there before the application or after it.
OTHER_SERVER = """\
import os
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import make_server
from wsgiref.simple_server import WSGIRequestHandler
from wsgiref.simple_server import WSGIServer
from Zope2.Startup.run import make_wsgi_app

class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

early, port, conf = sys.argv[1:]
if early == 'early':
    server = make_server('127.0.0.1', int(port), None, Server)
app = make_wsgi_app({}, conf)
if early != 'early':
    server = make_server('127.0.0.1', int(port), None, Server)
server.set_app(app)
server.serve_forever()
"""

#: What a process that does not serve has to say of itself.
LOOK = """\
import threading
print('threads %s' % sorted(
    thread.name for thread in threading.enumerate()
    if thread.name.startswith('ftw.monitor')))
"""

#: For a prompt.
EXECUTE = 'exec(open(%r).read())\n'


class LauncherCase(FunctionalCase):

    def wait_for_health_at(self, instance, *address):
        wait_until(lambda: say(address, 'health_check') == 'OK\n',
                   lambda: '%r is healthy:\n%s' % (
                       address, instance.log()[-8000:]))


class TestBinInstance(LauncherCase):

    # bin/instance console is what all other tests use.

    def test_bin_instance_fg(self):
        instance = self.instance()
        instance.start(instance.ctl('fg'))
        instance.wait_for_health('OK')

    def test_bin_instance_fg_without_fast_listen(self):
        instance = self.instance(server=SLOW_LISTEN)
        instance.start(instance.ctl('fg'))
        instance.wait_for_health('OK')

    def test_bin_instance_start_and_stop(self):
        self.start_and_stop(self.instance())

    def test_bin_instance_start_and_stop_without_fast_listen(self):
        self.start_and_stop(self.instance(server=SLOW_LISTEN))

    def start_and_stop(self, instance):
        self.addCleanup(instance.run, instance.ctl('stop'))
        status, output, errors = instance.run(instance.ctl('start'))
        self.assertEqual(0, status, output + errors)
        wait_until(lambda: instance.health() == 'OK', instance.log)
        instance.run(instance.ctl('stop'))
        wait_until(lambda: instance.health() == REFUSED, 'it has ended')


@only_with_wsgi
class TestWSGI(LauncherCase):

    def runwsgi(self, instance, *words):
        return instance.start(
            [sys.executable, os.path.join(SCRIPTS, 'runwsgi'), '-v',
             instance.wsgi_ini()] + list(words))

    def test_runwsgi_with_host_and_port(self):
        instance = self.instance(server=HOST_AND_PORT)
        self.runwsgi(instance)
        instance.wait_for_health('OK')

    def test_runwsgi_with_a_variable_in_the_ini_file(self):
        instance = self.instance(server=WITH_VARIABLE)
        self.runwsgi(instance, 'http_port=%d' % instance.port)
        instance.wait_for_health('OK')

    def test_runwsgi_on_several_addresses_has_one_monitor_port(self):
        other = free_port()
        instance = self.instance(
            server=LISTEN % '127.0.0.1:%(port)d 127.0.0.2:%(port)d'
                            ' 127.0.0.1:{}'.format(other))
        self.runwsgi(instance)
        port = instance.port + 80
        self.wait_for_health_at(instance, '127.0.0.1', port)
        self.wait_for_health_at(instance, '127.0.0.2', port)
        self.assertEqual(REFUSED, say(('127.0.0.1', other + 80), 'help'))

    @unittest.skipUnless(has_ipv6(), 'this machine has no IPv6 loopback')
    def test_runwsgi_on_ipv6(self):
        instance = self.instance(server=LISTEN_IPV6)
        self.runwsgi(instance)
        self.wait_for_health_at(instance, '::1', instance.port + 80)
        self.assertEqual(REFUSED, instance.health())

    def test_runwsgi_on_all_addresses(self):
        for host in ('*', '0.0.0.0'):
            instance = self.instance(server=LISTEN % (host + ':%(port)d'))
            port = instance.port
            self.runwsgi(instance)
            self.wait_for_health_at(instance, '127.0.0.1', port + 80)
            self.wait_for_health_at(instance, '127.0.0.3', port + 80)
            if host == '*' and has_ipv6():
                self.wait_for_health_at(instance, '::1', port + 80)
            instance.kill()

    def test_runwsgi_on_a_unix_socket_needs_the_address(self):
        instance = self.instance(server=UNIX_SOCKET)
        self.runwsgi(instance)
        line = instance.wait_for_log('No monitor: the HTTP port')
        self.assertIn('FTW_MONITOR_ADDRESS', line)
        self.assertIn('wsgi.ini', line)
        self.assertEqual(REFUSED, instance.health())

    def test_runwsgi_on_a_unix_socket_is_warmed_up_through_it(self):
        instance = self.instance(server=UNIX_SOCKET)
        instance.start(
            [sys.executable, os.path.join(SCRIPTS, 'runwsgi'),
             instance.wsgi_ini()],
            environ={'FTW_MONITOR_ADDRESS': str(instance.port + 80)})
        instance.wait_for_health('OK')

    def other_server(self, instance, when, environ=None):
        script = instance.write('serve_it.py', OTHER_SERVER)
        instance.start([sys.executable, script, when, str(instance.port),
                        instance.zope_conf()], environ)

    def test_the_listening_socket_of_another_server_gives_it_away(self):
        instance = self.instance()
        self.other_server(instance, 'early')
        instance.wait_for_health('OK')

    def test_another_server_that_listens_later_needs_the_address(self):
        instance = self.instance()
        self.other_server(instance, 'late')
        self.assertEqual(200, instance.wait_for_http()[0])
        line = instance.wait_for_log('No monitor: the HTTP port')
        self.assertIn('FTW_MONITOR_ADDRESS', line)
        self.assertIn('serve_it.py', line)
        self.assertEqual(REFUSED, instance.health())

    def test_another_server_with_the_address_has_a_monitor(self):
        instance = self.instance()
        self.other_server(instance, 'late', {
            'FTW_MONITOR_ADDRESS': '127.0.0.1:%d' % (instance.port + 80)})
        instance.wait_for_health('OK')


@only_with_zserver
class TestZServer(LauncherCase):

    def runzope(self, instance):
        return instance.script(
            os.path.join(SCRIPTS, 'runzope'), '-C', instance.zope_conf())

    def test_runzope(self):
        instance = self.instance()
        instance.start(self.runzope(instance))
        instance.wait_for_health('OK')

    def test_zopectl_fg(self):
        instance = self.instance()
        # As mkzopeinstance makes it.
        runzope = instance.write(
            instance.part('bin/runzope'), '#!/bin/sh\nexec %s "$@"\n'
            % ' '.join(self.runzope(instance)))
        os.chmod(runzope, 0o755)
        instance.start(instance.script(
            os.path.join(SCRIPTS, 'zopectl'), '-C', instance.zope_conf(),
            'fg'))
        instance.wait_for_health('OK')

    def test_the_first_http_server_counts(self):
        others = tuple(free_port() for _ in range(4))
        instance = self.instance(server=MANY_SERVERS % others)
        instance.start()
        instance.wait_for_health('OK')
        instance.wait_for_log(
            'There are 2 HTTP servers. The monitor goes by the first one,'
            ' 127.0.0.1:%d.' % instance.port)
        for port in others:
            self.assertEqual(REFUSED, say(('127.0.0.1', port + 80), 'help'))
        self.assertEqual(
            (0, 'OK\n', ''),
            instance.run(instance.ctl('monitor', 'health_check')))

    def test_without_an_http_server_it_needs_the_address(self):
        instance = self.instance(server=NO_HTTP_SERVER)
        instance.start()
        line = instance.wait_for_log('No monitor: the HTTP port')
        self.assertIn('WARNING', line)
        self.assertIn('ZServer without an <http-server>', line)
        self.assertIn('FTW_MONITOR_ADDRESS', line)
        self.assertEqual(REFUSED, instance.health())
        status, output, errors = instance.run(
            instance.ctl('monitor', 'health_check'))
        self.assertEqual((1, ''), (status, output))
        self.assertIn('zope.conf does not say on which port', errors)

    def test_on_all_addresses(self):
        instance = self.instance(server=ALL_ADDRESSES)
        instance.start()
        self.wait_for_health_at(instance, '127.0.0.1', instance.port + 80)
        self.wait_for_health_at(instance, '127.0.0.3', instance.port + 80)
        self.assertEqual(
            (0, 'OK\n', ''),
            instance.run(instance.ctl('monitor', 'health_check')))

    def test_with_a_port_base_and_a_default_address(self):
        port = free_port('127.0.0.2')
        instance = self.instance(
            host='127.0.0.2', port=port, server=WITH_PORT_BASE % (port - 1))
        instance.start()
        instance.wait_for_health('OK')
        self.assertEqual(
            (0, 'OK\n', ''),
            instance.run(instance.ctl('monitor', 'health_check')))

    @unittest.skipUnless(has_ipv6(), 'this machine has no IPv6 loopback')
    def test_on_ipv6(self):
        instance = self.instance(server=LISTEN_IPV6)
        instance.start()
        self.wait_for_health_at(instance, '::1', instance.port + 80)
        self.assertEqual(REFUSED, instance.health())


class TestLaunchersThatDoNotServe(FunctionalCase):

    def setUp(self):
        self.process = self.instance()
        self.script = self.process.write('look.py', LOOK)

    def assert_no_monitor(self, command, stdin=''):
        # Even if the address is given, which an unknown server would obey.
        status, output, errors = self.process.run(
            command, {'FTW_MONITOR_ADDRESS': str(self.process.port + 80)},
            stdin)
        self.assertIn('threads []', output, output + errors)
        self.assertNotIn('monitor listens', output + errors)

    def test_bin_instance_run(self):
        self.assert_no_monitor(self.process.ctl('run', self.script))

    def test_bin_instance_debug(self):
        self.assert_no_monitor(
            self.process.ctl('debug'), EXECUTE % self.script)

    def test_bin_instance_adduser(self):
        status, output, errors = self.process.run(
            self.process.ctl('adduser', 'somebody', 'secret'))
        self.assertIn('Created user', output, output + errors)
        self.assertNotIn('monitor', output + errors)

    @only_with_wsgi
    def test_zconsole_run(self):
        self.assert_no_monitor(
            [sys.executable, os.path.join(SCRIPTS, 'zconsole'), 'run',
             self.process.zope_conf(), self.script])

    @only_with_wsgi
    def test_zconsole_debug(self):
        self.assert_no_monitor(
            [sys.executable, os.path.join(SCRIPTS, 'zconsole'), 'debug',
             self.process.zope_conf()], EXECUTE % self.script)

    @only_with_zserver
    def test_zopectl_run(self):
        self.assert_no_monitor(self.process.script(
            os.path.join(SCRIPTS, 'zopectl'), '-C', self.process.zope_conf(),
            'run', self.script))
