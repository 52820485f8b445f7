from ftw.monitor.warmup import hotset_file
from ftw.monitor.warmup.hotset import HotSet
from ftw.monitor.warmup.hotset import HotSetError
from ftw.monitor.warmup.hotset import MAX_SIZE
from ftw.monitor.warmup.hotset import serialize
from ftw.monitor.warmup.hotset_file import HotSetMissing
from ftw.monitor.warmup.hotset_file import read
from ftw.monitor.warmup.hotset_file import write
from tests.loopback import until
from tests.patch import patch
import errno
import os
import shutil
import stat
import tempfile
import threading
import unittest


def make_hot_set(count=3, saved=1760000000):
    return HotSet(saved, None, [], {
        'main': (b'\x01' * 8, [b'\x02' * 8] * count)})


class HotSetFileCase(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='ftwm-hotset-')
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, 'instance.hotset')

    def put(self, data):
        with open(self.path, 'wb') as target:
            target.write(data)

    def content(self):
        with open(self.path, 'rb') as source:
            return source.read()

    def assertOnlyTheFile(self):
        self.assertEqual(['instance.hotset'], os.listdir(self.folder))


class TestRead(HotSetFileCase):

    def assertNotRead(self, *parts):
        with self.assertRaises(HotSetError) as caught:
            read(self.path)
        message = str(caught.exception)
        self.assertTrue(message.startswith(self.path + ' '), message)
        for part in parts:
            self.assertIn(part, message)
        return caught.exception

    def test_what_was_written(self):
        write(self.path, make_hot_set())
        self.assertEqual(vars(make_hot_set()), vars(read(self.path)))

    def test_none(self):
        self.assertIsInstance(
            self.assertNotRead('does not exist'), HotSetMissing)

    def test_none_in_a_folder_that_is_none(self):
        self.path = os.path.join(self.folder, 'no', 'instance.hotset')
        self.assertIsInstance(
            self.assertNotRead('does not exist'), HotSetMissing)

    def test_a_link_to_nothing(self):
        os.symlink(os.path.join(self.folder, 'nothing'), self.path)
        self.assertIsInstance(
            self.assertNotRead('does not exist'), HotSetMissing)

    def test_a_folder(self):
        os.mkdir(self.path)
        self.assertNotRead('is not a regular file')

    def test_a_pipe_that_nobody_writes_into(self):
        os.mkfifo(self.path)
        self.assertNotRead('is not a regular file')

    def test_one_that_this_process_must_not_read(self):
        self.put(serialize(make_hot_set()))

        def refuse(*args):
            # root may read everything.
            raise IOError(errno.EACCES, 'Permission denied', self.path)

        patch(self, hotset_file, 'open', refuse)
        error = self.assertNotRead('cannot be read: Permission denied')
        self.assertNotIsInstance(error, HotSetMissing)

    def test_an_empty_one(self):
        self.put(b'')
        self.assertNotRead('is empty')

    def test_one_that_is_something_else_is_not_read_as_a_whole(self):
        self.put(b'')
        # A sparse file, of more than there is memory.
        with open(self.path, 'r+b') as target:
            target.truncate(2 ** 40)
        self.assertNotRead('is not a hot set')

    def test_one_that_only_begins_as_a_hot_set_is_not_read_as_a_whole(self):
        self.put(b'ftw.monitor hot set 1\n')
        with open(self.path, 'r+b') as target:
            target.truncate(2 ** 40)
        self.assertNotRead('has more than %d bytes' % MAX_SIZE)

    def test_one_that_is_truncated(self):
        self.put(serialize(make_hot_set())[:-1])
        self.assertNotRead('is damaged or not complete')


class TestWrite(HotSetFileCase):

    def assertNotWritten(self, hot_set, *parts):
        with self.assertRaises(HotSetError) as caught:
            write(self.path, hot_set)
        message = str(caught.exception)
        self.assertTrue(
            message.startswith(self.path + ' cannot be written: '), message)
        for part in parts:
            self.assertIn(part, message)

    def test_only_the_owner_can_read_it(self):
        self.addCleanup(os.umask, os.umask(0))
        write(self.path, make_hot_set())
        self.assertEqual(
            0o600, stat.S_IMODE(os.stat(self.path).st_mode))

    def test_nothing_else_is_left(self):
        write(self.path, make_hot_set())
        write(self.path, make_hot_set())
        self.assertOnlyTheFile()

    def test_a_reader_gets_the_old_one_or_the_new_one(self):
        sets = [make_hot_set(10, 10), make_hot_set(20000, 20000)]
        write(self.path, sets[0])
        seen = []
        ended = threading.Event()

        def keep_writing():
            while not ended.is_set():
                for hot_set in sets:
                    write(self.path, hot_set)

        def look():
            hot_set = read(self.path)
            self.assertEqual(hot_set.saved, hot_set.count())
            seen.append(hot_set.saved)
            return len(seen) > 20 and set(seen) == {10, 20000}

        writers = [threading.Thread(target=keep_writing) for _ in range(2)]
        for writer in writers:
            writer.start()
        try:
            self.assertTrue(until(look))
        finally:
            ended.set()
            for writer in writers:
                writer.join()
        self.assertOnlyTheFile()

    def test_no_folder(self):
        self.path = os.path.join(self.folder, 'no', 'instance.hotset')
        self.assertNotWritten(make_hot_set(), 'No such file or directory')

    def test_a_folder_in_its_place(self):
        os.mkdir(self.path)
        self.assertNotWritten(make_hot_set(), 'directory')
        self.assertOnlyTheFile()

    def test_a_full_disk_leaves_the_old_one(self):
        write(self.path, make_hot_set())
        before = self.content()

        def fail(descriptor):
            raise OSError(errno.ENOSPC, 'No space left on device')

        patch(self, os, 'fsync', fail)
        self.assertNotWritten(make_hot_set(5), 'No space left on device')
        self.assertEqual(before, self.content())
        self.assertOnlyTheFile()

    def test_the_end_of_the_process_meanwhile_leaves_the_old_one(self):
        write(self.path, make_hot_set())
        before = self.content()

        def end(descriptor):
            raise SystemExit()

        patch(self, os, 'fsync', end)
        with self.assertRaises(SystemExit):
            write(self.path, make_hot_set(5))
        self.assertEqual(before, self.content())
        self.assertOnlyTheFile()

    def test_one_that_cannot_be_read_again(self):
        hot_set = make_hot_set()
        hot_set.databases['main'][1].append(b'short')
        self.assertNotWritten(hot_set, 'short')
        self.assertEqual([], os.listdir(self.folder))
