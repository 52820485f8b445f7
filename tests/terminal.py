"""Where a program of an operator writes to: a terminal, or not."""

from ftw.monitor.compat import PY2
from tests.foreground import begin_session
from tests.loopback import PATIENCE
from tests.loopback import until
import fcntl
import io
import os
import pty
import struct
import subprocess
import termios
import threading


#: As ``sys.stdout`` and ``sys.stderr`` are, for ``str``, in a file or a pipe.
Output = io.BytesIO if PY2 else (
    lambda: io.TextIOWrapper(io.BytesIO(), encoding='ascii'))


def content(output):
    """The bytes that were written to an ``Output``."""
    output.flush()
    return getattr(output, 'buffer', output).getvalue()


def open_terminal(columns=80):
    """Two descriptors: what the user has, and what a program has."""
    master, slave = pty.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ,
                struct.pack('HHHH', 24, columns, 0, 0))
    return master, slave


def read(master):
    """What is shown next, as bytes; nothing if no program has the terminal
    any more."""
    try:
        return os.read(master, 65536)
    except OSError:
        # That is how it ends on Linux.
        return b''


def lines_on_screen(shown):
    """The lines that somebody sees in the end, without trailing blanks.

    :param shown: the bytes that came.
    """
    lines = []
    for line in shown.decode('utf-8').split('\n'):
        seen = ''
        for text in line.split('\r'):
            seen = text + seen[len(text):]
        lines.append(seen.rstrip())
    return lines


class TerminalProcess(object):
    """A program on a terminal of its own, for which Ctrl-C is a signal.

    :ivar shown: all bytes that came so far.
    """

    def __init__(self, command, columns=80, **options):
        self.shown = b''
        self._master, slave = open_terminal(columns)

        def take_terminal():
            begin_session()
            # It is its standard input by now.
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave,
            preexec_fn=take_terminal, **options)
        os.close(slave)
        self._reader = threading.Thread(target=self._read)
        self._reader.daemon = True
        self._reader.start()

    def _read(self):
        part = read(self._master)
        while part:
            self.shown += part
            part = read(self._master)

    def type(self, text):
        """Type *text*: bytes."""
        os.write(self._master, text)

    def wait(self):
        """Wait until it ends; return its exit status."""
        if not until(lambda: self.process.poll() is not None):
            raise AssertionError('It does not end: %r' % self.shown)
        self._reader.join(PATIENCE)
        return self.process.returncode

    def close(self):
        """End it if it has not ended, and close its terminal."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(PATIENCE)
        os.close(self._master)
