"""What is called before a process ends: with real processes."""

from contextlib import closing
from tests.foreground import begin_session
from tests.functional.processes import REPOSITORY
import os
import signal
import subprocess
import sys
import unittest


BEGIN = """\
from ftw.monitor.checks.databases import Databases
from ftw.monitor.orderly_end import call_before_end
from ZODB import DB
from ZODB.MappingStorage import MappingStorage
import os
import signal
import sys
import time

def say(what):
    sys.stdout.write(str(what) + '\\n')
    sys.stdout.flush()

databases = {}
main = DB(MappingStorage(), databases=databases, database_name='main')
other = DB(MappingStorage(), databases=databases, database_name='other')

connections = [database.open() for database in databases.values()]
for connection in connections:
    connection.root().keys()

def in_caches():
    say('%d %d' % (main.cacheSize(), other.cacheSize()))

"""

REGISTER = """\
call_before_end(Databases(main), in_caches)
"""

#: For this to end, somebody has to end the process.
WAIT = """\
say('ready')
while True:
    time.sleep(1)
"""


class OrderlyEndCase(unittest.TestCase):

    def start(self, *script):
        process = subprocess.Popen(
            [sys.executable, '-c', BEGIN + ''.join(script)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=REPOSITORY,
            env=dict(os.environ, PYTHONPATH=REPOSITORY,
                     PYTHONDONTWRITEBYTECODE='1'),
            preexec_fn=begin_session)
        self.addCleanup(process.stdout.close)
        self.addCleanup(self.kill, process)
        return process

    @staticmethod
    def kill(process):
        if process.poll() is None:
            process.kill()
            process.wait()

    def wait_for(self, process, line):
        self.assertEqual(line, process.stdout.readline().decode().strip())

    def assertEnds(self, process, status, *lines):
        """It ends with this exit status, and has said these lines."""
        with closing(process.stdout) as output:
            said = output.read().decode().splitlines()
        self.assertEqual((status, list(lines)), (process.wait(), said))


class TestSigterm(OrderlyEndCase):

    def assertEndsBySigterm(self, process, *lines):
        self.wait_for(process, 'ready')
        process.terminate()
        self.assertEnds(process, -signal.SIGTERM, *lines)

    def test_it_still_kills_the_process(self):
        self.assertEndsBySigterm(self.start(REGISTER, WAIT), '1 1')

    def test_also_if_the_function_fails(self):
        process = self.start(
            'call_before_end(Databases(main), lambda: 1 / 0)\n', WAIT)
        self.assertEndsBySigterm(process)

    def test_the_second_one_kills_at_once(self):
        process = self.start(
            'def never_end():\n'
            '    say("called")\n'
            '    time.sleep(1000)\n'
            'call_before_end(Databases(main), never_end)\n', WAIT)
        self.wait_for(process, 'ready')
        process.terminate()
        self.wait_for(process, 'called')
        process.terminate()
        self.assertEnds(process, -signal.SIGTERM)

    def test_who_handles_it_goes_on_doing_so(self):
        process = self.start(
            'signal.signal(signal.SIGTERM, lambda *args: say("handled"))\n',
            REGISTER, WAIT)
        self.wait_for(process, 'ready')
        process.terminate()
        self.wait_for(process, 'handled')
        process.kill()
        self.assertEnds(process, -signal.SIGKILL)

    def test_a_process_that_ignores_it_goes_on_doing_so(self):
        process = self.start(
            'signal.signal(signal.SIGTERM, signal.SIG_IGN)\n', REGISTER,
            'os.kill(os.getpid(), signal.SIGTERM)\n', WAIT)
        self.wait_for(process, 'ready')
        process.kill()
        self.assertEnds(process, -signal.SIGKILL)

    def test_it_kills_at_once_if_another_thread_has_started_us(self):
        process = self.start(
            'import logging, threading\n'
            'logging.basicConfig(level="INFO", stream=sys.stdout)\n'
            'def register():\n'
            '    call_before_end(Databases(main), in_caches)\n'
            'thread = threading.Thread(target=register)\n'
            'thread.start()\n'
            'thread.join()\n', WAIT)
        line = process.stdout.readline().decode()
        self.assertIn('INFO:ftw.monitor:SIGTERM ends this process', line)
        self.assertEndsBySigterm(process)


class TestOtherEnds(OrderlyEndCase):

    def test_zope_closes_its_databases(self):
        # Called before the caches are emptied, for each of them.
        self.assertEnds(
            self.start(REGISTER,
                       'other.close()\n'
                       'main.close()\n'
                       'say("closed")\n'
                       'os._exit(3)\n'),
            3, '1 1', '1 0', 'closed')

    def test_they_are_really_closed_and_once(self):
        self.assertEnds(
            self.start(REGISTER,
                       'main.close()\n'
                       'main.close()\n'
                       'say("storage" in vars(main))\n'
                       'os._exit(3)\n'),
            3, '1 1', 'False')

    def test_python_ends(self):
        self.assertEnds(
            self.start(REGISTER, 'sys.exit(3)\n'), 3, '1 1')

    def test_ctrl_c(self):
        process = self.start(
            REGISTER,
            'try:\n'
            '    say("ready")\n'
            '    time.sleep(1000)\n'
            'except KeyboardInterrupt:\n'
            '    main.close()\n')
        self.wait_for(process, 'ready')
        process.send_signal(signal.SIGINT)
        # When it is closed, and at the end of Python.
        self.assertEnds(process, 0, '1 1', '0 1')

    def test_sigkill_does_not_ask(self):
        process = self.start(REGISTER, WAIT)
        self.wait_for(process, 'ready')
        process.kill()
        self.assertEnds(process, -signal.SIGKILL)
