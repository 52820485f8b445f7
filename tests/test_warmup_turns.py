from contextlib import contextmanager
from ftw.monitor.compat import PY2
from ftw.monitor.warmup import turns
from ftw.monitor.warmup.turns import LockFile
from ftw.monitor.warmup.turns import NoTurns
from ftw.monitor.warmup.turns import path_for
from ftw.monitor.warmup.turns import Turns
from tests.functional.processes import REPOSITORY
from tests.loopback import until
from tests.patch import patch
from tests.recorded_log import RecordedLog
from ZODB.FileStorage import FileStorage
from ZODB.MappingStorage import MappingStorage
from ZODB.POSException import StorageError
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest


#: Takes the lock, says who has it, and keeps it until its input has a line.
OTHER_PROCESS = """\
import sys
from ftw.monitor.warmup.turns import LockFile

lock = LockFile(sys.argv[1])
print(lock.take('other (process 1)') or 'taken')
sys.stdout.flush()
sys.stdin.readline()
lock.release()
print('released')
sys.stdout.flush()
sys.stdin.readline()
"""

#: Which of the usual file descriptors are the file of the lock.
INHERITED = """\
import os
import sys

lock = os.stat(sys.argv[1])
for descriptor in range(100):
    try:
        inherited = os.fstat(descriptor)
    except OSError:
        continue
    if (inherited.st_dev, inherited.st_ino) == (lock.st_dev, lock.st_ino):
        print(descriptor)
"""


class OtherProcess(object):
    """A process that takes the lock at *path*, if nobody has it."""

    def __init__(self, path):
        self.process = subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c', OTHER_PROCESS, path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=dict(os.environ, PYTHONPATH=REPOSITORY,
                     PYTHONDONTWRITEBYTECODE='1'))

    def hear(self):
        return self.process.stdout.readline().decode('ascii').strip()

    def go_on(self):
        self.process.stdin.write(b'\n')
        self.process.stdin.flush()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class DummyStorage(object):
    """Calls itself as is said."""

    def __init__(self, key):
        self.key = key

    def sortKey(self):
        if isinstance(self.key, Exception):
            raise self.key
        return self.key


class TurnsCase(unittest.TestCase):

    if PY2:
        assertRegex = unittest.TestCase.assertRegexpMatches

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        patch(self, tempfile, 'tempdir', self.folder)
        self.path = os.path.join(self.folder, 'lock')

    def lock(self, path=None):
        lock = LockFile(path or self.path)
        self.addCleanup(lock.release)
        return lock

    def other(self):
        other = OtherProcess(self.path)
        self.addCleanup(other.kill)
        return other


class TestLockFile(TurnsCase):

    def test_one_process_has_it_and_says_who_it_is(self):
        lock = self.lock()
        self.assertIsNone(lock.take('instance1 (process 12)'))
        other = self.other()
        self.assertEqual('instance1 (process 12)', other.hear())

    def test_another_one_gets_it_when_it_is_released(self):
        other = self.other()
        self.assertEqual('taken', other.hear())
        lock = self.lock()
        self.assertEqual('other (process 1)', lock.take('mine'))
        other.go_on()
        self.assertEqual('released', other.hear())
        self.assertIsNone(lock.take('mine'))
        self.assertEqual('mine', self.lock().take('third'))

    def test_another_one_gets_it_when_its_process_is_killed(self):
        other = self.other()
        self.assertEqual('taken', other.hear())
        lock = self.lock()
        self.assertEqual('other (process 1)', lock.take('mine'))
        other.kill()
        self.assertTrue(until(lambda: lock.take('mine') is None))
        # Nobody is told that it is the dead one who has it.
        self.assertEqual('mine', self.lock().take('third'))

    def test_two_of_one_process_exclude_each_other(self):
        self.assertIsNone(self.lock().take('first'))
        self.assertEqual('first', self.lock().take('second'))

    def test_who_has_it_can_take_it_again(self):
        lock = self.lock()
        self.assertIsNone(lock.take('mine'))
        self.assertIsNone(lock.take('mine'))
        lock.release()
        self.assertIsNone(self.lock().take('second'))

    def test_to_release_what_one_does_not_have_is_nothing(self):
        lock, second = self.lock(), self.lock()
        lock.release()
        lock.take('mine')
        second.take('second')
        second.release()
        self.assertEqual('mine', second.take('second'))

    def test_a_program_that_is_started_meanwhile_does_not_inherit_it(self):
        self.lock().take('mine')
        self.assertEqual(b'', subprocess.Popen(
            [sys.executable, '-c', INHERITED, self.path], close_fds=False,
            stdout=subprocess.PIPE).communicate()[0])

    def test_a_child_that_was_forked_meanwhile_does_not_keep_it(self):
        lock = self.lock()
        lock.take('mine')
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        try:
            lock.release()
            self.assertIsNone(self.lock().take('second'))
        finally:
            os.close(reading)
            os.close(writing)
            os.waitpid(child, 0)

    def test_nobody_else_may_read_or_lock_the_file(self):
        self.lock().take('mine')
        self.assertEqual(0o600, stat.S_IMODE(os.stat(self.path).st_mode))

    def test_the_file_stays(self):
        lock = self.lock()
        lock.take('mine')
        before = os.stat(self.path).st_ino
        lock.release()
        self.assertEqual(before, os.stat(self.path).st_ino)
        self.assertIsNone(self.lock().take('second'))

    def test_a_file_that_was_removed_is_made_again(self):
        lock = self.lock()
        lock.take('mine')
        lock.release()
        os.unlink(self.path)
        self.assertIsNone(lock.take('mine'))
        self.assertEqual('mine', self.lock().take('second'))

    def test_who_has_it_is_one_line_however_it_is_called(self):
        self.lock().take(u'a\nb \xe4 OK ' + 1000 * u'c')
        name = self.lock().take('second')
        self.assertTrue(name.startswith('a b '), name)
        self.assertNotIn('OK', name)
        self.assertTrue(len(name) <= 303, name)

    def test_one_that_has_not_said_yet_who_it_is(self):
        self.lock().take('')
        self.assertEqual('another instance', self.lock().take('second'))


class TestAFileThatIsNotOurs(TurnsCase):

    def assertRefused(self):
        with self.assertRaises(EnvironmentError) as caught:
            self.lock().take('mine')
        self.assertIn(self.path, str(caught.exception))

    def test_a_link_is_not_followed(self):
        target = os.path.join(self.folder, 'target')
        for present in (False, True):
            if present:
                with open(target, 'w') as written:
                    written.write('mine')
                os.unlink(self.path)
            os.symlink(target, self.path)
            self.assertRefused()
        with open(target) as written:
            self.assertEqual('mine', written.read())

    def test_a_file_of_ours_under_another_name_is_not_written_to(self):
        target = os.path.join(self.folder, 'target')
        with open(target, 'w') as written:
            written.write('mine')
        os.link(target, self.path)
        self.assertRefused()
        with open(target) as written:
            self.assertEqual('mine', written.read())

    def test_a_fifo_is_not_waited_for(self):
        os.mkfifo(self.path)
        self.assertRefused()

    def test_a_folder(self):
        os.mkdir(self.path)
        self.assertRefused()

    @unittest.skipUnless(os.geteuid() == 0, 'only root can give files away')
    def test_a_file_of_somebody_else(self):
        with open(self.path, 'w'):
            os.chown(self.path, 12345, 12345)
        self.assertRefused()

    def test_no_descriptor_is_left_open(self):
        os.mkfifo(self.path)
        before = len(os.listdir('/dev/fd'))
        for _ in range(3):
            self.assertRefused()
        os.unlink(self.path)
        self.lock().take('mine')
        for _ in range(3):
            self.lock().take('second')
        self.assertEqual(before + 1, len(os.listdir('/dev/fd')))


class TestThePath(TurnsCase):

    def test_those_that_share_a_server_share_a_file(self):
        paths = set(path_for(DummyStorage("1:('localhost', 8100)"))
                    for _ in range(2))
        paths.add(path_for(DummyStorage("1:('localhost', 8101)")))
        self.assertEqual(2, len(paths))

    def test_a_relstorage_without_a_name_of_its_own(self):
        # As RelStorage 3 and 4 call one of PostgreSQL.
        name = ("RelStorage: <PostgreSQLAdapter at %x history free,"
                "dsn=\"dbname='%s' host='db'\">")
        self.assertEqual(
            path_for(DummyStorage(name % (0x7f1234567890, 'zodb'))),
            path_for(DummyStorage(name % (0x7fabcdef0123, 'zodb'))))
        self.assertNotEqual(
            path_for(DummyStorage(name % (0x7f1234567890, 'zodb'))),
            path_for(DummyStorage(name % (0x7f1234567890, 'other'))))

    def test_it_is_in_the_folder_for_temporary_files(self):
        path = path_for(DummyStorage('x'))
        self.assertEqual(self.folder, os.path.dirname(path))
        self.assertIn('-%d-' % os.geteuid(), path)

    def test_it_tells_nothing(self):
        path = path_for(DummyStorage(u'user=zope password=secret \xe4'))
        name = os.path.basename(path)
        self.assertNotIn('secret', name)
        self.assertRegex(
            name, r'^ftw\.monitor-warmup-\d+-[0-9a-f]{16}\.lock$')

    def test_of_real_storages(self):
        first, second = [
            FileStorage(os.path.join(self.folder, name))
            for name in ('1.fs', '2.fs')]
        self.addCleanup(first.close)
        self.addCleanup(second.close)
        self.assertNotEqual(path_for(first), path_for(second))
        path_for(MappingStorage())


class TestTurns(TurnsCase):

    def setUp(self):
        super(TestTurns, self).setUp()
        self.now = 1000
        patch(self, turns, 'monotonic', lambda: self.now)
        self.log = RecordedLog.installed(self, logging.INFO)
        self.holder = self.turns('holder')

    def turns(self, name='mine', patience=60, key='x'):
        found = Turns(DummyStorage(key), name, patience)
        self.addCleanup(found.give_back)
        return found

    @contextmanager
    def assertLogged(self, *expected):
        del self.log.messages[:]
        yield
        self.assertEqual(list(expected), self.log.messages)

    def test_nobody_waits_if_there_are_none(self):
        for _ in range(2):
            self.assertIsNone(NoTurns().take())
            NoTurns().give_back()

    def test_the_first_one_does_not_wait(self):
        with self.assertLogged():
            self.assertIsNone(self.turns().take())

    def test_one_with_another_database_does_not_wait(self):
        self.assertIsNone(self.turns(key='y').take())
        self.assertIsNone(self.turns().take())

    def test_the_second_one_waits_and_is_told_for_whom(self):
        self.holder.take()
        mine = self.turns()
        name = 'holder (process %d)' % os.getpid()
        with self.assertLogged((
                'INFO', 'Warmup waits for its turn, which %s has; at most'
                ' 60 s.' % name)):
            for _ in range(3):
                self.assertEqual(name, mine.take())
                self.now += 10
        self.holder.give_back()
        with self.assertLogged():
            self.assertIsNone(mine.take())
        self.assertIn('mine', self.holder.take())

    def test_it_waits_until_the_limit_and_warns_once(self):
        self.holder.take()
        mine = self.turns(patience=60)
        self.assertIn('holder', mine.take())
        self.now += 59.9
        self.assertIn('holder', mine.take())
        self.now += 0.2
        with self.assertLogged((
                'WARNING', 'Warmup begins although holder (process %d) still'
                ' has the turn: 60 s were waited. FTW_MONITOR_WARMUP_WAIT is'
                ' the limit.' % os.getpid())):
            self.assertIsNone(mine.take())
        # It has failed, and is tried again.
        mine.give_back()
        with self.assertLogged():
            self.assertIsNone(mine.take())
        self.assertIn('holder', self.turns().take())

    def test_the_limit_is_for_all_the_waiting_and_for_nothing_else(self):
        mine = self.turns(patience=60)
        for _ in range(2):
            self.holder.take()
            self.assertIn('holder', mine.take())
            self.now += 29
            self.assertIn('holder', mine.take())
            self.holder.give_back()
            self.assertIsNone(mine.take())
            # It warms up, fails and pauses.
            self.now += 1000
            mine.give_back()
        self.holder.take()
        with self.assertLogged((
                'INFO', 'Warmup waits for its turn, which holder (process %d)'
                ' has; at most 2 s.' % os.getpid())):
            self.assertIn('holder', mine.take())
        self.now += 3
        self.assertIsNone(mine.take())

    def test_the_name_of_who_has_it_changes(self):
        self.holder.take()
        mine, third = self.turns(), self.turns('third')
        self.assertIn('holder', mine.take())
        self.holder.give_back()
        self.assertIsNone(third.take())
        with self.assertLogged():
            self.assertIn('third', mine.take())

    def test_what_is_not_ours_is_a_warning_and_nobody_waits(self):
        path = path_for(DummyStorage('x'))
        os.symlink('/nowhere', path)
        mine = self.turns()
        self.assertIsNone(mine.take())
        (level, message), = self.log.messages
        self.assertEqual('WARNING', level)
        self.assertTrue(message.startswith(
            'Warmup does not wait for other instances: '), message)
        self.assertTrue(message.endswith(
            '. Mend that, or turn it off by FTW_MONITOR_WARMUP_WAIT=0.'))
        self.assertIn(path, message)
        mine.give_back()
        with self.assertLogged():
            self.assertIsNone(mine.take())

    def test_a_zeo_client_that_was_never_connected(self):
        error = StorageError('no server')
        mine = self.turns(key=error)
        self.assertIsNone(mine.take())
        self.assertIn('no server', self.log.messages[0][1])
        mine.give_back()

    def test_no_folder_for_temporary_files(self):
        patch(self, tempfile, 'tempdir', os.path.join(self.folder, 'none'))
        mine = self.turns()
        self.assertIsNone(mine.take())
        self.assertEqual('WARNING', self.log.messages[0][0])
