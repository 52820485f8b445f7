"""The performer for every Plone site that has no better one."""

from contextlib import contextmanager
from ftw.monitor import settings
from ftw.monitor.checks.databases import is_connected
from ftw.monitor.interfaces import ILifecycle
from ftw.monitor.interfaces import IVirtualHosts
from ftw.monitor.interfaces import IWarmupPerformer
from ftw.monitor.progress import Progress
from ftw.monitor.warmup import btrees
from ftw.monitor.warmup import bulk
from ftw.monitor.warmup import pages
from ftw.monitor.warmup.virtual_hosts import header_of
from ftw.monitor.warmup.virtual_hosts import LOCALHOST
from ftw.monitor.warmup.virtual_hosts import path_at
from ftw.monitor.warmup.visit import BROKEN_SITE
from ftw.monitor.warmup.visit import render
from ftw.monitor.wording import describe
from persistent import Persistent
from Products.CMFCore.utils import getToolByName
from transaction.interfaces import TransientError
from zope.component import getUtility
from zope.interface import implementer
import logging


try:
    from plone.dexterity.interfaces import IDexterityFTI
    from plone.dexterity.schema import SCHEMA_CACHE
except ImportError:
    # Plone 4.3 may be without Dexterity.
    SCHEMA_CACHE = None


LOG = logging.getLogger('ftw.monitor')


@implementer(IWarmupPerformer)
class DefaultWarmupPerformer(object):
    """Loads catalog, registry and schemata, and renders pages.

    Made to be subclassed: change ``WARMUP_INDEXES``, or extend ``perform()``
    with the methods that it calls.

    :cvar WARMUP_INDEXES: the catalog indexes that every query uses.
    """

    WARMUP_INDEXES = ('allowedRolesAndUsers', 'object_provides')

    def __init__(self, context, request):
        self.context = context
        self.request = request
        self.path = '/'.join(context.getPhysicalPath())

    def perform(self):
        """See ``IWarmupPerformer``."""
        for name, step in (('catalog', self.load_catalog),
                           ('registry', self.load_registry),
                           ('schemata', self.load_schemata),
                           ('pages', self.render_pages)):
            if not self.time_is_up(name):
                self.progress.begin_stage(name)
                step()

    def perform_in_thread(self):
        """See ``IWarmupPerformer``: the front page, at each virtual host.

        Plone 6.2 compiles the theme for each thread.
        """
        self.render('')

    @property
    def progress(self):
        """The ``Progress`` of the running warm-up, if there is one."""
        return getUtility(ILifecycle).progress or Progress()

    def time_is_up(self, rest):
        """Whether there is no time for *rest*, the name of the next step."""
        return getUtility(ILifecycle).warmup_time_is_up(
            '%s of %s' % (rest, self.path))

    def warn(self, message, exc_info=None):
        """Warn of what is wrong with this site but no reason to fail.

        :param exc_info: true to have the current traceback in the log.
        """
        getUtility(ILifecycle).warn_of_warmup(
            '%s: %s' % (self.path, message), exc_info)

    # -- the steps

    def load_catalog(self):
        """The catalog's own BTrees, and its ``WARMUP_INDEXES``."""
        try:
            self._load_catalog()
        except BROKEN_SITE as error:
            self.warn('the catalog cannot be loaded: ' + describe(error))

    def _load_catalog(self):
        catalog = getToolByName(self.context, 'portal_catalog')._catalog
        trees = [catalog.uids, catalog.paths, catalog.data]
        for name in self.WARMUP_INDEXES:
            index = catalog.indexes.get(name)
            if index is None:
                self.warn('the catalog has no index %r' % str(name))
                continue
            terms = getattr(index, '_index', None)
            if not isinstance(terms, Persistent):
                self.warn('the catalog index %r is a %s, which has no BTree of'
                          ' terms' % (str(name), type(index).__name__))
                continue
            trees.append(terms)
        # Else the catalog of a large site would leave no room for the site,
        # and its first tree none for the others.
        left = bulk.room(self.context._p_jar) // 2
        nodes = 0
        for number, tree in enumerate(trees):
            share = left // (len(trees) - number)
            loaded = self._load(btrees.load_part(tree, share), 'the catalog')
            left -= loaded
            nodes += loaded
        if not left:
            LOG.info(
                'Warmup of %s: of the catalog, %d objects are loaded, half of'
                ' what its connection cache had room for. A larger cache-size'
                ' of its database would hold more.', self.path, nodes)

    def load_registry(self):
        """The values in the registry, of which each page reads many."""
        registry = getToolByName(self.context, 'portal_registry', None)
        values = getattr(getattr(registry, 'records', None), '_values', None)
        if isinstance(values, Persistent):
            self.load_trees(values)

    def load_schemata(self):
        """The schemata and behaviors of the Dexterity types."""
        if SCHEMA_CACHE is None:
            return
        types = getToolByName(self.context, 'portal_types', None)
        if types is None:
            self.warn('there is no portal_types')
            return
        for fti in types.listTypeInfo():
            if not IDexterityFTI.providedBy(fti):
                continue
            portal_type = fti.getId()
            problem = 'the schema of portal type %r cannot be loaded: ' % (
                portal_type)
            # A type of a product that is gone raises whatever it likes, up to
            # RecursionError.
            with self._warning(problem):
                schema = SCHEMA_CACHE.get(portal_type)
                if hasattr(SCHEMA_CACHE, 'behavior_schema_interfaces'):
                    # The plone.dexterity of Plone 4.3 does not cache these.
                    SCHEMA_CACHE.behavior_schema_interfaces(portal_type)
                SCHEMA_CACHE.subtypes(portal_type)
                if schema is None:
                    self.warn(problem + 'there is none')

    def render_pages(self):
        """The pages that visitors see first, and FTW_MONITOR_WARMUP_PATHS.

        That is the front page, those that ``pages`` finds, and what a Volto
        front end asks first.
        """
        self.render_paths([''])
        self.render_paths(self._found(pages.search, self.request))
        tabs = self._found(pages.navigation, self.request)
        self.render_paths(tabs)
        self.render_paths(self._found(pages.samples, tabs))
        self.render_paths(settings.read().warmup_paths)
        if (self._found(pages.has_rest_api, self.request)
                and not self.time_is_up('the REST API')):
            self._render_at(LOCALHOST, pages.REST_API, 'application/json')

    def _found(self, find, *args):
        with self._warning('%s of the pages failed with ' % find.__name__):
            return find(self.context, *args)
        return ()

    # -- their parts

    def load_trees(self, *trees):
        """Load BTrees or TreeSets, as far as the cache has room."""
        self._load(btrees.load(*trees), 'some trees')

    def load_objects(self, *objects):
        """Load persistent objects, as far as the cache has room."""
        self._load(bulk.load(objects), 'some objects')

    def _load(self, loading, what):
        """Count what *loading* yields, and return how many there were; stop it
        when there is no room or no time."""
        loaded = 0
        try:
            for _ in loading:
                loaded += 1
                self.progress.count(1)
                if self.time_is_up('the rest of ' + what):
                    break
        except bulk.CacheFull:
            LOG.info(
                'Warmup of %s: of %s, %d objects are loaded; then the'
                ' connection cache was full. A larger cache-size of its'
                ' database would hold more.', self.path, what, loaded)
        return loaded

    def render_paths(self, paths):
        """Render the pages at *paths*, relative to the site, if there is time.
        """
        for path in paths:
            if not self.time_is_up('page /' + path):
                self.render(path)

    def render(self, path):
        """Render the page at *path*, relative to the site, as a visitor; the
        front page as the visitors of each virtual host.

        Whatever a page answers is no failure: a broken, forgotten site must
        not take the instance out of service. Losing the database is one.
        """
        hosts = [host for host in getUtility(IVirtualHosts).of_site(self.path)
                 if path_at(host, self.path, path) is not None]
        for host in (hosts[:1] or [LOCALHOST]) if path else hosts:
            self._render_at(host, path)

    def _render_at(self, host, path, accept='text/html'):
        self.progress.count(1)
        url = path_at(host, self.path, path)
        root = self.request['PARENTS'][-1]
        with self._warning('page /%s failed with ' % path):
            status, _ = render(root, url, header_of(host), accept)
            self._raise_if_disconnected()
            if status >= 500 or status == 404:
                self.warn('page /%s answered %d' % (path, status))

    @contextmanager
    def _warning(self, problem):
        """What goes wrong meanwhile is a warning that begins with *problem*;
        that the database is lost is a failure."""
        try:
            yield
        except TransientError:
            raise
        except Exception as error:
            self._raise_if_disconnected()
            self.warn(problem + describe(error), exc_info=True)

    def _raise_if_disconnected(self):
        connection = self.context._p_jar
        if not is_connected(connection.db()):
            raise RuntimeError("Database '%s' disconnected." %
                               connection.db().database_name)
