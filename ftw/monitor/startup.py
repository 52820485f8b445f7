"""When this process serves visitors: start the monitor and the autowarmup."""

from App.config import getConfiguration
from ftw.monitor import instance
from ftw.monitor import server
from ftw.monitor import settings
from ftw.monitor.address import monitor_addresses
from ftw.monitor.address import OFF
from ftw.monitor.address import TCPAddress
from ftw.monitor.checks.availability import Availability
from ftw.monitor.checks.databases import Databases
from ftw.monitor.checks.http_port import HTTPPortCheck
from ftw.monitor.checks.runner import Runner
from ftw.monitor.checks.workers import WorkersCheck
from ftw.monitor.interfaces import ICheck
from ftw.monitor.interfaces import IChecks
from ftw.monitor.interfaces import IDatabases
from ftw.monitor.interfaces import IHotSetStore
from ftw.monitor.interfaces import ILifecycle
from ftw.monitor.interfaces import IRunningRequests
from ftw.monitor.interfaces import IVirtualHosts
from ftw.monitor.orderly_end import call_before_end
from ftw.monitor.warmup.autowarmup import Autowarmup
from ftw.monitor.warmup.hotset_store import HotSetStore
from ftw.monitor.warmup.saver import Saver
from ftw.monitor.warmup.turns import NoTurns
from ftw.monitor.warmup.turns import Turns
from zope.component import getUtilitiesFor
from zope.component import getUtility
from zope.component import provideUtility
import logging
import os
import Zope2


LOG = logging.getLogger('ftw.monitor')


def start_monitor(event):
    """Subscriber for ``IProcessStarting``: Zope is up, the databases open."""
    try:
        start(instance.current())
    except Exception:
        LOG.exception('The monitor could not be started. This instance serves'
                      ' without it.')


def start(this):
    """Start all that *this* instance (``instance.Instance``) is to have."""
    if this.serves is False or this.name == instance.MAINTENANCE_NAME:
        LOG.debug('No monitor in %s, called by %s.', this.name, this.server)
        return
    configured = settings.read()
    for problem in configured.problems:
        LOG.warning(problem)
    addresses = this.http_addresses()
    where = monitor_addresses(configured.address, addresses)
    if not where and configured.address != OFF:
        LOG.warning(
            'No monitor: the HTTP port of this process cannot be told (%s).'
            ' Set FTW_MONITOR_ADDRESS to have the monitor listen there.',
            this.server)
        return
    if this.serves is None:
        LOG.info('It is not known what serves HTTP here (%s); this process'
                 ' listens on: %s.', this.server,
                 ', '.join(map(str, addresses)) or 'nothing yet')
    http_addresses = HTTPAddresses(this, addresses, where)
    prepare(configured)
    at_the_end = [run_checks(configured, http_addresses)]
    listener = listen(where)
    if listener is not None:
        at_the_end.append(listener.close)
    if configured.autowarmup:
        if configured.hotset != OFF:
            # First, as long as there is time.
            at_the_end.insert(0, keep_hot_set(this, configured))
        warm_up(this, configured, http_addresses)
    call_before_end(getUtility(IDatabases), End(at_the_end))


class HTTPAddresses(object):
    """Where visitors come to; called for a list of addresses.

    :param known: what was known when Zope started.
    :param monitored: where the monitor listens.
    """

    def __init__(self, this, known, monitored):
        self._this = this
        self._known = known
        self._ports = [address.port for address in monitored
                       if isinstance(address, TCPAddress)]

    def __call__(self):
        # If it was not known at first, this process may listen by now. It
        # listens for the monitor, too.
        return self._known or [
            address for address in self._this.http_addresses()
            if address.port not in self._ports]


class End(object):
    """Calls *functions* one after the other, whatever one of them raises."""

    def __init__(self, functions):
        self._functions = functions

    def __call__(self):
        for function in self._functions:
            try:
                function()
            except Exception:
                LOG.exception('%r failed at the end of this process.',
                              function)


def prepare(configured):
    """Make the lifecycle know what is wanted."""
    databases = Databases(Zope2.DB)
    databases.monitor_activity()
    provideUtility(databases, IDatabases)
    lifecycle = getUtility(ILifecycle)
    lifecycle.warmup_timeout = configured.warmup_timeout
    if configured.autowarmup and configured.warmup_required:
        lifecycle.want_warmup()


def run_checks(configured, http_addresses):
    """Begin to ask all checks; return what ends that."""
    databases = getUtility(IDatabases)
    lifecycle = getUtility(ILifecycle)
    checks = Runner(databases, lifecycle.verdict)
    provideUtility(checks, IChecks)
    availability = Availability(
        databases, checks.of_database, configured.database_grace)
    lifecycle.watch_databases(availability)
    checks.add('http', HTTPPortCheck(http_addresses))
    if configured.stuck_after:
        workers = checks.add('workers', WorkersCheck(
            getUtility(IRunningRequests), configured.stuck_after,
            # Workers wait for a database that is away, and with one worker
            # only, the warm-up has it.
            lambda: availability.is_away() or lifecycle.warmup_runs_in_time()))
        lifecycle.require_to_live(workers.name, workers.fault)
    for name, check in sorted(getUtilitiesFor(ICheck)):
        checks.add(name, check)
    for watch in checks.watches():
        if watch.required:
            lifecycle.require(watch.name, watch.fault)
    lifecycle.await_checks(checks.pending)
    checks.start()
    return checks.stop


def listen(addresses):
    """Start the server; return what it is closed by, or None."""
    listener, problems = server.start(addresses)
    for address, error in problems:
        LOG.warning(
            'The monitor cannot listen on %s: %s. Set FTW_MONITOR_ADDRESS to'
            ' have it listen elsewhere.', address, error)
    if listener is not None:
        failed = [address for address, _ in problems]
        LOG.info('The monitor listens on %s.', ', '.join(
            str(address) for address in addresses if address not in failed))
    return listener


def keep_hot_set(this, configured):
    """Let the warm-up have the hot set of an earlier boot, and have that of
    this one saved; return what saves it at the end."""
    path = configured.hotset or os.path.join(
        getConfiguration().clienthome, this.name + '.hotset')
    store = HotSetStore(path, configured.hotset_seed)
    store.check_folder()
    provideUtility(store, IHotSetStore)
    databases = getUtility(IDatabases)
    saver = Saver(store, getUtility(ILifecycle), databases,
                  getUtility(IVirtualHosts).most_visited)
    saver.start()
    return saver.finish


def warm_up(this, configured, http_addresses):
    """Start the autowarmup."""
    turns = NoTurns()
    if configured.warmup_wait:
        turns = Turns(Zope2.DB.storage, this.name, configured.warmup_wait)
    Autowarmup(getUtility(ILifecycle), http_addresses, turns).start()
