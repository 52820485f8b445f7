"""This process as an instance, in both worlds."""

from App.config import getConfiguration
from ftw.monitor import instance
from ftw.monitor.address import TCPAddress
from ftw.monitor.instance import current
from ftw.monitor.instance import Instance
from ftw.monitor.instance import listening_addresses
from ftw.monitor.instance import new_request
from ftw.monitor.instance.visitor import environ_of_visitor
from tests.patch import patch
import os
import socket
import unittest


HTTP = TCPAddress('127.0.0.1', 8080)


class TestThisProcess(unittest.TestCase):

    def setUp(self):
        patch(self, instance.http_server, 'detect',
              lambda: (True, 'some server', [HTTP]))

    def be_in(self, folder):
        patch(self, getConfiguration(), 'instancehome', folder)

    def test_it_has_the_name_of_its_folder(self):
        self.be_in('/srv/plone/parts/instance2')
        self.assertEqual('instance2', current().name)
        self.be_in('/srv/plone/parts/instance3/')
        self.assertEqual('instance3', current().name)

    def test_it_is_what_its_server_says(self):
        this = current()
        self.assertIs(True, this.serves)
        self.assertEqual('some server', this.server)
        self.assertEqual([HTTP], this.http_addresses())

    def test_it_serves_where_the_configuration_says(self):
        self.assertEqual(
            [HTTP], Instance('a', True, 'b', [HTTP]).http_addresses())

    def test_it_serves_nowhere_if_the_configuration_says_so(self):
        self.listen()
        self.assertEqual([], Instance('a', True, 'b', []).http_addresses())

    def test_it_serves_where_it_listens_if_no_configuration_says_it(self):
        this = Instance('a', True, 'b', None)
        before = this.http_addresses()
        listening = self.listen()
        self.assertEqual(sorted(before + [listening]),
                         sorted(this.http_addresses()))

    def listen(self):
        listening = socket.socket()
        self.addCleanup(listening.close)
        listening.bind(('127.0.0.1', 0))
        listening.listen(1)
        return TCPAddress(*listening.getsockname())


class TestListening(unittest.TestCase):

    def test_where_this_process_listens(self):
        before = listening_addresses()
        listening = socket.socket()
        self.addCleanup(listening.close)
        listening.bind(('127.0.0.1', 0))
        # Bound is not listening.
        self.assertEqual(listening_addresses(), before)
        listening.listen(1)
        added = [address for address in listening_addresses()
                 if address not in before]
        self.assertEqual([tuple(address) for address in added],
                         [listening.getsockname()])


class TestTheEnvironmentOfAVisitor(unittest.TestCase):

    def assertEnvironment(self, environ, **expected):
        self.assertEqual(
            expected, {name: environ[name] for name in expected})

    def assertServer(self, host, name, port):
        self.assertEnvironment(
            environ_of_visitor('/', host, 'text/html'),
            HTTP_HOST=host, SERVER_NAME=name, SERVER_PORT=port)

    def test_a_host(self):
        self.assertServer('www.example.org', 'www.example.org', '80')

    def test_a_host_with_a_port(self):
        self.assertServer('localhost:8080', 'localhost', '8080')
        self.assertServer('127.0.0.1:80', '127.0.0.1', '80')

    def test_an_ipv6_address(self):
        self.assertServer('[::1]', '[::1]', '80')
        self.assertServer('[fe80::1:2]', '[fe80::1:2]', '80')

    def test_an_ipv6_address_with_a_port(self):
        self.assertServer('[::1]:8080', '[::1]', '8080')

    def test_what_was_never_a_host(self):
        # Visitors have sent it.
        for host in ('', ':', 'a:b', 'a b', '[', 'www.example.org:'):
            self.assertServer(host, host, '80')

    def test_a_page_with_a_query(self):
        self.assertEnvironment(
            environ_of_visitor('/++api++?expand=a,b&c=d?', 'localhost', '*/*'),
            PATH_INFO='/++api++', QUERY_STRING='expand=a,b&c=d?')

    def test_each_visitor_has_its_own(self):
        environ_of_visitor('/', 'localhost', '*/*')['HTTP_COOKIE'] = 'a=b'
        self.assertNotIn(
            'HTTP_COOKIE', environ_of_visitor('/', 'localhost', '*/*'))


class TestTheRequestOfAVisitor(unittest.TestCase):

    def setUp(self):
        self.request = new_request('/Plone/news')
        self.addCleanup(self.request.close)

    def test_it_is_for_a_page(self):
        self.assertEqual(self.request['PATH_INFO'], '/Plone/news')
        self.assertEqual(self.request['REQUEST_METHOD'], 'GET')
        self.request.processInputs()
        self.assertEqual(self.request.form, {})

    def test_its_host_is_a_name(self):
        # plone.app.theming switches itself off for 127.0.0.1.
        self.assertEqual(self.request['HTTP_HOST'], 'localhost')
        self.assertEqual(self.request['SERVER_URL'], 'http://localhost')

    def test_nobody_is_logged_in(self):
        self.assertNotIn('HTTP_COOKIE', self.request.environ)
        self.assertNotIn('HTTP_AUTHORIZATION', self.request.environ)

    def test_it_does_not_come_from_our_own_environment(self):
        os.environ['FTW_MONITOR_TEST'] = '1'
        self.addCleanup(os.environ.pop, 'FTW_MONITOR_TEST')
        self.assertNotIn(
            'FTW_MONITOR_TEST', new_request('/').environ)
