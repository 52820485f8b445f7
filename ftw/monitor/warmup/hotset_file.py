"""The file of a hot set."""

from ftw.monitor.warmup.hotset import FIRST_LINE
from ftw.monitor.warmup.hotset import HotSetError
from ftw.monitor.warmup.hotset import MAX_SIZE
from ftw.monitor.warmup.hotset import parse
from ftw.monitor.warmup.hotset import serialize
from ftw.monitor.wording import message_of
import errno
import os
import tempfile


class HotSetMissing(HotSetError):
    """There is no such file."""


def read(path):
    """The ``HotSet`` in the file at *path*.

    Raises ``HotSetError``, with a whole sentence, and ``HotSetMissing`` if
    there is no file.
    """
    # To open a pipe would be to wait for somebody who writes into it.
    if os.path.exists(path) and not os.path.isfile(path):
        raise HotSetError('%s is not a regular file' % path)
    try:
        with open(path, 'rb') as source:
            data = source.read(len(FIRST_LINE))
            # Of what is something else nothing more is wanted.
            if data == FIRST_LINE:
                data += source.read(MAX_SIZE + 1 - len(data))
    except EnvironmentError as error:
        if error.errno == errno.ENOENT:
            raise HotSetMissing('%s does not exist' % path)
        raise HotSetError('%s cannot be read: %s' % (path, reason(error)))
    try:
        return parse(data)
    except HotSetError as error:
        raise HotSetError('%s %s' % (path, message_of(error)))


def write(path, hot_set):
    """Make or replace the file at *path*, for nobody but its owner.

    At any moment there is the old one or the new one, whole. Raises
    ``HotSetError``, with a whole sentence.
    """
    try:
        _replace(path, serialize(hot_set))
    except EnvironmentError as error:
        raise HotSetError('%s cannot be written: %s' % (path, reason(error)))
    except HotSetError as error:
        raise HotSetError('%s cannot be written: %s' % (
            path, message_of(error)))


def _replace(path, data):
    # What mkstemp makes, only its owner can read. A name of its own for each,
    # for two instances that were given the same path.
    descriptor, temporary = tempfile.mkstemp(
        prefix=os.path.basename(path) + '.', suffix='.new',
        dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, 'wb') as target:
            target.write(data)
            target.flush()
            os.fsync(target.fileno())
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def reason(error):
    """What an ``EnvironmentError`` says, without the path."""
    return error.strerror or message_of(error)
