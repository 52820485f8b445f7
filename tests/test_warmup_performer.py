"""The default performer: what is loaded, and what is only a warning."""

from BTrees.IIBTree import IITreeSet
from BTrees.OOBTree import OOBTree
from contextlib import contextmanager
from ftw.monitor.warmup import DefaultWarmupPerformer
from ftw.monitor.warmup.visit import visit
from OFS.Folder import Folder
from persistent import Persistent
from persistent.list import PersistentList
from plone.app.testing import setRoles
from plone.app.testing import TEST_USER_ID
from plone.registry.interfaces import IRegistry
from Products.CMFCore.interfaces import ICatalogTool
from Products.CMFCore.interfaces import ISiteRoot
from Products.CMFCore.interfaces import ITypesTool
from Products.Five.browser import BrowserView
from Products.SiteAccess.VirtualHostMonster import VirtualHostMonster
from tests.examples import example
from tests.recorded_log import RecordedLog
from tests.warmup_case import CACHE_SIZE
from tests.warmup_case import Problem
from tests.warmup_case import register_adapter
from tests.warmup_case import WarmupCase
from tests.worlds import EXCEPTIONS_ARE_PAGES
from tests.worlds import SCHEMA_CACHES
from ZODB.POSException import ConflictError
from zope.interface import Interface
from zope.publisher.interfaces.browser import IBrowserRequest
from ZPublisher.interfaces import IPubAfterTraversal
import logging
import os
import transaction
import unittest


try:
    from plone.dexterity.fti import DexterityFTI
except ImportError:
    # Plone 4.3 may be without Dexterity.
    DexterityFTI = None


PATHS = 'FTW_MONITOR_WARMUP_PATHS'


class PerformerTestCase(WarmupCase):

    performer_class = DefaultWarmupPerformer

    def setUp(self):
        super(PerformerTestCase, self).setUp()
        self.database.setCacheSize(CACHE_SIZE)
        setRoles(self.portal, TEST_USER_ID, ['Manager'])
        self.addCleanup(os.environ.update, {
            PATHS: os.environ.pop(PATHS, '')})
        self.log = RecordedLog.installed(self, logging.INFO)

    def open(self):
        """A connection with an empty cache, as that of a new worker."""
        connection = super(PerformerTestCase, self).open()
        connection.cacheMinimize()
        return connection

    def perform(self, step='perform', performer_class=DefaultWarmupPerformer):
        """Call the performer's method *step* in a visit; return the
        connection, which is still open."""
        with self.warmup(performer_class) as performer:
            getattr(performer, step)()
        return performer.context._p_jar

    @contextmanager
    def warmup(self, performer_class=DefaultWarmupPerformer):
        """A warm-up that has come as far as the performer."""
        connection = self.open()
        self.assertTrue(self.lifecycle.begin_warmup())
        with visit(connection.root()['Application'], '/plone') as (
                site, request):
            yield performer_class(site, request)
        self.lifecycle.end_warmup(['/plone'], ['/plone'])

    @property
    def warnings(self):
        return self.lifecycle.warmup_warnings

    def nodes(self, *trees):
        """The object ids of all persistent parts of the *trees*."""
        found = set()
        pending = list(trees)
        while pending:
            node = pending.pop()
            if node._p_oid in found or node._p_oid is None:
                continue
            found.add(node._p_oid)
            flat = [node.__getstate__()]
            while flat:
                part = flat.pop()
                if isinstance(part, tuple):
                    flat.extend(part)
                elif isinstance(part, Persistent):
                    pending.append(part)
        return found

    def in_cache(self, connection, oids):
        """Which of the *oids* are loaded, and no ghosts."""
        return set(oid for oid in oids
                   if getattr(connection._cache.get(oid), '_p_changed', None)
                   is not None)


class TestCatalog(PerformerTestCase):

    def setUp(self):
        super(TestCatalog, self).setUp()
        self.catalog = self.portal.portal_catalog._catalog
        for number in range(200):
            path = '/plone/document-%d' % number
            self.catalog.uids[path] = number
            self.catalog.paths[number] = path
            self.catalog.data[number] = (path,)
        for name in ('allowedRolesAndUsers', 'object_provides', 'Type'):
            tree = self.catalog.indexes[name]._index
            for number in range(100):
                # More than one node of a TreeSet holds.
                tree['term-%d' % number] = IITreeSet(range(500))
        transaction.commit()

    def index_nodes(self, name):
        return self.nodes(self.catalog.indexes[name]._index)

    def test_the_trees_of_the_catalog_are_loaded_to_the_last_node(self):
        oids = self.nodes(
            self.catalog.uids, self.catalog.paths, self.catalog.data)
        self.assertGreater(len(oids), 10)
        self.assertEqual(set(), self.in_cache(self.open(), oids))
        connection = self.perform('load_catalog')
        self.assertEqual(oids, self.in_cache(connection, oids))

    def test_two_indexes_are_loaded_to_the_last_node(self):
        for name in ('allowedRolesAndUsers', 'object_provides'):
            oids = self.index_nodes(name)
            self.assertGreater(len(oids), 500)
            connection = self.perform('load_catalog')
            self.assertEqual(oids, self.in_cache(connection, oids))

    def test_other_indexes_are_not_loaded(self):
        connection = self.perform('load_catalog')
        self.assertEqual(
            set(), self.in_cache(connection, self.index_nodes('Type')))

    def test_a_subclass_names_other_indexes(self):

        class OwnPerformer(DefaultWarmupPerformer):

            WARMUP_INDEXES = ('Type',)

        connection = self.perform('load_catalog', OwnPerformer)
        oids = self.index_nodes('Type')
        self.assertEqual(oids, self.in_cache(connection, oids))
        self.assertEqual(set(), self.in_cache(
            connection, self.index_nodes('object_provides')))

    def test_the_whole_warmup_keeps_them_loaded(self):
        oids = (self.nodes(self.catalog.uids, self.catalog.data)
                | self.index_nodes('object_provides'))
        connection = self.perform()
        self.assertEqual(oids, self.in_cache(connection, oids))

    def test_a_missing_index_is_a_warning_and_the_others_are_loaded(self):

        class OwnPerformer(DefaultWarmupPerformer):

            WARMUP_INDEXES = ('no_such', 'Type')

        connection = self.perform('load_catalog', OwnPerformer)
        message = "/plone: the catalog has no index 'no_such'"
        self.assertEqual([message], self.warnings)
        self.assertIn(('WARNING', 'Warmup: ' + message), self.log.messages)
        oids = self.index_nodes('Type')
        self.assertEqual(oids, self.in_cache(connection, oids))

    def test_an_index_without_terms_is_no_failure(self):
        # A DateRangeIndex, which every visitor's query uses as well, has no
        # BTree of terms; nor does a ZCTextIndex call its own so.

        class OwnPerformer(DefaultWarmupPerformer):

            WARMUP_INDEXES = ('effectiveRange', 'SearchableText')

        self.perform('load_catalog', OwnPerformer)
        for name in OwnPerformer.WARMUP_INDEXES:
            self.assertIn(name, ' '.join(self.warnings))

    def test_indexes_of_other_kinds_are_loaded_as_well(self):

        class OwnPerformer(DefaultWarmupPerformer):

            WARMUP_INDEXES = (
                'path', 'UID', 'is_folderish', 'effective', 'getId')

        connection = self.perform('load_catalog', OwnPerformer)
        self.assertEqual([], self.warnings)
        for name in OwnPerformer.WARMUP_INDEXES:
            oids = self.index_nodes(name)
            self.assertEqual(oids, self.in_cache(connection, oids), name)

    def test_half_of_what_a_small_cache_has_room_for_is_loaded(self):
        self.database.setCacheSize(400)
        with self.warmup() as performer:
            cache = performer.context._p_jar._cache
            room = 400 - cache.cache_non_ghost_count
            performer.load_catalog()
            room_left = 400 - cache.cache_non_ghost_count
        # The way to the trees needs some more.
        self.assertGreater(room, 300)
        self.assertLess(abs(room_left - room // 2), 40)
        (level, message), = self.log.messages
        self.assertEqual('INFO', level)
        self.assertRegex(
            message, r'^Warmup of /plone: of the catalog, 1\d\d objects are'
                     r' loaded, half of what its connection cache had room'
                     r' for\. A larger cache-size')
        self.assertEqual([], self.warnings)

    def test_each_tree_has_its_share_of_that_half(self):
        self.database.setCacheSize(300)
        connection = self.perform('load_catalog')
        for tree in (self.catalog.uids, self.catalog.paths,
                     self.catalog.data):
            oids = self.nodes(tree)
            found = len(self.in_cache(connection, oids))
            self.assertGreaterEqual(found, min(len(oids), 25))

    def test_that_half_has_the_upper_nodes_of_all_trees(self):
        indexes = self.catalog.indexes
        self.database.setCacheSize(100)
        connection = self.perform('load_catalog')
        trees = [self.catalog.uids, self.catalog.paths, self.catalog.data,
                 indexes['allowedRolesAndUsers']._index,
                 indexes['object_provides']._index]
        self.assertGreater(len(self.nodes(*trees)), 1000)
        oids = set(tree._p_oid for tree in trees)
        self.assertEqual(oids, self.in_cache(connection, oids))

    def test_a_full_connection_cache_is_no_failure(self):
        self.database.setCacheSize(10)
        self.perform()
        self.assertEqual([], self.warnings)
        self.assertTrue(self.lifecycle.warmup_done)
        self.assertIn('cache-size', ' '.join(
            message for _, message in self.log.messages))

    def test_a_large_enough_cache_is_not_called_full(self):
        self.perform('load_catalog')
        self.assertEqual([], self.log.messages)

    def test_a_tree_within_a_tree_is_loaded(self):
        tree = self.catalog.indexes['Type']._index
        tree['within'] = OOBTree({'a': IITreeSet(range(500))})
        transaction.commit()

        class OwnPerformer(DefaultWarmupPerformer):

            WARMUP_INDEXES = ('Type',)

        connection = self.perform('load_catalog', OwnPerformer)
        oids = self.nodes(tree['within'])
        self.assertGreater(len(oids), 5)
        self.assertEqual(oids, self.in_cache(connection, oids))


class TestRegistry(PerformerTestCase):

    def test_its_values_are_loaded_to_the_last_node(self):
        oids = self.nodes(self.portal.portal_registry.records._values)
        self.assertGreater(len(oids), 10)
        self.assertEqual(set(), self.in_cache(self.open(), oids))
        connection = self.perform('load_registry')
        self.assertEqual(oids, self.in_cache(connection, oids))

    def test_a_site_without_one_is_no_failure(self):
        self.portal._delOb('portal_registry')
        self.portal.getSiteManager().unregisterUtility(provided=IRegistry)
        transaction.commit()
        self.perform('load_registry')
        self.assertEqual([], self.warnings)


@unittest.skipIf(DexterityFTI is None, 'There is no Dexterity.')
class TestSchemata(PerformerTestCase):

    # Dexterity keeps the schemata that it made of models in a module: every
    # test has a type of its own.

    def add_type(self, name, **properties):
        fti = DexterityFTI(name)
        self.portal.portal_types._setObject(name, fti)
        # Past the subscribers, which look at the schema. It was good then.
        vars(fti).update(properties)
        fti._p_changed = True
        transaction.commit()

    def test_the_schema_of_a_type_is_there_afterwards(self):
        self.add_type('Cake')
        connection = self.perform('load_schemata')
        types = connection.root()['Application'].plone.portal_types
        loaded = types.Cake.__dict__
        for name in SCHEMA_CACHES:
            self.assertIn(name, loaded)
        self.assertEqual([], self.warnings)

    def test_a_schema_that_cannot_be_imported_is_a_warning(self):
        self.add_type('Bread', model_source='', schema='gone.product.IBread')
        self.perform('load_schemata')
        self.assert_warned_of('Bread')

    def test_a_schema_that_is_not_in_its_module_any_more_is_a_warning(self):
        self.add_type('Roll', model_source='', schema=__name__ + '.IRoll')
        self.perform('load_schemata')
        self.assert_warned_of('Roll')

    def test_a_model_file_of_a_product_that_has_gone_is_a_warning(self):
        self.add_type('Soup', model_source='', model_file='gone.product:a.xml')
        self.perform('load_schemata')
        self.assert_warned_of('Soup')

    def test_a_model_file_that_has_gone_is_a_warning(self):
        self.add_type('Stew', model_source='', model_file='ftw.monitor:a.xml')
        self.perform('load_schemata')
        self.assert_warned_of('Stew')

    def test_a_model_that_is_no_xml_is_a_warning(self):
        self.add_type('Tea', model_source='<model')
        self.perform('load_schemata')
        self.assert_warned_of('Tea')

    def test_a_model_with_a_field_that_has_gone_is_a_warning(self):
        self.add_type('Milk', model_source=(
            '<model xmlns="http://namespaces.plone.org/supermodel/schema">'
            '<schema><field name="a" type="gone.product.Field" /></schema>'
            '</model>'))
        self.perform('load_schemata')
        self.assert_warned_of('Milk')

    def test_a_behavior_that_has_gone_is_no_failure(self):
        # Dexterity logs an error of its own, and does without.
        self.add_type('Salt', behaviors=('gone.product.IBehavior',))
        self.perform('load_schemata')

    def test_the_types_after_a_broken_one_are_loaded(self):
        self.add_type('Apple', model_source='<model')
        self.add_type('Banana')
        connection = self.perform('load_schemata')
        types = connection.root()['Application'].plone.portal_types
        self.assertIn('_v_schema_get', types.Banana.__dict__)

    def test_a_broken_schema_does_not_make_the_warmup_fail(self):
        self.add_type('Pie', model_source='', schema='gone.product.IPie')
        self.perform()
        self.assertTrue(self.lifecycle.warmup_done)

    def assert_warned_of(self, portal_type):
        self.assertEqual(1, len(self.warnings), self.warnings)
        self.assertIn(
            "/plone: the schema of portal type '%s' cannot be loaded"
            % portal_type, self.warnings[0])


class TestBrokenSite(PerformerTestCase):

    def setUp(self):
        super(TestBrokenSite, self).setUp()
        components = self.portal.getSiteManager()
        for name, interface in (('portal_catalog', ICatalogTool),
                                ('portal_types', ITypesTool)):
            self.portal._delOb(name)
            components.unregisterUtility(provided=interface)
        self.portal._delOb('portal_setup')
        transaction.commit()

    def test_a_site_without_its_tools_is_a_warning(self):
        self.perform('load_catalog')
        self.assertIn('/plone: the catalog cannot be loaded: AttributeError',
                      self.warnings[0])
        self.perform('load_schemata')
        self.assertEqual(['/plone: there is no portal_types'], self.warnings)

    def test_that_its_pages_are_neither_found_nor_rendered_is_a_warning(self):
        self.perform('render_pages')
        self.assertIn('/plone: navigation of the pages failed with'
                      ' AttributeError: portal_catalog', self.warnings)
        self.assertIn('/plone: page / ', ' '.join(self.warnings))

    def test_all_the_same_the_warmup_has_succeeded(self):
        self.perform()
        self.assertTrue(self.lifecycle.warmup_done)


class TestPages(PerformerTestCase):

    def test_the_front_page_is_rendered_in_our_connection(self):
        cold = self.perform('load_schemata')
        warm = self.perform('render_pages')
        self.assertGreater(
            warm._cache.cache_non_ghost_count,
            cold._cache.cache_non_ghost_count + 50)
        self.assertEqual([], self.warnings)

    def test_further_pages_of_the_settings_are_rendered(self):
        rendered = []

        def page(context, request):
            rendered.append((request['PATH_INFO'], context._p_jar))
            return 'Rendered'

        self.register_page('news', page)
        self.portal.invokeFactory('Document', 'about')
        transaction.commit()
        os.environ[PATHS] = '@@news, /about/ about/@@nowhere'
        connection = self.perform()
        self.assertEqual([('/plone/@@news', connection)], rendered)
        self.assertEqual(
            ['/plone: page /about/@@nowhere answered 404'], self.warnings)

    def test_a_page_that_is_not_there_is_a_warning(self):
        os.environ[PATHS] = 'nowhere'
        self.perform()
        message = '/plone: page /nowhere answered 404'
        self.assertEqual([message], self.warnings)
        self.assertIn(('WARNING', 'Warmup: ' + message), self.log.messages)
        self.assertTrue(self.lifecycle.warmup_done)

    def test_a_page_that_answers_5xx_is_a_warning(self):

        def page(context, request):
            request.response.setStatus(502)
            return 'Bad gateway'

        self.register_page('news', page)
        os.environ[PATHS] = '@@news'
        self.perform()
        self.assertEqual(
            ['/plone: page /@@news answered 502'], self.warnings)

    def test_a_page_that_raises_is_a_warning(self):

        def page(context, request):
            raise Problem('broken')

        self.register_page('news', page)
        os.environ[PATHS] = '@@news'
        self.perform()
        self.assertEqual(
            ['/plone: page /@@news '
             + ('answered 500' if EXCEPTIONS_ARE_PAGES
                else 'failed with Problem: broken')], self.warnings)

    def test_pages_after_a_broken_one_are_rendered(self):
        rendered = []
        self.register_page(
            'news', lambda context, request: rendered.append('news'))
        os.environ[PATHS] = 'nowhere @@news'
        self.perform()
        self.assertEqual(['news'], rendered)

    def test_a_page_for_members_only_is_no_warning(self):
        self.portal.invokeFactory('Document', 'private')
        self.portal.private.manage_permission('View', ['Owner'], acquire=0)
        transaction.commit()
        os.environ[PATHS] = 'private'
        self.perform()
        self.assertEqual([], self.warnings)

    def test_a_site_for_members_only_is_no_warning(self):
        self.portal.manage_permission('View', ['Member'], acquire=0)
        transaction.commit()
        self.perform()
        self.assertEqual([], self.warnings)

    def test_a_conflict_makes_the_performer_fail(self):

        def page(context, request):
            raise ConflictError()

        self.retry_conflicts()
        self.register_page('news', page)
        os.environ[PATHS] = '@@news'
        self.assertRaises(ConflictError, self.perform)

    def test_a_page_without_its_database_makes_the_performer_fail(self):

        def page(context, request):
            storage = context._p_jar.db().storage
            storage.is_connected = lambda: False
            self.addCleanup(delattr, storage, 'is_connected')
            raise Problem('lost')

        self.register_page('news', page)
        os.environ[PATHS] = '@@news'
        with self.assertRaises(RuntimeError) as caught:
            self.perform()
        self.assertEqual(
            "Database '%s' disconnected." % self.database.database_name,
            str(caught.exception))

    def test_a_page_that_writes_changes_nothing(self):
        title = self.portal.title

        def page(context, request):
            context.title = u'Changed'
            return 'Written'

        self.register_page('news', page)
        os.environ[PATHS] = '@@news'
        connection = self.perform()
        self.assertEqual([], self.warnings)
        app = connection.root()['Application']
        self.assertEqual(title, app.plone.title)
        self.assertEqual(title, self.stored_title())


class TestFoundPages(PerformerTestCase):
    """The pages that nobody has to name."""

    def setUp(self):
        super(TestFoundPages, self).setUp()
        self.portal.invokeFactory('Folder', 'about')
        self.portal.about.invokeFactory('Document', 'us')
        transaction.commit()

    def rendered(self):
        """Warm up; return the paths of the pages that were rendered."""
        paths = []

        class NotingPerformer(DefaultWarmupPerformer):

            def render(self, path):
                paths.append(path)
                super(NotingPerformer, self).render(path)

        self.perform(performer_class=NotingPerformer)
        return paths

    def test_front_page_search_navigation_a_sample_and_those_of_settings(self):
        os.environ[PATHS] = '@@sitemap'
        self.assertEqual(
            ['', '@@search', 'about', 'about/us', '@@sitemap'],
            self.rendered())
        self.assertEqual([], self.warnings)

    def test_of_a_site_for_members_only_none_is_found(self):
        self.hide(self.portal.about)
        self.hide(self.portal.about.us)
        transaction.commit()
        self.assertEqual(['', '@@search'], self.rendered())
        self.assertEqual([], self.warnings)

    def break_navigation(self, action):

        class Tabs(BrowserView):
            """That of an add-on."""

            def topLevelTabs(self):
                return action(self.context)

        register_adapter(self, Tabs, (ISiteRoot, IBrowserRequest), Interface,
                         'portal_tabs_view')

    def test_what_goes_wrong_meanwhile_is_a_warning(self):

        def fail(site):
            raise Problem('no more tea')

        self.break_navigation(fail)
        os.environ[PATHS] = '@@sitemap'
        self.assertEqual(['', '@@search', '@@sitemap'], self.rendered()[:3])
        self.assertIn('/plone: navigation of the pages failed with Problem:'
                      ' no more tea', self.warnings)
        self.assertTrue(self.lifecycle.warmup_done)

    def test_a_conflict_meanwhile_makes_the_performer_fail(self):

        def conflict(site):
            raise ConflictError()

        self.break_navigation(conflict)
        self.assertRaises(ConflictError, self.rendered)

    def test_to_lose_the_database_meanwhile_makes_the_performer_fail(self):

        def lose(site):
            storage = site._p_jar.db().storage
            storage.is_connected = lambda: False
            self.addCleanup(delattr, storage, 'is_connected')
            raise Problem('lost')

        self.break_navigation(lose)
        with self.assertRaises(RuntimeError) as caught:
            self.rendered()
        self.assertIn('disconnected', str(caught.exception))


class TestVirtualHosts(PerformerTestCase):
    """Under which URLs the pages are rendered."""

    WWW = '/VirtualHostBase/https/www.example.org:443/plone/VirtualHostRoot'
    INTRANET = '/VirtualHostBase/http/intranet:80/VirtualHostRoot/_vh_portal'

    def setUp(self):
        super(TestVirtualHosts, self).setUp()
        VirtualHostMonster().addToContainer(self.app)
        self.register_page('news', lambda site, request: 'News')
        transaction.commit()
        os.environ[PATHS] = '@@news'
        #: The URLs that visitors would see in their browsers.
        self.urls = []
        self.register_handler(self.note, IPubAfterTraversal)

    def note(self, event):
        self.urls.append(event.request['ACTUAL_URL'].rstrip('/'))

    def front_pages(self):
        return [url for url in self.urls if '@@' not in url]

    def news(self):
        return [url for url in self.urls if '@@news' in url]

    def test_where_nobody_has_been_yet_it_is_localhost(self):
        self.perform('render_pages')
        self.assertEqual(['http://localhost/plone'], self.front_pages())
        self.assertEqual(['http://localhost/plone/@@news'], self.news())

    def test_the_front_page_at_each_and_others_at_the_most_visited(self):
        self.virtual_hosts.count(self.INTRANET, 5)
        self.virtual_hosts.count(self.WWW, 7)
        self.virtual_hosts.count('localhost:8080', 3)
        self.perform('render_pages')
        self.assertEqual(
            ['https://www.example.org', 'http://intranet/portal/plone',
             'http://localhost:8080/plone'], self.front_pages())
        self.assertEqual(['https://www.example.org/@@news'], self.news())
        self.assertEqual([], self.warnings)

    def test_one_that_shows_another_site_is_left_out(self):
        self.virtual_hosts.count(self.WWW.replace('/plone/', '/other/'))
        self.perform('render_pages')
        self.assertEqual(['http://localhost/plone'], self.front_pages())

    def test_one_that_shows_a_folder_of_the_site(self):
        self.portal.invokeFactory('Folder', 'shop')
        transaction.commit()
        self.virtual_hosts.count(self.WWW.replace('/plone/', '/plone/shop/'))
        self.perform('render_pages')
        self.assertEqual('https://www.example.org', self.front_pages()[0])
        # Where other pages of the site are seen is not known.
        self.assertEqual(['http://localhost/plone/@@news'], self.news())
        self.assertEqual([], self.warnings)

    def test_a_host_header_that_nobody_would_send_is_no_failure(self):
        for host in ('', ':', 'a b', '[', 'x' * 1000, 'caf\xc3\xa9:x'):
            self.virtual_hosts.count(host)
            self.perform('perform_in_thread')
            self.assertTrue(self.lifecycle.warmup_done)

    def test_in_another_thread_it_is_the_front_page_at_each_host(self):
        self.virtual_hosts.count(self.WWW, 7)
        self.virtual_hosts.count('localhost:8080', 3)
        self.perform('perform_in_thread')
        self.assertEqual(
            ['https://www.example.org', 'http://localhost:8080/plone'],
            self.urls)

    def test_a_path_may_have_a_query_string(self):
        seen = []
        self.register_page('topics', lambda site, request: seen.append(
            (request['ACTUAL_URL'], dict(request.form))))
        os.environ[PATHS] = '@@topics?topic=sport&b_start:int=20'
        self.virtual_hosts.count(self.WWW)
        self.perform('render_pages')
        self.assertEqual(
            [('https://www.example.org/@@topics',
              {'topic': 'sport', 'b_start': 20})], seen)
        self.assertEqual([], self.warnings)

    def test_our_own_visits_are_not_counted(self):
        self.virtual_hosts.count(self.WWW)
        self.virtual_hosts.count('www.example.org:8080')
        self.perform()
        self.virtual_hosts.count(self.WWW)
        self.assertEqual([self.WWW, 'www.example.org:8080'],
                         self.virtual_hosts.most_visited())


class TestParts(PerformerTestCase):
    """What a subclass may use."""

    def setUp(self):
        super(TestParts, self).setUp()
        tree = OOBTree()
        for number in range(300):
            tree['key-%03d' % number] = IITreeSet(range(500))
        self.portal.tree = tree
        self.portal.items = PersistentList(
            Folder('item-%03d' % number) for number in range(300))
        transaction.commit()

    def loaded(self, objects):
        return [item._p_changed is not None for item in objects]

    def test_objects_are_loaded(self):
        with self.warmup() as performer:
            items = list(performer.context.items)
            self.assertEqual([False] * 300, self.loaded(items))
            performer.load_objects(*items)
            self.assertEqual([True] * 300, self.loaded(items))
            self.assertEqual(300, self.lifecycle.progress.loaded)
        self.assertEqual([], self.log.messages)

    def test_objects_are_loaded_as_far_as_there_is_room(self):
        with self.warmup() as performer:
            items = list(performer.context.items)
            cache = performer.context._p_jar._cache
            cache.cache_size = cache.cache_non_ghost_count + 100
            performer.load_objects(*items)
            self.assertEqual([True] * 100 + [False] * 200,
                             self.loaded(items))
        self.assertEqual(
            [('INFO', 'Warmup of /plone: of some objects, 100 objects are'
                      ' loaded; then the connection cache was full. A larger'
                      ' cache-size of its database would hold more.')],
            self.log.messages)
        self.assertEqual([], self.warnings)

    def test_trees_are_loaded_to_the_last_node(self):
        with self.warmup() as performer:
            tree = performer.context.tree
            performer.load_trees(tree)
            before = performer.context._p_jar.getTransferCounts()[0]
            self.assertEqual(500 * 300, sum(map(len, tree.values())))
            after = performer.context._p_jar.getTransferCounts()[0]
            self.assertEqual(before, after)
        self.assertEqual([], self.log.messages)

    def test_trees_are_loaded_as_far_as_there_is_room(self):
        with self.warmup() as performer:
            tree = performer.context.tree
            cache = performer.context._p_jar._cache
            cache.cache_size = cache.cache_non_ghost_count + 100
            performer.load_trees(tree)
            self.assertEqual(cache.cache_size, cache.cache_non_ghost_count)
        (level, message), = self.log.messages
        self.assertEqual('INFO', level)
        self.assertIn('of some trees, 100 objects are loaded; then the'
                      ' connection cache was full', message)

    def test_when_the_time_is_up_the_rest_is_left_out_and_named(self):
        with self.warmup() as performer:
            items = list(performer.context.items)
            self.lifecycle.warmup_timeout = -1
            performer.load_objects(*items)
            performer.load_trees(performer.context.tree)
            performer.render_paths(['', 'news'])
            self.assertEqual([True] + [False] * 299, self.loaded(items))
        self.assertEqual(
            ['the rest of some objects of /plone',
             'the rest of some trees of /plone',
             'page / of /plone', 'page /news of /plone'],
            self.lifecycle.warmup_left_out)

    def test_pages_are_rendered(self):
        rendered = []
        self.register_page('news', lambda site, request: rendered.append(
            request['PATH_INFO']))
        with self.warmup() as performer:
            performer.render_paths(['@@news', '@@news?page=2'])
            performer.render('@@news')
            self.assertEqual(3, self.lifecycle.progress.loaded)
        self.assertEqual(['/plone/@@news'] * 3, rendered)

    def test_they_can_be_used_without_a_warmup(self):
        # By somebody who tries out a performer in `bin/instance debug`.
        with visit(self.app, '/plone') as (site, request):
            DefaultWarmupPerformer(site, request).perform()
        self.assertEqual([], self.lifecycle.warmup_warnings)


class DummyBranch(Folder):
    """A branch of a shop, which can draw a map of where it is."""

    drawn = []

    def draw_map(self):
        self.drawn.append(self.getId())


class TestExamples(PerformerTestCase):
    """Those in docs/warmup.rst."""

    def setUp(self):
        super(TestExamples, self).setUp()
        shop = Folder('shop')
        shop.prices = OOBTree()
        for number in range(300):
            shop.prices['tea-%03d' % number] = number
        shop.branches = PersistentList(
            DummyBranch('branch-%d' % number) for number in range(20))
        self.portal._setObject('shop', shop)
        transaction.commit()
        shop = self.portal.shop
        self.prices = self.nodes(shop.prices)
        self.branches = set(branch._p_oid for branch in shop.branches)
        self.addCleanup(DummyBranch.drawn.__delitem__, slice(None))

    def example(self, name):
        module = {'DefaultWarmupPerformer': DefaultWarmupPerformer}
        exec(example('class %s(DefaultWarmupPerformer):' % name,
                     'docs/warmup.rst'), module)
        return module[name]

    def test_trees_and_objects_of_an_add_on(self):
        self.assertGreater(len(self.prices), 5)
        connection = self.perform()
        for oids in (self.prices, self.branches):
            self.assertEqual(set(), self.in_cache(connection, oids))
        connection = self.perform(performer_class=self.example(
            'ShopPerformer'))
        for oids in (self.prices, self.branches):
            self.assertEqual(oids, self.in_cache(connection, oids))
        self.assertEqual([], self.warnings)

    def test_some_pages_and_nothing_else(self):
        pages = []
        self.register_handler(
            lambda event: pages.append(event.request['PATH_INFO']),
            IPubAfterTraversal)
        self.perform(performer_class=self.example('PagesPerformer'))
        self.assertEqual(['/plone/', '/plone/shop', '/plone/@@search'], pages)
        self.assertEqual([], self.warnings)

    def test_a_long_step_that_is_shown(self):
        self.perform(performer_class=self.example('MapsPerformer'))
        self.assertEqual(20, len(DummyBranch.drawn))
        progress = self.lifecycle.progress
        self.assertEqual(('maps', 20, 20), (
            progress.stage, progress.loaded, progress.planned))

    def test_a_long_step_that_there_is_no_time_for(self):
        self.lifecycle.warmup_timeout = -1
        self.perform(performer_class=self.example('MapsPerformer'))
        self.assertEqual([], DummyBranch.drawn)
        self.assertEqual(
            ['catalog of /plone', 'registry of /plone', 'schemata of /plone',
             'pages of /plone', 'the rest of the maps of /plone'],
            self.lifecycle.warmup_left_out)


class TestTime(PerformerTestCase):

    def test_with_time_enough_nothing_is_left_out(self):
        self.perform()
        self.assertEqual([], self.lifecycle.warmup_left_out)
        self.assertEqual([], self.warnings)

    def test_steps_that_there_is_no_time_for_are_skipped_and_named(self):
        steps = []

        class SlowPerformer(DefaultWarmupPerformer):

            def load_catalog(self):
                steps.append('catalog')
                lifecycle.warmup_timeout = -1

            def load_registry(self):
                steps.append('registry')

            def load_schemata(self):
                steps.append('schemata')

            def render_pages(self):
                steps.append('pages')

        lifecycle = self.lifecycle
        self.perform(performer_class=SlowPerformer)
        self.assertEqual(['catalog'], steps)
        self.assertEqual(
            ['registry of /plone', 'schemata of /plone', 'pages of /plone'],
            self.lifecycle.warmup_left_out)

    def test_pages_that_there_is_no_time_for_are_skipped_and_named(self):
        pages = []

        class SlowPerformer(DefaultWarmupPerformer):

            def render(self, path):
                pages.append(path)
                if path == 'news':
                    lifecycle.warmup_timeout = -1

        lifecycle = self.lifecycle
        os.environ[PATHS] = 'news about contact'
        self.perform(performer_class=SlowPerformer)
        self.assertEqual(['', '@@search', 'news'], pages)
        self.assertEqual(
            ['page /about of /plone', 'page /contact of /plone'],
            self.lifecycle.warmup_left_out)

    def test_the_warmup_has_succeeded_with_a_warning_that_names_them(self):

        class SlowPerformer(DefaultWarmupPerformer):

            def load_catalog(self):
                lifecycle.warmup_timeout = -1

        lifecycle = self.lifecycle
        self.perform(performer_class=SlowPerformer)
        self.assertTrue(self.lifecycle.warmup_done)
        self.assertEqual(
            ['the time limit of -1 s (FTW_MONITOR_WARMUP_TIMEOUT) is used'
             ' up after 0 of 0 steps; left out: registry of /plone,'
             ' schemata of /plone, pages of /plone'],
            self.warnings)
