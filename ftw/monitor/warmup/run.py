"""One warm-up: every site, in the connection of every worker."""

from contextlib import contextmanager
from ftw.monitor import instance
from ftw.monitor.checks.databases import server_link
from ftw.monitor.checks.databases import server_session
from ftw.monitor.compat import monotonic
from ftw.monitor.interfaces import IHotSetStore
from ftw.monitor.interfaces import IVirtualHosts
from ftw.monitor.interfaces import IWarmupPerformer
from ftw.monitor.warmup.replay import replay
from ftw.monitor.warmup.visit import BROKEN_SITE
from ftw.monitor.warmup.visit import visit
from ftw.monitor.wording import describe
from OFS.interfaces import IFolder
from Products.CMFCore.interfaces import ISiteRoot
from transaction import TransactionManager
from ZODB.POSException import POSKeyError
from zope.component import getMultiAdapter
from zope.component import getUtility
from zope.component import queryUtility
import logging


LOG = logging.getLogger('ftw.monitor')


class WarmupFailed(Exception):
    """A performer has raised, or a database was lost; the message says which
    one, where and what."""


def find_sites(container):
    """The paths of all Plone sites in *container*, also those in folders and
    on mount points."""
    paths = []
    for item in container.objectValues():
        try:
            # The Control_Panel of Plone 4.3 has items that are not stored.
            if hasattr(item, '_p_activate'):
                item._p_activate()
        except POSKeyError:
            LOG.warning('Warmup: %s/%s cannot be loaded.',
                        '/'.join(container.getPhysicalPath()), item.getId(),
                        exc_info=True)
            continue
        if ISiteRoot.providedBy(item):
            paths.append('/'.join(item.getPhysicalPath()))
        elif IFolder.providedBy(item) and not _is_user_folder(item):
            paths.extend(find_sites(item))
    return paths


def _is_user_folder(item):
    return item.getId() == 'acl_users'


def warm_up(app, sites, lifecycle):
    """Warm up the *sites* (their paths) for every worker.

    A worker takes any connection from the pool, so as many as there are
    workers are held open at the same time and warmed one after the other. One
    of them is the connection that *app*, the application root, belongs to.
    Site by site, so that a time limit leaves whole sites cold, not workers.
    What has been used before a restart comes first, once.

    Raises ``WarmupFailed``.
    """
    hot_set = None if lifecycle.warmup_done else load_hot_set(lifecycle)
    progress = lifecycle.progress
    with worker_connections(app._p_jar) as connections:
        progress.workers = len(connections)
        progress.steps = len(connections) * (
            len(sites) + (1 if hot_set else 0))
        LOG.info('Warmup begins. Workers: %d. Sites: %s.',
                 len(connections), ', '.join(sites) or 'none')
        if hot_set:
            replay_in_all(hot_set, connections, lifecycle)
        for path in sites:
            progress.site = path
            warm_up_site(path, connections, lifecycle)
        LOG.info('Warmup ends after %.1f s.', progress.seconds())


@contextmanager
def no_server_lost(connections):
    """Raise ``WarmupFailed`` if a database loses its server meanwhile.

    It may be back before a performer has noticed, and code that catches all
    exceptions has left out something by then.
    """
    links = server_links(connections)
    yield
    now = server_links(connections)
    for (name, worker), link in sorted(links.items()):
        if now.get((name, worker)) != link:
            raise WarmupFailed(
                "Database '%s' was disconnected for a moment" % name)


def server_links(connections):
    """``{(name, worker): link}`` of all databases of the multi-database, for
    all of them together (worker 0) and for each of the *connections*."""
    links = {(name, 0): server_link(database) for name, database in
             dict(connections[0].db().databases).items()}
    for worker, connection in enumerate(connections, 1):
        for name, each in dict(connection.connections).items():
            session = server_session(each)
            if session is not None:
                links[name, worker] = session
    return links


def load_hot_set(lifecycle):
    """The ``HotSet`` of a boot before, or None."""
    store = queryUtility(IHotSetStore)
    hot_set = store.load() if store is not None else None
    if hot_set is not None:
        lifecycle.previous_warmup_seconds = hot_set.warmup_seconds
        hosts = getUtility(IVirtualHosts)
        for host in hot_set.hosts:
            hosts.count(host)
    return hot_set


def replay_in_all(hot_set, connections, lifecycle):
    """Load the objects of *hot_set* in each of the *connections*."""
    began = monotonic()
    lifecycle.warmup_performer_runs('loading the hot set')
    with no_server_lost(connections):
        for _, connection in each_worker(connections, 'hot set', lifecycle):
            replay(hot_set, connection, lifecycle)
    lifecycle.warmup_performer_runs(None)
    LOG.info('Warmup: the hot set is loaded after %.1f s; objects in the cache'
             ' of each worker: %s.', monotonic() - began, ', '.join(
                 str(connection._cache.cache_non_ghost_count)
                 for connection in connections))


def warm_up_site(path, connections, lifecycle):
    """Warm up the site at *path* in each of the *connections*, and then in
    each thread."""
    began = monotonic()
    objects = []
    with no_server_lost(connections):
        for worker, connection in each_worker(connections, path, lifecycle):
            perform(connection.root()['Application'], path, worker, lifecycle)
            objects.append(connection._cache.cache_non_ghost_count)
        if objects:
            warm_up_threads(path, connections, lifecycle)
    if objects:
        LOG.info('Warmup: %s is warm after %.1f s; objects in the cache of'
                 ' each worker: %s.', path, monotonic() - began,
                 ', '.join(map(str, objects)))


def each_worker(connections, what, lifecycle):
    """Yield ``(worker, connection)``, from 1 on, as long as there is time for
    *what*; one for each step of the progress."""
    for worker, connection in enumerate(connections, 1):
        if not lifecycle.warmup_time_is_up('%s for worker %d' % (
                what, worker)):
            lifecycle.progress.worker = worker
            yield worker, connection
            lifecycle.progress.step += 1


def warm_up_threads(path, connections, lifecycle):
    """Have the performer of the site at *path* called in each other thread.

    One after the other, so one connection will do. It has to be one with a
    transaction manager of its own, since that of this thread's connection
    knows no other thread.
    """
    if (len(connections) < 2
            or lifecycle.warmup_time_is_up('threads for %s' % path)):
        return
    lifecycle.progress.begin_stage('threads')
    app = connections[1].root()['Application']
    asleep = instance.call_in_other_workers(lambda: perform(
        app, path, 0, lifecycle, 'perform_in_thread'))
    if asleep:
        LOG.info('Warmup of %s: %d threads were busy, and are warmed by their'
                 ' next visitors.', path, asleep)


@contextmanager
def worker_connections(own):
    """As many open connections as there are workers, *own* the first one.

    Not more than the pool keeps: further ones would be thrown away.
    """
    database = own.db()
    wanted = min(instance.worker_threads(), database.getPoolSize())
    connections = [own]
    try:
        while len(connections) < wanted:
            connections.append(database.open(TransactionManager()))
        yield connections
    finally:
        for connection in connections[1:]:
            try:
                connection.transaction_manager.abort()
                connection.close()
            except Exception:
                # Of a database that is lost; the others go back to the pool.
                LOG.exception('Warmup: a connection could not be closed.')


def perform(app, path, worker, lifecycle, method='perform'):
    """Call the performer of the site at *path* in the connection of *app*.

    A site that is there, but can't even be visited, answers every visitor with
    an error. It is a warning, as its pages are: a broken, forgotten site must
    not take the instance out of service.
    """
    visited = False
    try:
        with visit(app, path) as (site, request):
            visited = True
            _call_performer(
                site, request, path, worker, lifecycle, method)
    except BROKEN_SITE as error:
        if visited or app.unrestrictedTraverse(path, None) is None:
            raise
        lifecycle.warn_of_warmup('%s cannot be visited: %s' % (
            path, describe(error)))


def _call_performer(site, request, path, worker, lifecycle, method):
    """Look up the performer of *site*, and call its *method*; if it has it,
    unless that is ``perform``.

    Raises ``WarmupFailed``.
    """
    name = 'the performer'
    try:
        performer = getMultiAdapter((site, request), IWarmupPerformer)
        name = '%s.%s' % (
            type(performer).__module__, type(performer).__name__)
        lifecycle.warmup_performer_runs(name)
        if method == 'perform' or hasattr(performer, method):
            getattr(performer, method)()
    except Exception as error:
        LOG.exception('Warmup: %s failed for %s, worker %d.',
                      name, path, worker)
        raise WarmupFailed('%s for %s: %s' % (name, path, describe(error)))
    finally:
        lifecycle.warmup_performer_runs(None)
