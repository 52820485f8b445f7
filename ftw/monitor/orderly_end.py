"""What is to be done before this process ends, if it ends in an orderly way.

There is no event that tells of it, and no single place that every way of
ending a process leads through:

- Zope closes its databases: with ZServer on SIGTERM, SIGINT, SIGHUP and from
  the control panel; with waitress on SIGINT. Then the caches are emptied, and
  only after that the functions of ``atexit`` are called.
- Another WSGI server ends Python and closes no database: ``atexit``.
- waitress on SIGTERM: the process is killed, without another line of Python.
"""

from functools import wraps
import atexit
import logging
import os
import signal


LOG = logging.getLogger('ftw.monitor')


def call_before_end(databases, function):
    """Have *function* called before this process ends.

    It has to be quick, and may be called several times, by each of the ways
    that this process is ended in. To be called by the main thread.

    :param databases: an ``IDatabases``; all of them are open.
    """
    for name in databases.names():
        _call_before_close(databases.get(name), function)
    atexit.register(function)
    _call_before_sigterm(function)


def _call_before_close(database, function):
    close = database.close

    @wraps(close)
    def wrapped():
        function()
        close()

    # ZODB replaces it, too, when it is called.
    database.close = wrapped


def _call_before_sigterm(function):
    """If SIGTERM kills this process, it shall still do so, but not at once.

    Who handles the signal knows how to end the process.
    """
    if signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        return

    def handle(number, frame):
        # The second one kills at once.
        signal.signal(number, signal.SIG_DFL)
        try:
            function()
        finally:
            os.kill(os.getpid(), number)

    try:
        signal.signal(signal.SIGTERM, handle)
    except ValueError as error:
        # Not the main thread: something else than Zope's scripts has started
        # this process, and is in charge of its signals.
        LOG.info('SIGTERM ends this process without notice: %s.', error)
