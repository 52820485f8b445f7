"""This process as an instance, in both worlds."""

from App.config import getConfiguration
from ftw.monitor import instance
from ftw.monitor.address import TCPAddress
from ftw.monitor.instance import current
from ftw.monitor.instance import Instance
from ftw.monitor.instance import listening_addresses
from ftw.monitor.instance import new_request
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
