"""When this process serves visitors: start the monitor and the autowarmup."""

from App.config import getConfiguration
from ftw.monitor import instance
from ftw.monitor import server
from ftw.monitor import settings
from ftw.monitor.address import monitor_addresses
from ftw.monitor.address import OFF
from ftw.monitor.address import TCPAddress
from ftw.monitor.checks.databases import Databases
from ftw.monitor.interfaces import IDatabases
from ftw.monitor.interfaces import IHotSetStore
from ftw.monitor.interfaces import ILifecycle
from ftw.monitor.interfaces import IVirtualHosts
from ftw.monitor.orderly_end import call_before_end
from ftw.monitor.warmup.autowarmup import Autowarmup
from ftw.monitor.warmup.hotset_store import HotSetStore
from ftw.monitor.warmup.saver import Saver
from ftw.monitor.warmup.turns import NoTurns
from ftw.monitor.warmup.turns import Turns
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
    prepare(configured)
    listen(where)
    if configured.autowarmup:
        if configured.hotset != OFF:
            keep_hot_set(this, configured)
        warm_up(this, configured, addresses, where)


def prepare(configured):
    """Make the lifecycle know what to watch and what is wanted."""
    databases = Databases(Zope2.DB)
    databases.monitor_activity()
    provideUtility(databases, IDatabases)
    lifecycle = getUtility(ILifecycle)
    lifecycle.watch_databases(databases)
    lifecycle.warmup_timeout = configured.warmup_timeout
    if configured.autowarmup and configured.warmup_required:
        lifecycle.want_warmup()


def listen(addresses):
    """Start the server."""
    listener, problems = server.start(addresses)
    for address, error in problems:
        LOG.warning(
            'The monitor cannot listen on %s: %s. Set FTW_MONITOR_ADDRESS to'
            ' have it listen elsewhere.', address, error)
    if listener is not None:
        failed = [address for address, _ in problems]
        LOG.info('The monitor listens on %s.', ', '.join(
            str(address) for address in addresses if address not in failed))


def keep_hot_set(this, configured):
    """Let the warm-up have the hot set of an earlier boot, and have that of
    this one saved."""
    path = configured.hotset or os.path.join(
        getConfiguration().clienthome, this.name + '.hotset')
    store = HotSetStore(path, configured.hotset_seed)
    store.check_folder()
    provideUtility(store, IHotSetStore)
    databases = getUtility(IDatabases)
    saver = Saver(store, getUtility(ILifecycle), databases,
                  getUtility(IVirtualHosts).most_visited)
    saver.start()
    call_before_end(databases, saver.finish)


def warm_up(this, configured, http_addresses, monitored):
    """Start the autowarmup."""

    def addresses():
        # If it was not known at first, this process may listen by now. It
        # listens for the monitor, too.
        ports = [address.port for address in monitored
                 if isinstance(address, TCPAddress)]
        return http_addresses or [
            address for address in this.http_addresses()
            if address.port not in ports]

    turns = NoTurns()
    if configured.warmup_wait:
        turns = Turns(Zope2.DB.storage, this.name, configured.warmup_wait)
    Autowarmup(getUtility(ILifecycle), addresses, turns).start()
