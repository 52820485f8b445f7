"""The thread that lets a booting instance warm itself up."""

from contextlib import closing
from ftw.monitor.address import TCPAddress
from ftw.monitor.compat import HTTPConnection
from ftw.monitor.compat import HTTPException
from ftw.monitor.compat import native
from ftw.monitor.warmup.view import SUCCESS
from ftw.monitor.wording import describe
from ftw.monitor.wording import message_of
from ftw.monitor.wording import one_line
from math import ceil
import logging
import socket
import threading


LOG = logging.getLogger('ftw.monitor')

#: Seconds between two attempts to reach the HTTP port, or to see an end.
POLL_INTERVAL = 0.2

#: Seconds without an HTTP port until the log says so.
PATIENCE = 60

#: Seconds that the answer may come later than the warm-up's time limit.
GRACE = 30


class Unreachable(Exception):
    """Nothing accepts connections on the HTTP port, so far."""


class Autowarmup(threading.Thread):
    """Asks this process's own HTTP port for ``/@@warmup`` until it is warm.

    Blocks in its own sockets and in waiting between the attempts, and ends
    after the first success. Over HTTP, since that is what shows that the
    port serves, and since it happens in a worker, as any visit.

    :param lifecycle: the ``Lifecycle`` of this process.
    :param http_addresses: called for each attempt, it returns the addresses
        where this process serves HTTP, as far as known by then.
    :param turns: ``Turns`` or ``NoTurns``: whether other instances go first.
    """

    def __init__(self, lifecycle, http_addresses, turns):
        super(Autowarmup, self).__init__(name='ftw.monitor.autowarmup')
        self.daemon = True
        self._lifecycle = lifecycle
        self._http_addresses = http_addresses
        self._turns = turns
        self._polls = 0
        self._stopped = threading.Event()
        lifecycle.autowarmup_runs = True

    def stop(self):
        """Make no further attempt."""
        self._stopped.set()

    def run(self):
        try:
            while not (self._lifecycle.warmup_done
                       or self._stopped.is_set()):
                self._stopped.wait(self._go_on() or POLL_INTERVAL)
        finally:
            self._turns.give_back()
            self._lifecycle.warmup_waiting_for = None
            self._lifecycle.autowarmup_runs = False

    def _go_on(self):
        """Do what is to be done now; return for how long to pause then."""
        try:
            if not self._lifecycle.warmup_in_progress:
                self._attempt()
            pause = self._lifecycle.warmup_retry_pause()
            if pause and not any(self._lifecycle.warmup_state()):
                LOG.warning('Warmup failed: %s. Next try in %d s.',
                            self._lifecycle.warmup_failure, ceil(pause))
            return pause
        except Unreachable as error:
            self._polls += 1
            if self._polls == round(PATIENCE / POLL_INTERVAL):
                LOG.warning(
                    'Autowarmup still waits for the HTTP port: %s.'
                    ' FTW_MONITOR_AUTOWARMUP=0 turns it off.', error)
            return 0
        except Exception as error:
            LOG.exception('Autowarmup failed.')
            self._lifecycle.fail_warmup(describe(error))
            return self._lifecycle.warmup_retry_pause()
        finally:
            # Also for as long as a failed one pauses.
            if not self._lifecycle.warmup_in_progress:
                self._turns.give_back()

    def _attempt(self):
        # First, since nobody should wait for an instance that cannot begin.
        connected, address = self._connect()
        with closing(connected):
            self._lifecycle.warmup_waiting_for = self._turns.take()
            if not self._lifecycle.warmup_waiting_for:
                self._ask(connected, 'http://%s/@@warmup' % (address,))

    def _ask(self, connected, url):
        try:
            status, text = self._get(connected)
        except (EnvironmentError, HTTPException) as error:
            problem = 'GET %s: %s' % (url, describe(error))
            if self._lifecycle.warmup_in_progress:
                # It goes on without us; what it is at is in the verdict.
                LOG.warning('Autowarmup: %s. %s.', problem,
                            self._lifecycle.verdict())
            self._fail(problem)
            return
        if status == 200 and text == SUCCESS:
            if not self._lifecycle.warmup_done:
                self._fail('GET %s: the answer comes from another process,'
                           ' or not from the application root' % url)
        elif not (status == 503 and text.startswith('Warmup ')):
            self._fail('GET %s answered %d %s' % (url, status, text[:60]))

    def _fail(self, reason):
        # A warm-up that somebody else has begun meanwhile speaks for itself.
        if not self._lifecycle.warmup_in_progress:
            self._lifecycle.fail_warmup(one_line(reason))

    def _connect(self):
        errors = []
        for address in self._http_addresses():
            try:
                return address.connect(self._lifecycle.warmup_timeout
                                       + GRACE), address
            except EnvironmentError as error:
                errors.append('%s: %s' % (address, message_of(error)))
        raise Unreachable(', '.join(errors)
                          or 'this process listens on none')

    @staticmethod
    def _get(connected):
        # Past every proxy setting: the socket is given.
        connection = HTTPConnection('localhost')
        connection.sock = connected
        connection.request(
            'GET', '/@@warmup', headers={'Host': host_of(connected)})
        response = connection.getresponse()
        return response.status, native(
            response.read(1000).decode('utf-8', 'replace'))


def host_of(connected):
    """Where a socket is connected to, as a ``Host`` header.

    The warm-up takes it for one that visitors may use.
    """
    if connected.family == socket.AF_UNIX:
        return 'localhost'
    return str(TCPAddress(*connected.getpeername()[:2]))
