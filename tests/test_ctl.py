# -*- coding: utf-8 -*-
from ftw.monitor import ctl
from ftw.monitor import follow
from ftw.monitor.address import TCPAddress
from ftw.monitor.address import UnixAddress
from ftw.monitor.instance import configuration_file
from tests.functional.processes import REPOSITORY
from tests.instance_options import DummyOptions
from tests.loopback import until
from tests.patch import patch
from tests.terminal import content
from tests.terminal import Output
from tests.terminal import TerminalProcess
from tests.worlds import only_with_wsgi
import os
import shutil
import socket
import sys
import tempfile
import threading
import unittest


PATIENCE = 30


class DummyMonitor(threading.Thread):
    """Answers every client with *answer*, and keeps what it was asked."""

    def __init__(self, answer, address=None):
        threading.Thread.__init__(self)
        self.daemon = True
        self.answer = answer
        self.asked = []
        if address is None:
            self.listening = socket.socket()
            self.listening.bind(('127.0.0.1', 0))
            self.listening.listen(5)
            address = TCPAddress(*self.listening.getsockname())
        else:
            self.listening, = address.listen()
        self.address = address
        self.stopped = False

    def run(self):
        while True:
            connection, _ = self.listening.accept()
            connection.settimeout(PATIENCE)
            try:
                if self.stopped:
                    return
                line = b''
                while not line.endswith(b'\n'):
                    line += connection.recv(1000)
                self.asked.append(line)
                for part in self.answer:
                    connection.sendall(part)
            finally:
                connection.close()

    def stop(self):
        self.stopped = True
        self.address.connect(PATIENCE).close()
        self.join(PATIENCE)
        self.listening.close()


class DummyCommand(object):
    """The ``ZopeCmd`` of ``bin/instance``."""

    _exitstatus = None

    def __init__(self, options):
        self.options = options


class CtlCase(unittest.TestCase):

    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        self.output = Output()
        self.errors = Output()
        for name in list(os.environ):
            if name.startswith('FTW_MONITOR_'):
                self.addCleanup(
                    os.environ.__setitem__, name, os.environ.pop(name))

    def monitor(self, *answer, **options):
        monitor = DummyMonitor(answer, **options)
        monitor.start()
        self.addCleanup(monitor.stop)
        return monitor

    def nobody(self):
        """An address where nothing listens."""
        probe = socket.socket()
        probe.bind(('127.0.0.1', 0))
        address = TCPAddress(*probe.getsockname())
        probe.close()
        return address

    def written(self):
        return content(self.output)

    def printed(self):
        return str(content(self.errors).decode('ascii'))


class TestAsking(CtlCase):

    def test_the_answer_is_what_came_until_the_end(self):
        big = [b'%d\n' % number for number in range(1000)]
        monitor = self.monitor(*big)
        self.assertEqual(ctl.ask(monitor.address, 'dbinfo - 60'),
                         b''.join(big))
        self.assertEqual(monitor.asked, [b'dbinfo - 60\n'])

    def test_words_that_are_not_ascii(self):
        monitor = self.monitor(b'x')
        # In Python 2 the words of a shell are bytes.
        for line in (u'dbinfo \xe4', 'dbinfo ä'):
            ctl.ask(monitor.address, line)
            self.assertEqual(monitor.asked.pop(), b'dbinfo \xc3\xa4\n')

    def test_a_unix_socket(self):
        monitor = self.monitor(b'OK\n', address=UnixAddress(
            os.path.join(self.directory, 'monitor')))
        self.assertEqual(ctl.ask(monitor.address, 'health_check'), b'OK\n')

    def test_nobody_there_is_an_error(self):
        with self.assertRaises(EnvironmentError):
            ctl.ask(self.nobody(), 'help')


class TestRunning(CtlCase):

    def run_at(self, addresses, *words):
        return ctl.run(addresses, list(words), self.output, self.errors)

    def test_the_answer_is_written_as_it_came(self):
        # Though the terminal knows ASCII only.
        monitor = self.monitor(b'1 2 3\n', u'\xe4\n'.encode('utf-8'), b'\xff')
        self.assertEqual(self.run_at([monitor.address], 'dbinfo', '-'), 0)
        self.assertEqual(self.written(), b'1 2 3\n\xc3\xa4\n\xff')
        self.assertEqual(self.printed(), '')
        self.assertEqual(monitor.asked, [b'dbinfo -\n'])

    def test_no_command_is_help(self):
        monitor = self.monitor(b'Supported commands:\n')
        self.assertEqual(self.run_at([monitor.address]), 0)
        self.assertEqual(monitor.asked, [b'help\n'])

    def test_a_healthy_instance(self):
        monitor = self.monitor(b'OK\n')
        self.assertEqual(self.run_at([monitor.address], 'health_check'), 0)
        self.assertEqual(self.written(), b'OK\n')

    def test_an_instance_that_is_not_healthy(self):
        for answer in (b'Warmup in progress\n', b'Error: OK\n', b'OK\nOK\n',
                       b'OK', b'not OK\n'):
            monitor = self.monitor(answer)
            self.assertEqual(
                self.run_at([monitor.address], 'health_check'), 1)
            self.assertTrue(self.written().endswith(answer))
            self.assertEqual(self.printed(), '')

    def test_whether_a_process_is_alive(self):
        for answer, status in ((b'OK\n', 0), (b'Error: workers: stuck\n', 1)):
            monitor = self.monitor(answer)
            self.assertEqual(
                self.run_at([monitor.address], 'alive_check'), status)

    def test_another_command_succeeds_with_any_answer(self):
        monitor = self.monitor(b'Error: There is no database.\n')
        self.assertEqual(self.run_at([monitor.address], 'dbinfo', 'x'), 0)

    def test_nobody_there(self):
        address = self.nobody()
        self.assertEqual(self.run_at([address], 'health_check'), 1)
        self.assertEqual(self.written(), b'')
        self.assertEqual(self.printed().count('\n'), 1)
        self.assertTrue(self.printed().startswith(
            'No monitor answers at %s: ' % (address,)))
        self.assertTrue(self.printed().endswith(
            '. Is the instance running?\n'))

    def test_no_such_unix_socket(self):
        path = os.path.join(self.directory, 'monitor')
        self.assertEqual(self.run_at([UnixAddress(path)], 'help'), 1)
        self.assertTrue(self.printed().startswith(
            'No monitor answers at %s: ' % path))

    def test_the_first_of_several_addresses_that_answers(self):
        monitor, other = self.monitor(b'first\n'), self.monitor(b'second\n')
        self.assertEqual(self.run_at(
            [self.nobody(), monitor.address, other.address], 'help'), 0)
        self.assertEqual(self.written(), b'first\n')
        self.assertEqual(self.printed(), '')
        self.assertEqual(other.asked, [])

    def test_none_of_several_addresses(self):
        addresses = [self.nobody(), self.nobody()]
        self.assertEqual(self.run_at(addresses, 'help'), 1)
        self.assertEqual(self.printed().count('\n'), 1)
        for address in addresses:
            self.assertIn(str(address), self.printed())

    def test_no_answer_at_all(self):
        path = os.path.join(self.directory, 'monitor')
        for address in (UnixAddress(path), None):
            monitor = self.monitor(address=address)
            self.errors = Output()
            self.assertEqual(self.run_at([monitor.address], 'help'), 1)
            self.assertEqual(
                self.printed(),
                'The monitor at %s closed the connection without an'
                ' answer.\n' % (monitor.address,))


WARMUP = """\
state: %s
warm: no
waiting for: none
stage: catalog
site: /Plone
worker: 1 of 4
step: 1 of 4
objects: 0
seconds: 1.0
warnings: 0
last error: none
next try: none
previous boot: unknown
"""


class TestFollowingAWarmup(CtlCase):

    def follow(self, *addresses):
        return ctl.run(addresses, ['warmup', '--follow'], self.output,
                       self.errors)

    def test_it_asks_for_the_warmup_until_it_has_ended(self):
        monitor = self.monitor((WARMUP % 'done').encode('ascii'))
        self.assertEqual(self.follow(self.nobody(), monitor.address), 0)
        self.assertEqual(self.written(), b'done after 1.0 s, warnings: 0\n')
        self.assertEqual(self.printed(), '')
        self.assertEqual(monitor.asked, [b'warmup\n'])

    def test_the_command_without_the_option_is_asked_once(self):
        monitor = self.monitor((WARMUP % 'in progress').encode('ascii'))
        self.assertEqual(ctl.run([monitor.address], ['warmup'], self.output,
                                 self.errors), 0)
        self.assertTrue(self.written().startswith(b'state: in progress\n'))
        self.assertEqual(monitor.asked, [b'warmup\n'])

    def test_any_other_option_is_for_the_monitor_to_refuse(self):
        monitor = self.monitor(b'Error: too many positional arguments.\n')
        ctl.run([monitor.address], ['warmup', '--nonsense'], self.output,
                self.errors)
        self.assertEqual(monitor.asked, [b'warmup --nonsense\n'])

    def test_it_names_the_address_where_nobody_comes(self):
        patch(self, follow, 'BOOT_PATIENCE', 0.05)
        patch(self, follow, 'INTERVAL', 0.01)
        address = self.nobody()
        self.assertEqual(self.follow(address), 1)
        self.assertIn(b'waiting for the monitor at %s: '
                      % str(address).encode('ascii'), self.written())
        self.assertEqual(self.printed().count('\n'), 1)
        self.assertTrue(self.printed().startswith(
            'No monitor answers at %s: ' % (address,)))

    def test_it_names_the_address_where_there_is_no_answer(self):
        patch(self, follow, 'BOOT_PATIENCE', 0.05)
        patch(self, follow, 'INTERVAL', 0.01)
        monitor = self.monitor()
        self.assertEqual(self.follow(monitor.address), 1)
        self.assertEqual(
            self.printed(), 'No monitor answers at %s: there is no answer. Is'
            ' the instance running?\n' % (monitor.address,))

    def test_ctrl_c_ends_it_without_a_traceback(self):
        monitor = self.monitor((WARMUP % 'in progress').encode('ascii'))
        program = TerminalProcess(
            [sys.executable, '-c',
             'import sys; from ftw.monitor import ctl; sys.exit(ctl.main())',
             '-a', str(monitor.address), 'warmup', '--follow'],
            env=dict(os.environ, PYTHONPATH=REPOSITORY,
                     PYTHONDONTWRITEBYTECODE='1'))
        self.addCleanup(program.close)
        self.assertTrue(until(lambda: len(monitor.asked) > 2), program.shown)
        program.type(b'\x03')
        self.assertEqual(program.wait(), 130)
        self.assertIn(b'25 % /Plone: catalog, worker 1 of 4', program.shown)
        self.assertNotIn(b'Traceback', program.shown)
        # The shell's prompt comes in the next line.
        self.assertTrue(program.shown.endswith(b'\n'), program.shown)


class TestOfAnInstance(CtlCase):

    def options(self, environment=None, http='127.0.0.1:8080'):
        return DummyOptions(self.directory, http, environment)

    def ask(self, options, *words):
        return ctl.run_for_instance(
            options, list(words), self.output, self.errors)

    def test_80_above_the_port_that_serves_http(self):
        monitor = self.monitor(b'OK\n')
        options = self.options(
            http='127.0.0.1:%d' % (monitor.address.port - 80))
        self.assertEqual(self.ask(options, 'health_check'), 0)
        self.assertEqual(self.written(), b'OK\n')
        self.assertEqual(monitor.asked, [b'health_check\n'])

    def test_at_the_address_in_the_environment_of_zope_conf(self):
        monitor = self.monitor(b'OK\n')
        options = self.options({'FTW_MONITOR_ADDRESS': str(monitor.address)})
        self.assertEqual(self.ask(options, 'health_check'), 0)
        self.assertEqual(self.written(), b'OK\n')

    def test_zope_conf_wins_over_the_environment_of_the_shell(self):
        monitor = self.monitor(b'OK\n')
        os.environ['FTW_MONITOR_ADDRESS'] = str(self.nobody())
        self.addCleanup(os.environ.pop, 'FTW_MONITOR_ADDRESS')
        options = self.options({'FTW_MONITOR_ADDRESS': str(monitor.address)})
        self.assertEqual(self.ask(options, 'health_check'), 0)

    def test_at_the_address_in_the_environment_of_the_shell(self):
        monitor = self.monitor(b'OK\n')
        os.environ['FTW_MONITOR_ADDRESS'] = str(monitor.address)
        self.addCleanup(os.environ.pop, 'FTW_MONITOR_ADDRESS')
        self.assertEqual(self.ask(self.options({}), 'health_check'), 0)

    def test_at_a_mere_port_of_the_host_that_serves_http(self):
        monitor = self.monitor(b'OK\n')
        options = self.options(
            {'FTW_MONITOR_ADDRESS': str(monitor.address.port)},
            '0.0.0.0:8080')
        self.assertEqual(self.ask(options, 'health_check'), 0)

    def test_nobody_there(self):
        address = self.nobody()
        options = self.options(http='127.0.0.1:%d' % (address.port - 80))
        self.assertEqual(self.ask(options, 'health_check'), 1)
        self.assertIn(str(address), self.printed())

    def test_the_monitor_is_turned_off(self):
        options = self.options({'FTW_MONITOR_ADDRESS': 'OFF'})
        self.assertEqual(self.ask(options, 'health_check'), 1)
        self.assertEqual(
            self.printed(), 'The monitor of this instance is turned off'
                            ' (FTW_MONITOR_ADDRESS=off).\n')

    def test_a_bad_setting_is_told_and_passed_over(self):
        monitor = self.monitor(b'OK\n')
        options = self.options(
            {'FTW_MONITOR_ADDRESS': 'nonsense'},
            '127.0.0.1:%d' % (monitor.address.port - 80))
        self.assertEqual(self.ask(options, 'health_check'), 0)
        self.assertIn("FTW_MONITOR_ADDRESS is ignored: 'nonsense' is not",
                      self.printed())
        self.assertEqual(self.printed().count('\n'), 1)

    @only_with_wsgi
    def test_a_wsgi_ini_that_cannot_be_read(self):
        options = self.options()
        os.unlink(options.wsgi)
        self.assertEqual(self.ask(options, 'health_check'), 1)
        self.assertTrue(self.printed().startswith(
            'Cannot read where the instance listens: '))
        self.assertIn(options.wsgi, self.printed())
        self.assertEqual(self.printed().count('\n'), 1)

    def test_a_configuration_without_a_port(self):
        options = self.options(http=None)
        self.assertEqual(self.ask(options, 'health_check'), 1)
        self.assertEqual(
            self.printed(),
            '%s does not say on which port the instance listens. Set'
            ' FTW_MONITOR_ADDRESS in the <environment> of its zope.conf.\n'
            % configuration_file(options))

    def test_the_control_command(self):
        monitor = self.monitor(b'1 2\n')
        command = DummyCommand(self.options(
            {'FTW_MONITOR_ADDRESS': str(monitor.address)}))
        for name in ('stdout', 'stderr'):
            self.addCleanup(setattr, sys, name, getattr(sys, name))
        sys.stdout, sys.stderr = self.output, self.errors
        # All of them come as one string; nothing as an empty one.
        ctl.monitor(command, 'dbinfo - 60')
        self.assertEqual(command._exitstatus, 0)
        ctl.monitor(command, '')
        ctl.monitor(command)
        self.assertEqual(
            monitor.asked, [b'dbinfo - 60\n', b'help\n', b'help\n'])
        self.assertEqual(self.written(), 3 * b'1 2\n')
        monitor.answer = [b'Draining\n']
        ctl.monitor(command, 'health_check')
        self.assertEqual(command._exitstatus, 1)


class TestTheScript(CtlCase):

    def main(self, *args):
        for name in ('stdout', 'stderr'):
            self.addCleanup(setattr, sys, name, getattr(sys, name))
        sys.stdout, sys.stderr = self.output, self.errors
        return ctl.main(list(args))

    def assertRefused(self, message, *args):
        with self.assertRaises(SystemExit) as caught:
            self.main(*args)
        self.assertEqual(caught.exception.code, 1)
        self.assertIn(message, self.printed())

    def test_an_address_and_a_command(self):
        monitor = self.monitor(b'OK\n')
        for option in ('--address', '-a'):
            self.assertEqual(
                self.main(option, str(monitor.address), 'dbinfo', '-', '60'),
                0)
        self.assertEqual(self.main(
            '--address=%s' % (monitor.address,), 'health_check'), 0)
        self.assertEqual(
            monitor.asked,
            [b'dbinfo - 60\n', b'dbinfo - 60\n', b'health_check\n'])
        self.assertEqual(self.written(), 3 * b'OK\n')

    def test_a_mere_port_is_one_of_this_host(self):
        monitor = self.monitor(b'OK\n')
        self.assertEqual(
            self.main('-a', str(monitor.address.port), 'health_check'), 0)

    def test_a_unix_socket(self):
        monitor = self.monitor(b'OK\n', address=UnixAddress(
            os.path.join(self.directory, 'monitor')))
        self.assertEqual(
            self.main('-a', str(monitor.address), 'health_check'), 0)

    def test_no_command_is_help(self):
        monitor = self.monitor(b'Supported commands:\n')
        self.assertEqual(self.main('-a', str(monitor.address)), 0)
        self.assertEqual(monitor.asked, [b'help\n'])

    def test_an_instance_that_is_not_healthy(self):
        monitor = self.monitor(b'Draining\n')
        self.assertEqual(
            self.main('-a', str(monitor.address), 'health_check'), 1)
        self.assertEqual(self.written(), b'Draining\n')

    def test_nobody_there(self):
        address = self.nobody()
        self.assertEqual(self.main('-a', str(address), 'health_check'), 1)
        self.assertIn(str(address), self.printed())

    def test_the_address_in_the_environment(self):
        monitor = self.monitor(b'OK\n')
        self.addCleanup(os.environ.pop, 'FTW_MONITOR_ADDRESS')
        os.environ['FTW_MONITOR_ADDRESS'] = str(monitor.address)
        self.assertEqual(self.main('health_check'), 0)
        os.environ['FTW_MONITOR_ADDRESS'] = str(self.nobody())
        self.assertEqual(
            self.main('-a', str(monitor.address), 'health_check'), 0)

    def test_no_address(self):
        self.assertRefused(
            '--address is missing: the HTTP port of the instance + 80',
            'health_check')

    def test_an_empty_address_in_the_environment_is_none(self):
        # As an empty variable is for the instance.
        self.addCleanup(os.environ.pop, 'FTW_MONITOR_ADDRESS')
        os.environ['FTW_MONITOR_ADDRESS'] = ''
        self.assertRefused('--address is missing', 'health_check')

    def test_an_address_that_is_none(self):
        self.assertRefused(
            "'nonsense' is not PORT, HOST:PORT, [IPv6]:PORT",
            '-a', 'nonsense', 'help')

    def test_how_it_is_called(self):
        with self.assertRaises(SystemExit) as caught:
            # The help text goes to the standard output.
            self.errors = self.output
            self.main('--help')
        self.assertEqual(caught.exception.code, 0)
        self.assertIn(b'--address', self.written())
