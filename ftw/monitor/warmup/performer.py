"""The performer for every Plone site that has no better one."""

from ftw.monitor import settings
from ftw.monitor.checks.databases import is_connected
from ftw.monitor.interfaces import ILifecycle
from ftw.monitor.interfaces import IWarmupPerformer
from ftw.monitor.warmup import btrees
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
    """Loads the catalog and the schemata, and renders the front page.

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
                           ('schemata', self.load_schemata),
                           ('pages', self.render_pages)):
            if not self.time_is_up(name):
                step()

    def time_is_up(self, rest):
        """Whether there is no time for *rest*, the name of the next step."""
        return getUtility(ILifecycle).warmup_time_is_up(
            '%s of %s' % (rest, self.path))

    def warn(self, message):
        """Warn of what is wrong with this site but no reason to fail."""
        getUtility(ILifecycle).warn_of_warmup(
            '%s: %s' % (self.path, message))

    # -- the steps

    def load_catalog(self):
        """The catalog's own BTrees, and its ``WARMUP_INDEXES``."""
        try:
            self._load_catalog()
        except BROKEN_SITE as error:
            self.warn('the catalog cannot be loaded: ' + describe(error))

    def _load_catalog(self):
        catalog = getToolByName(self.context, 'portal_catalog')._catalog
        self.load_trees(catalog.uids, catalog.paths, catalog.data)
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
            self.load_trees(terms)

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
            try:
                schema = SCHEMA_CACHE.get(portal_type)
                if hasattr(SCHEMA_CACHE, 'behavior_schema_interfaces'):
                    # The plone.dexterity of Plone 4.3 does not cache these.
                    SCHEMA_CACHE.behavior_schema_interfaces(portal_type)
                SCHEMA_CACHE.subtypes(portal_type)
            except TransientError:
                raise
            except Exception as error:
                # A type of a product that is gone raises whatever it likes,
                # up to RecursionError.
                self._raise_if_disconnected()
                self.warn('the schema of portal type %r cannot be loaded: %s'
                          % (portal_type, describe(error)))
                continue
            if schema is None:
                self.warn('the schema of portal type %r cannot be loaded:'
                          ' there is none' % portal_type)

    def render_pages(self):
        """The front page, and the paths in FTW_MONITOR_WARMUP_PATHS."""
        for path in [''] + settings.read().warmup_paths:
            if not self.time_is_up('page /' + path):
                self.render(path)

    # -- their parts

    def load_trees(self, *trees):
        """Load the BTrees or TreeSets, as far as the cache has room."""
        for tree in trees:
            loaded, whole = btrees.load(tree)
            if not whole:
                LOG.info(
                    'Warmup of %s: the connection cache is full; after %d'
                    ' nodes the rest of a tree is not loaded. A larger'
                    ' cache-size of its database would hold more.',
                    self.path, loaded)
                return

    def render(self, path):
        """Render the page at *path*, relative to the site, as a visitor.

        Whatever the page answers is no failure: a broken, forgotten site must
        not take the instance out of service. Losing the database is one.
        """
        root = self.request['PARENTS'][-1]
        url = self.path + '/' + path
        try:
            status, _ = render(root, url)
        except TransientError:
            raise
        except Exception as error:
            self._raise_if_disconnected()
            LOG.warning('Warmup: %s failed.', url, exc_info=True)
            self.warn('page /%s failed with %s' % (path, describe(error)))
            return
        self._raise_if_disconnected()
        if status >= 500 or status == 404:
            self.warn('page /%s answered %d' % (path, status))

    def _raise_if_disconnected(self):
        connection = self.context._p_jar
        if not is_connected(connection.db()):
            raise RuntimeError("Database '%s' disconnected." %
                               connection.db().database_name)
