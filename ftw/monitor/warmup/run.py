"""One warm-up: every site, in the connection of every worker."""

from contextlib import contextmanager
from ftw.monitor import instance
from ftw.monitor.interfaces import IWarmupPerformer
from ftw.monitor.warmup.visit import BROKEN_SITE
from ftw.monitor.warmup.visit import visit
from ftw.monitor.wording import describe
from OFS.interfaces import IFolder
from Products.CMFCore.interfaces import ISiteRoot
from transaction import TransactionManager
from ZODB.POSException import POSKeyError
from zope.component import getMultiAdapter
import logging
import time


LOG = logging.getLogger('ftw.monitor')


class WarmupFailed(Exception):
    """A performer has raised; the message says which one, where and what."""


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
    """Warm up the *sites* (their paths) for every worker thread.

    A worker takes any connection from the pool, so as many as there are
    workers are held open at the same time and warmed one after the other. One
    of them is the connection that *app*, the application root, belongs to.
    Site by site, so that a time limit leaves whole sites cold, not workers.

    Raises ``WarmupFailed``.
    """
    with worker_connections(app._p_jar) as connections:
        LOG.info('Warmup begins. Workers: %d. Sites: %s.',
                 len(connections), ', '.join(sites) or 'none')
        began = time.time()
        for path in sites:
            warm_up_site(path, connections, lifecycle)
        LOG.info('Warmup ends after %.1f s.', time.time() - began)


def warm_up_site(path, connections, lifecycle):
    """Warm up the site at *path* in each of the *connections*."""
    began = time.time()
    objects = []
    for worker, connection in enumerate(connections, 1):
        if not lifecycle.warmup_time_is_up(
                '%s for worker %d' % (path, worker)):
            perform(connection.root()['Application'], path, worker, lifecycle)
            objects.append(connection._cache.cache_non_ghost_count)
    if objects:
        LOG.info('Warmup: %s is warm after %.1f s; objects in the cache of'
                 ' each worker: %s.', path, time.time() - began,
                 ', '.join(map(str, objects)))


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


def perform(app, path, worker, lifecycle):
    """Call the performer of the site at *path* in the connection of *app*.

    A site that is there, but can't even be visited, answers every visitor with
    an error. It is a warning, as its pages are: a broken, forgotten site must
    not take the instance out of service.
    """
    visited = False
    try:
        with visit(app, path) as (site, request):
            visited = True
            _call_performer(site, request, path, worker, lifecycle)
    except BROKEN_SITE as error:
        if visited or app.unrestrictedTraverse(path, None) is None:
            raise
        lifecycle.warn_of_warmup('%s cannot be visited: %s' % (
            path, describe(error)))


def _call_performer(site, request, path, worker, lifecycle):
    """Look up the performer of *site*, and call it.

    Raises ``WarmupFailed``.
    """
    name = 'the performer'
    try:
        performer = getMultiAdapter((site, request), IWarmupPerformer)
        name = '%s.%s' % (
            type(performer).__module__, type(performer).__name__)
        lifecycle.warmup_performer_runs(name)
        performer.perform()
    except Exception as error:
        LOG.exception('Warmup: %s failed for %s, worker %d.',
                      name, path, worker)
        raise WarmupFailed('%s for %s: %s' % (name, path, describe(error)))
    finally:
        lifecycle.warmup_performer_runs(None)
