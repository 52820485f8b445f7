"""The thread that lets a booting instance warm itself up."""

from ftw.monitor.compat import HTTPConnection
from ftw.monitor.compat import HTTPException
from ftw.monitor.compat import native
from ftw.monitor.warmup.view import SUCCESS
from ftw.monitor.wording import describe
from ftw.monitor.wording import message_of
from ftw.monitor.wording import one_line
from math import ceil
import logging
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
    """

    def __init__(self, lifecycle, http_addresses):
        super(Autowarmup, self).__init__(name='ftw.monitor.autowarmup')
        self.daemon = True
        self._lifecycle = lifecycle
        self._http_addresses = http_addresses
        self._stopped = threading.Event()

    def stop(self):
        """Make no further attempt."""
        self._stopped.set()

    def run(self):
        polls = 0
        while not (self._lifecycle.warmup_done or self._stopped.is_set()):
            try:
                if not self._lifecycle.warmup_in_progress:
                    self._attempt()
                pause = self._lifecycle.warmup_retry_pause()
                if pause and not any(self._lifecycle.warmup_state()):
                    LOG.warning('Warmup failed: %s. Next try in %d s.',
                                self._lifecycle.warmup_failure, ceil(pause))
            except Unreachable as error:
                polls += 1
                pause = 0
                if polls == round(PATIENCE / POLL_INTERVAL):
                    LOG.warning(
                        'Autowarmup still waits for the HTTP port: %s.'
                        ' FTW_MONITOR_AUTOWARMUP=0 turns it off.', error)
            except Exception as error:
                LOG.exception('Autowarmup failed.')
                self._lifecycle.fail_warmup(describe(error))
                pause = self._lifecycle.warmup_retry_pause()
            self._stopped.wait(pause or POLL_INTERVAL)

    def _attempt(self):
        connected, address = self._connect()
        url = 'http://%s/@@warmup' % (address,)
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
        finally:
            connected.close()
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
        connection.request('GET', '/@@warmup')
        response = connection.getresponse()
        return response.status, native(
            response.read(1000).decode('utf-8', 'replace'))
