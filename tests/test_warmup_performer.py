"""The default performer: what is loaded, and what is only a warning."""

from BTrees.IIBTree import IITreeSet
from BTrees.OOBTree import OOBTree
from ftw.monitor.warmup import DefaultWarmupPerformer
from ftw.monitor.warmup.visit import visit
from persistent import Persistent
from plone.app.testing import setRoles
from plone.app.testing import TEST_USER_ID
from Products.CMFCore.interfaces import ICatalogTool
from Products.CMFCore.interfaces import ITypesTool
from tests.recorded_log import RecordedLog
from tests.warmup_case import CACHE_SIZE
from tests.warmup_case import Problem
from tests.warmup_case import WarmupCase
from tests.worlds import EXCEPTIONS_ARE_PAGES
from tests.worlds import SCHEMA_CACHES
from ZODB.POSException import ConflictError
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
        connection = self.open()
        self.assertTrue(self.lifecycle.begin_warmup())
        with visit(connection.root()['Application'], '/plone') as (
                site, request):
            performer = performer_class(site, request)
            getattr(performer, step)()
        self.lifecycle.end_warmup(['/plone'], ['/plone'])
        return connection

    @property
    def warnings(self):
        return self.lifecycle.warmup_warnings


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

    def index_nodes(self, name):
        return self.nodes(self.catalog.indexes[name]._index)

    def in_cache(self, connection, oids):
        """Which of the *oids* are loaded, and no ghosts."""
        return set(oid for oid in oids
                   if getattr(connection._cache.get(oid), '_p_changed', None)
                   is not None)

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

    def test_a_full_connection_cache_ends_the_loading(self):
        self.database.setCacheSize(100)
        connection = self.perform('load_catalog')
        # What is needed to get there, and to load one more node, comes on
        # top.
        self.assertLess(connection._cache.cache_non_ghost_count, 200)
        messages = [message for level, message in self.log.messages
                    if 'the connection cache is full' in message]
        self.assertTrue(messages, self.log.messages)
        self.assertIn('Warmup of /plone: ', messages[0])
        self.assertIn('cache-size', messages[0])

    def test_a_full_connection_cache_is_no_failure(self):
        self.database.setCacheSize(100)
        self.perform()
        self.assertEqual([], self.warnings)
        self.assertTrue(self.lifecycle.warmup_done)

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

    def test_a_site_without_its_tools_is_a_warning(self):
        components = self.portal.getSiteManager()
        for name, interface in (('portal_catalog', ICatalogTool),
                                ('portal_types', ITypesTool)):
            self.portal._delOb(name)
            components.unregisterUtility(provided=interface)
        transaction.commit()
        self.perform('load_catalog')
        self.assertIn('/plone: the catalog cannot be loaded: AttributeError',
                      self.warnings[0])
        self.perform('load_schemata')
        self.assertEqual(['/plone: there is no portal_types'], self.warnings)


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

            def load_schemata(self):
                steps.append('schemata')

            def render_pages(self):
                steps.append('pages')

        lifecycle = self.lifecycle
        self.perform(performer_class=SlowPerformer)
        self.assertEqual(['catalog'], steps)
        self.assertEqual(
            ['schemata of /plone', 'pages of /plone'],
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
        self.assertEqual(['', 'news'], pages)
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
             ' up; left out: schemata of /plone, pages of /plone'],
            self.warnings)
