# -*- coding: utf-8 -*-
from contextlib import closing
from ftw.monitor.address import AddressTaken
from ftw.monitor.address import is_same_host
from ftw.monitor.address import monitor_addresses
from ftw.monitor.address import OFF
from ftw.monitor.address import parse
from ftw.monitor.address import TCPAddress
from ftw.monitor.address import UnixAddress
from ftw.monitor.address import unlink
from tests.loopback import has_ipv6
import errno
import os
import shutil
import socket
import tempfile
import unittest


def free_port(family=socket.AF_INET, host='127.0.0.1'):
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


class TestWritingAnAddress(unittest.TestCase):

    def assertParses(self, text, expected):
        self.assertEqual(parse(text), expected)
        self.assertIs(type(parse(text)), type(expected))

    def test_a_mere_port_leaves_the_host_open(self):
        self.assertParses('8160', TCPAddress(None, 8160))

    def test_host_and_port(self):
        self.assertParses('127.0.0.1:8160', TCPAddress('127.0.0.1', 8160))
        self.assertParses('db-1.example.com:1', TCPAddress(
            'db-1.example.com', 1))
        self.assertParses('h:65535', TCPAddress('h', 65535))

    def test_ipv6_stands_in_brackets(self):
        self.assertParses('[::1]:8160', TCPAddress('::1', 8160))
        self.assertParses('[::]:8160', TCPAddress('::', 8160))

    def test_an_empty_host_and_an_asterisk_mean_all_addresses(self):
        self.assertParses(':8160', TCPAddress('', 8160))
        self.assertParses('*:8160', TCPAddress('', 8160))

    def test_an_absolute_path_is_a_unix_socket(self):
        self.assertParses('/run/plone/8160', UnixAddress('/run/plone/8160'))
        self.assertParses('/run/a:80', UnixAddress('/run/a:80'))

    def test_nonsense_is_refused_with_a_sentence_that_names_it(self):
        for text in ('', ' ', 'x', 'host', '-1', '0', '65536', '99999999',
                     'host:', 'host:0', 'host:65536', 'host:x', '::1',
                     '::1:8160', '[::1]', '[::1]:', '[]:80', '[::1:80',
                     'run/socket', './socket', 'http://h:80', '80:h', '8_0',
                     '8160.0', '80 81'):
            with self.assertRaises(ValueError) as caught:
                parse(text)
            self.assertEqual(
                str(caught.exception),
                '%r is not PORT, HOST:PORT, [IPv6]:PORT or the absolute path'
                ' of a UNIX socket' % text)

    def test_a_port_is_plain_digits_and_nothing_after_them(self):
        for text in (u'8160\n', u'h:8160\n', u'\uff18\uff11\uff16\uff10'):
            with self.assertRaises(ValueError):
                parse(text)

    def test_an_address_is_shown_as_it_is_written(self):
        for text in ('127.0.0.1:8160', '[::1]:8160', '*:8160', 'localhost:1',
                     '/run/monitor'):
            self.assertEqual(str(parse(text)), text)
            self.assertEqual('%s' % (parse(text),), text)

    def test_all_addresses_are_shown_with_an_asterisk(self):
        self.assertEqual(str(parse('8160')), '*:8160')
        self.assertEqual(str(parse(':8160')), '*:8160')


class ListeningCase(unittest.TestCase):

    def assertTalks(self, address, listening):
        with closing(address.connect(5)) as client:
            self.assertEqual(client.gettimeout(), 5)
            listening.settimeout(5)
            accepted, _ = listening.accept()
            with closing(accepted):
                client.sendall(b'hello')
                self.assertEqual(accepted.recv(5), b'hello')


class TestListeningOnTCP(ListeningCase):

    def listen(self, address):
        sockets = address.listen()
        for listening in sockets:
            self.addCleanup(listening.close)
        return sockets

    def test_a_client_connects_to_what_listens(self):
        address = TCPAddress('127.0.0.1', free_port())
        listening, = self.listen(address)
        self.assertEqual(listening.getsockname(), tuple(address))
        self.assertTalks(address, listening)

    def test_ipv6(self):
        if not has_ipv6():
            self.skipTest('There is no IPv6 here.')
        address = TCPAddress('::1', free_port(socket.AF_INET6, '::1'))
        listening, = self.listen(address)
        self.assertEqual(listening.family, socket.AF_INET6)
        self.assertEqual(listening.getsockname()[:2], tuple(address))
        self.assertTalks(address, listening)

    def test_all_addresses_is_a_socket_for_each_family(self):
        address = TCPAddress('', free_port())
        sockets = self.listen(address)
        families = [listening.family for listening in sockets]
        self.assertEqual(len(families), len(set(families)))
        self.assertIn(socket.AF_INET, families)
        if has_ipv6():
            self.assertIn(socket.AF_INET6, families)
        for listening in sockets:
            self.assertEqual(listening.getsockname()[1], address.port)
            if listening.family == socket.AF_INET:
                self.assertTalks(address, listening)

    def test_a_wildcard_is_reached_by_loopback(self):
        address = TCPAddress('0.0.0.0', free_port())
        listening, = self.listen(address)
        self.assertTalks(address, listening)
        self.assertTalks(TCPAddress('', address.port), listening)
        self.assertTalks(TCPAddress(None, address.port), listening)

    def test_an_ipv6_wildcard_is_reached_by_loopback_and_is_ipv6_only(self):
        if not has_ipv6():
            self.skipTest('There is no IPv6 here.')
        address = TCPAddress('::', free_port(socket.AF_INET6, '::'))
        listening, = self.listen(address)
        self.assertTalks(address, listening)
        with self.assertRaises((IOError, OSError)):
            TCPAddress('127.0.0.1', address.port).connect(5)

    def test_a_host_name(self):
        address = TCPAddress('localhost', free_port())
        sockets = self.listen(address)
        self.assertTrue(sockets)
        for listening in sockets:
            self.assertIn(listening.getsockname()[0], ('127.0.0.1', '::1'))

    def test_a_name_that_resolves_to_the_same_address_twice(self):
        # glibc says so when /etc/hosts has both 127.0.0.1 and ::1 for it.
        real = socket.getaddrinfo
        self.addCleanup(setattr, socket, 'getaddrinfo', real)
        socket.getaddrinfo = lambda *args: real(*args) * 2
        sockets = self.listen(TCPAddress('127.0.0.1', free_port()))
        self.assertEqual(len(sockets), 1)

    def test_an_address_family_that_is_missing_is_passed_over(self):
        real = socket.getaddrinfo
        self.addCleanup(setattr, socket, 'getaddrinfo', real)
        # TEST-NET-1: no machine has this address.
        socket.getaddrinfo = lambda host, port, *args: (
            real('192.0.2.1', port, *args)
            + real('127.0.0.1', port, *args))
        listening, = self.listen(TCPAddress('some.name', free_port()))
        self.assertEqual(listening.getsockname()[0], '127.0.0.1')

    def test_an_address_of_another_machine_is_an_error(self):
        with self.assertRaises((IOError, OSError)) as caught:
            TCPAddress('192.0.2.1', free_port()).listen()
        self.assertEqual(caught.exception.errno, errno.EADDRNOTAVAIL)

    def test_a_port_beyond_65535_is_an_error(self):
        # An HTTP port above 65455, and 80. getaddrinfo would make 44 of it.
        with self.assertRaises((IOError, OSError, OverflowError, ValueError)):
            self.listen(TCPAddress('127.0.0.1', 65580))

    def test_a_port_that_is_taken_is_told(self):
        address = TCPAddress('127.0.0.1', free_port())
        self.listen(address)
        with self.assertRaises(AddressTaken):
            address.listen()

    def test_one_of_several_taken_leaves_none_open(self):
        if not has_ipv6():
            self.skipTest('There is no IPv6 here.')
        port = free_port(socket.AF_INET6, '::')
        self.listen(TCPAddress('::', port))
        try:
            TCPAddress('', port).listen()
        except AddressTaken:
            # So IPv4, which was free, is free again. In here, since the
            # traceback would keep alive a socket that was not closed.
            self.listen(TCPAddress('0.0.0.0', port))
        else:
            self.fail('The address is taken.')

    def test_the_port_of_a_process_just_gone_can_be_taken_again(self):
        address = TCPAddress('127.0.0.1', free_port())
        listening, = self.listen(address)
        client = address.connect(5)
        self.addCleanup(client.close)
        accepted, _ = listening.accept()
        # The server's side closes first: its end stays in TIME_WAIT.
        accepted.close()
        self.assertEqual(client.recv(1), b'')
        client.close()
        listening.close()
        self.listen(address)

    def test_connecting_to_nobody_is_an_error(self):
        with self.assertRaises((IOError, OSError)) as caught:
            TCPAddress('127.0.0.1', free_port()).connect(5)
        self.assertEqual(caught.exception.errno, errno.ECONNREFUSED)

    def test_a_connection_has_the_timeout(self):
        address = TCPAddress('127.0.0.1', free_port())
        self.listen(address)
        with closing(address.connect(7)) as client:
            self.assertEqual(client.gettimeout(), 7)


class TestListeningOnAUnixSocket(ListeningCase):

    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        self.path = os.path.join(self.directory, 'monitor')
        self.address = UnixAddress(self.path)

    def listen(self):
        listening, = self.address.listen()
        self.addCleanup(listening.close)
        return listening

    def assertServes(self, listening):
        self.assertTalks(self.address, listening)

    def test_a_client_connects_to_what_listens(self):
        listening = self.listen()
        self.assertEqual(listening.getsockname(), self.path)
        self.assertServes(listening)

    def test_the_file_of_a_process_that_is_gone_is_replaced(self):
        self.listen().close()
        self.assertTrue(os.path.exists(self.path))
        self.assertServes(self.listen())

    def test_the_socket_of_a_living_process_is_left_alone(self):
        living = self.listen()
        with self.assertRaises(AddressTaken) as caught:
            self.address.listen()
        self.assertEqual(
            str(caught.exception), '%s is in use' % self.path)
        living.settimeout(5)
        # That was the question whether it lives.
        living.accept()[0].close()
        self.assertServes(living)

    def test_a_file_is_never_removed(self):
        with open(self.path, 'w') as file_:
            file_.write('precious')
        with self.assertRaises(AddressTaken) as caught:
            self.address.listen()
        self.assertEqual(str(caught.exception),
                         '%s exists and is no socket' % self.path)
        with open(self.path) as file_:
            self.assertEqual(file_.read(), 'precious')

    def test_a_directory_is_never_removed(self):
        os.mkdir(self.path)
        with self.assertRaises(AddressTaken):
            self.address.listen()
        self.assertTrue(os.path.isdir(self.path))

    def test_a_symbolic_link_is_never_removed(self):
        os.symlink(os.path.join(self.directory, 'nowhere'), self.path)
        with self.assertRaises(AddressTaken):
            self.address.listen()
        self.assertTrue(os.path.islink(self.path))

    def test_a_socket_of_another_kind_is_never_removed(self):
        other = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(other.close)
        other.bind(self.path)
        with self.assertRaises((IOError, OSError, AddressTaken)):
            self.address.listen()
        self.assertTrue(os.path.exists(self.path))

    def test_a_missing_directory_is_an_error(self):
        with self.assertRaises((IOError, OSError)):
            UnixAddress(self.path + '/monitor').listen()

    def test_connecting_to_a_missing_socket_is_an_error(self):
        with self.assertRaises((IOError, OSError)) as caught:
            self.address.connect(5)
        self.assertEqual(caught.exception.errno, errno.ENOENT)


class TestWhoHasCome(unittest.TestCase):

    def test_by_loopback(self):
        for peer in (('127.0.0.1', 5), ('127.8.0.1', 5), ('::1', 5, 0, 0)):
            self.assertTrue(is_same_host(peer), peer)

    def test_by_a_unix_socket(self):
        for peer in ('', b'', '/run/client'):
            self.assertTrue(is_same_host(peer), peer)

    def test_from_elsewhere(self):
        for peer in (('192.0.2.7', 5), ('12.7.0.1', 5), ('0.0.0.0', 5),
                     ('::', 5, 0, 0), ('::12', 5, 0, 0),
                     ('2001:db8::1', 5, 0, 0)):
            self.assertFalse(is_same_host(peer), peer)


class TestRemovingASocket(unittest.TestCase):

    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)

    def test_its_file_is_gone(self):
        path = os.path.join(self.directory, 'socket')
        listening, = UnixAddress(path).listen()
        listening.close()
        unlink(path)
        self.assertFalse(os.path.lexists(path))
        # Somebody else may have done it.
        unlink(path)

    def test_another_problem_is_not_hidden(self):
        with self.assertRaises(OSError):
            unlink(self.directory)


class TestWhereTheMonitorListens(unittest.TestCase):

    def assertListens(self, expected, setting, *http):
        found = monitor_addresses(
            setting if setting in (None, OFF) else parse(setting),
            [parse(text) for text in http])
        self.assertEqual([str(address) for address in found], expected)

    def test_80_above_the_http_port_on_the_same_host(self):
        self.assertListens(['127.0.0.1:8160'], None, '127.0.0.1:8080')
        self.assertListens(['0.0.0.0:8160'], None, '0.0.0.0:8080')
        self.assertListens(['[::1]:8160'], None, '[::1]:8080')
        self.assertListens(['*:8160'], None, ':8080')

    def test_on_every_host_that_has_the_first_http_port(self):
        self.assertListens(
            ['127.0.0.1:8160', '[::1]:8160'], None,
            '127.0.0.1:8080', '[::1]:8080', '10.0.0.1:9090')

    def test_nowhere_if_the_http_port_is_not_known(self):
        self.assertListens([], None)
        self.assertListens([], None, '/run/http')

    def test_an_http_server_on_a_unix_socket_is_passed_over(self):
        self.assertListens(
            ['127.0.0.1:8160'], None, '/run/http', '127.0.0.1:8080')

    def test_off_is_nowhere(self):
        self.assertListens([], OFF, '127.0.0.1:8080')

    def test_a_setting_with_a_host_is_taken_as_it_is(self):
        self.assertListens(['10.0.0.1:99'], '10.0.0.1:99', '127.0.0.1:8080')
        self.assertListens(['[::1]:99'], '[::1]:99', '127.0.0.1:8080')
        self.assertListens(['*:99'], '*:99', '127.0.0.1:8080')
        self.assertListens(['*:99'], ':99', '127.0.0.1:8080')
        self.assertListens(['10.0.0.1:99'], '10.0.0.1:99')

    def test_a_unix_socket_is_taken_as_it_is(self):
        self.assertListens(['/run/m'], '/run/m', '127.0.0.1:8080')
        self.assertListens(['/run/m'], '/run/m')

    def test_a_mere_port_keeps_the_hosts_of_http(self):
        self.assertListens(['10.0.0.1:99'], '99', '10.0.0.1:8080')
        self.assertListens(
            ['127.0.0.1:99', '[::1]:99'], '99',
            '127.0.0.1:8080', '[::1]:8080', '10.0.0.1:9090')

    def test_a_mere_port_is_on_loopback_if_the_http_host_is_not_known(self):
        self.assertListens(['127.0.0.1:99'], '99')
        self.assertListens(['127.0.0.1:99'], '99', '/run/http')
