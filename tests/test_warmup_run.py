"""One warm-up: which sites, which connections, which performer."""

from AccessControl import getSecurityManager
from ftw.monitor import instance
from ftw.monitor.interfaces import IWarmupPerformer
from ftw.monitor.warmup import DefaultWarmupPerformer
from ftw.monitor.warmup.run import find_sites
from ftw.monitor.warmup.run import perform
from ftw.monitor.warmup.run import warm_up
from ftw.monitor.warmup.run import WarmupFailed
from ftw.monitor.warmup.run import worker_connections
from ftw.monitor.warmup.visit import render
from OFS.Application import Application
from OFS.Folder import Folder
from Products.CMFCore.interfaces import ISiteRoot
from Products.CMFPlone.interfaces import IPloneSiteRoot
from shutil import rmtree
from tempfile import mkdtemp
from tests.recorded_log import RecordedLog
from tests.testing import MONITOR_INTEGRATION_TESTING
from tests.warmup_case import CACHE_SIZE
from tests.warmup_case import DummyPerformer
from tests.warmup_case import DummySite
from tests.warmup_case import Problem
from tests.warmup_case import register_adapter
from tests.warmup_case import WarmupCase
from transaction.interfaces import DoomedTransaction
from ZODB.POSException import POSKeyError
from zope.component import getGlobalSiteManager
from zope.component import getMultiAdapter
from zope.component.hooks import getSite
from zope.configuration import xmlconfig
from zope.globalrequest import getRequest
from zope.interface import alsoProvides
from zope.interface import Interface
from zope.publisher.interfaces.browser import IBrowserRequest
import os
import transaction
import unittest


class IBigSite(Interface):
    """Marks the sites that an integrator has a performer for."""


class BrokenSite(DummySite):

    def __before_publishing_traverse__(self, site, request=None):
        raise AttributeError('no such tool')


class DummyLostObject(object):
    """An object whose record is missing in the database."""

    def getId(self):
        return 'lost'

    def _p_activate(self):
        raise POSKeyError(b'12345678')


class TestFindSites(unittest.TestCase):

    def test_an_object_that_cannot_be_loaded_hides_no_site(self):
        log = RecordedLog.installed(self)
        app = Application()
        app._setObject('plone', DummySite('plone'))
        app.objectValues = lambda: [DummyLostObject(), app.plone]
        self.assertEqual(['/plone'], find_sites(app))
        self.assertEqual(
            [('WARNING', 'Warmup: /lost cannot be loaded.')], log.messages)

    def test_there_are_none(self):
        self.assertEqual([], find_sites(Application()))

    def test_a_site_in_the_root(self):
        app = Application()
        app._setObject('plone', DummySite('plone'))
        self.assertEqual(['/plone'], find_sites(app))

    def test_sites_in_folders_in_folders(self):
        app = Application()
        app._setObject('plone', DummySite('plone'))
        app._setObject('group', Folder('group'))
        app.group._setObject('one', DummySite('one'))
        app.group._setObject('sub', Folder('sub'))
        app.group.sub._setObject('two', DummySite('two'))
        app._setObject('empty', Folder('empty'))
        self.assertEqual(
            ['/group/one', '/group/sub/two', '/plone'],
            sorted(find_sites(app)))

    def test_a_site_is_not_searched_for_further_ones(self):
        app = Application()
        app._setObject('plone', DummySite('plone'))
        app.plone._setObject('section', DummySite('section'))
        self.assertEqual(['/plone'], find_sites(app))

    def test_user_folders_are_not_searched(self):
        app = Application()
        app._delObject('acl_users')
        app._setObject('acl_users', Folder('acl_users'))
        app.acl_users._setObject('plone', DummySite('plone'))
        self.assertEqual([], find_sites(app))


class WarmupTestCase(WarmupCase):

    def setUp(self):
        super(WarmupTestCase, self).setUp()
        self.database.setCacheSize(CACHE_SIZE)

    def open_connections(self):
        """How many connections of the database are in use."""
        return len([info for info in self.database.connectionDebugInfo()
                    if info['opened'] is not None])


class TestWorkerConnections(WarmupTestCase):

    def test_there_is_one_without_worker_threads(self):
        with worker_connections(self.app._p_jar) as connections:
            self.assertEqual([self.app._p_jar], connections)

    def test_there_are_as_many_as_workers_and_our_own_is_the_first(self):
        self.start_workers(3)
        with worker_connections(self.app._p_jar) as connections:
            self.assertEqual(3, len(connections))
            self.assertIs(self.app._p_jar, connections[0])
            self.assertEqual(3, len(set(map(id, connections))))

    def test_all_of_them_are_open_at_the_same_time(self):
        self.start_workers(3)
        before = self.open_connections()
        with worker_connections(self.app._p_jar):
            self.assertEqual(before + 2, self.open_connections())

    def test_each_has_a_transaction_manager_of_its_own(self):
        self.start_workers(3)
        with worker_connections(self.app._p_jar) as connections:
            self.assertEqual(3, len(set(
                id(connection.transaction_manager)
                for connection in connections)))

    def test_all_but_our_own_are_given_back(self):
        self.start_workers(3)
        before = self.open_connections()
        with worker_connections(self.app._p_jar):
            pass
        self.assertEqual(before, self.open_connections())
        self.assertEqual('plone', self.app.plone.getId())

    def test_all_are_given_back_after_an_exception(self):
        self.start_workers(3)
        before = self.open_connections()
        with self.assertRaises(Problem):
            with worker_connections(self.app._p_jar):
                raise Problem()
        self.assertEqual(before, self.open_connections())

    def test_all_are_given_back_if_there_are_changes_in_one(self):
        self.start_workers(2)
        before = self.open_connections()
        with worker_connections(self.app._p_jar) as connections:
            connections[1].root()['Application'].plone.title = u'Changed'
        self.assertEqual(before, self.open_connections())

    def test_there_are_not_more_than_the_pool_keeps(self):
        self.start_workers(3)
        self.database.setPoolSize(2)
        with worker_connections(self.app._p_jar) as connections:
            self.assertEqual(2, len(connections))


class TestWarmUp(WarmupTestCase):

    def warm_up(self, *sites):
        self.assertTrue(self.lifecycle.begin_warmup())
        warm_up(self.app, sites, self.lifecycle)

    def test_each_site_is_warmed_in_the_connection_of_each_worker(self):
        self.app._setObject('other', DummySite('other'))
        transaction.commit()
        self.start_workers(3)
        warmed = []
        self.register_performer(lambda site, request: warmed.append(
            (site._p_jar, site.getPhysicalPath()[-1])))
        self.warm_up('/plone', '/other')
        self.assertEqual(6, len(warmed))
        self.assertEqual(6, len(set(
            (id(connection), name) for connection, name in warmed)))
        self.assertEqual(3, len(set(
            id(connection) for connection, _ in warmed)))
        self.assertIs(self.app._p_jar, warmed[0][0])

    def test_the_connections_are_open_at_the_same_time(self):
        self.start_workers(3)
        before = self.open_connections()
        opened = []
        self.register_performer(lambda site, request: opened.append(
            self.open_connections() - before))
        self.warm_up('/plone')
        self.assertEqual([2, 2, 2], opened)
        self.assertEqual(before, self.open_connections())

    def test_the_performer_is_in_a_complete_visit_of_each_connection(self):
        self.start_workers(2)
        seen = []

        def look(site, request):
            seen.append((
                getSite().getPhysicalPath(),
                getSite()._p_jar is site._p_jar,
                getRequest() is request,
                getSecurityManager().getUser().getId(),
                site._p_jar.transaction_manager.isDoomed()))

        self.register_performer(look)
        self.warm_up('/plone')
        self.assertEqual(
            2 * [(('', 'plone'), True, True, None, True)], seen)

    def test_afterwards_every_worker_has_the_front_page_in_its_cache(self):
        self.start_workers(3)
        own = self.open()
        warm_up(own.root()['Application'], ['/plone'], self.lifecycle)
        own.transaction_manager.abort()
        workers = [own] + [self.open(), self.open()]
        cold = self.loads_of_the_front_page(self.open())
        self.assertGreater(cold, 100)
        # A few are loaded by any visit: those that the one before changed.
        # The catalog's query plan, which learns, adds some now and then.
        for worker in workers:
            self.assertLess(self.loads_of_the_front_page(worker), cold / 5)

    def loads_of_the_front_page(self, connection):
        connection.getTransferCounts(True)
        status, _ = render(connection.root()['Application'], '/plone')
        self.assertEqual(200, status)
        return connection.getTransferCounts()[0]

    def test_a_failure_names_performer_site_and_reason(self):

        def fail(site, request):
            raise Problem('no more tea')

        name = self.register_performer(fail)
        with self.assertRaises(WarmupFailed) as caught:
            self.warm_up('/plone')
        self.assertEqual('%s for /plone: Problem: no more tea' % name,
                         str(caught.exception))

    def test_after_a_failure_all_connections_are_given_back(self):
        self.start_workers(3)
        before = self.open_connections()

        def fail(site, request):
            raise Problem()

        self.register_performer(fail)
        self.assertRaises(WarmupFailed, self.warm_up, '/plone')
        self.assertEqual(before, self.open_connections())

    def test_when_the_time_is_up_the_rest_is_skipped_and_named(self):
        self.start_workers(3)
        warmed = []

        def take_too_long(site, request):
            warmed.append(site)
            self.lifecycle.warmup_timeout = -1

        self.register_performer(take_too_long)
        self.warm_up('/plone')
        self.assertEqual(1, len(warmed))
        self.assertEqual(
            ['/plone for worker 2', '/plone for worker 3'],
            self.lifecycle.warmup_left_out)

    def test_a_performer_that_does_not_come_back_is_named(self):
        self.lifecycle.want_warmup()
        verdicts = []

        def hang(site, request):
            self.lifecycle.warmup_timeout = -1
            verdicts.append(self.lifecycle.verdict())

        name = self.register_performer(hang)
        self.warm_up('/plone')
        self.assertEqual(
            ['Warmup failed: %s has not returned after -1 s' % name],
            verdicts)

    def test_a_performer_that_came_back_is_not_named_any_more(self):
        self.lifecycle.want_warmup()

        def fail(site, request):
            raise Problem()

        self.register_performer(fail)
        self.assertRaises(WarmupFailed, self.warm_up, '/plone')
        self.lifecycle.warmup_timeout = -1
        self.assertEqual('Warmup in progress', self.lifecycle.verdict())

    def test_what_a_performer_writes_is_not_committed(self):
        self.start_workers(2)
        title = self.portal.title

        def write(site, request):
            site.title = u'Changed'

        self.register_performer(write)
        self.warm_up('/plone')
        transaction.commit()
        self.assertEqual(title, self.stored_title())

    def test_no_worker_s_performer_can_commit(self):
        self.start_workers(2)
        title = self.portal.title
        refused = []

        def commit(site, request):
            site.title = u'Changed'
            try:
                site._p_jar.transaction_manager.commit()
            except DoomedTransaction:
                refused.append(site)

        self.register_performer(commit)
        self.warm_up('/plone')
        self.assertEqual(2, len(refused))
        self.assertEqual(title, self.stored_title())

    def test_no_worker_s_performer_can_commit_for_the_thread(self):
        # A page that sends a mail does so when the thread commits, whatever
        # connection it was rendered in.
        self.start_workers(2)
        committed = []

        refused = []

        def commit(site, request):
            transaction.get().addAfterCommitHook(committed.append)
            try:
                transaction.commit()
            except DoomedTransaction:
                refused.append(site)

        self.register_performer(commit)
        self.warm_up('/plone')
        self.assertEqual([], committed)
        self.assertEqual(2, len(refused))

    def test_a_performer_that_commits_fails_after_the_pages_too(self):
        # This is how a performer is extended.
        title = self.portal.title

        def render_and_commit(site, request):
            DefaultWarmupPerformer(site, request).perform()
            site.title = u'Changed'
            transaction.commit()

        self.register_performer(render_and_commit)
        with self.assertRaises(WarmupFailed) as caught:
            self.warm_up('/plone')
        self.assertIn('DoomedTransaction', str(caught.exception))
        self.assertEqual(title, self.stored_title())

    def test_a_site_that_cannot_be_visited_is_a_warning(self):
        self.app._setObject('broken', BrokenSite('broken'))
        transaction.commit()
        performed = []
        self.register_performer(
            lambda site, request: performed.append(site.getId()))
        self.warm_up('/broken', '/plone')
        self.assertEqual(['plone'], performed)
        self.assertIn('/broken cannot be visited: AttributeError:'
                      ' no such tool', self.lifecycle.warmup_warnings)

    def test_a_site_that_has_gone_is_a_failure(self):
        with self.assertRaises(Exception) as caught:
            perform(self.app, '/gone', 1, self.lifecycle)
        self.assertIn('gone', str(caught.exception))


class TestPerformers(unittest.TestCase):
    """Which performer a site gets."""

    layer = MONITOR_INTEGRATION_TESTING

    def performer(self):
        return getMultiAdapter(
            (self.layer['portal'], self.layer['request']), IWarmupPerformer)

    def register(self, *interfaces):
        register_adapter(self, DummyPerformer, interfaces, IWarmupPerformer)

    def test_every_site_has_the_default_one(self):
        self.assertIs(DefaultWarmupPerformer, type(self.performer()))

    def test_one_for_plone_sites_and_browser_requests_wins(self):
        self.register(IPloneSiteRoot, IBrowserRequest)
        self.assertIs(DummyPerformer, type(self.performer()))

    def test_one_for_plone_sites_and_any_request_wins(self):
        self.register(IPloneSiteRoot, Interface)
        self.assertIs(DummyPerformer, type(self.performer()))

    def test_one_for_the_marker_of_a_site_wins_there_only(self):
        self.register(IBigSite, Interface)
        self.assertIs(DefaultWarmupPerformer, type(self.performer()))
        alsoProvides(self.layer['portal'], IBigSite)
        self.assertIs(DummyPerformer, type(self.performer()))

    def test_one_for_the_marker_wins_over_one_for_plone_sites(self):

        class PloneSitePerformer(DummyPerformer):
            """What another add-on has registered."""

        register_adapter(
            self, PloneSitePerformer,
            (IPloneSiteRoot, IBrowserRequest), IWarmupPerformer)
        self.register(IBigSite, IBrowserRequest)
        alsoProvides(self.layer['portal'], IBigSite)
        self.assertIs(DummyPerformer, type(self.performer()))

    def test_an_override_of_the_default_replaces_it(self):
        directory = mkdtemp()
        self.addCleanup(rmtree, directory)
        overrides = os.path.join(directory, 'overrides.zcml')
        with open(overrides, 'w') as zcml:
            zcml.write(
                '<configure xmlns="http://namespaces.zope.org/zope">'
                '<adapter'
                ' for="Products.CMFCore.interfaces.ISiteRoot *"'
                ' factory="%s.DummyPerformer" />'
                '</configure>' % __name__)
        self.addCleanup(
            getGlobalSiteManager().registerAdapter,
            DefaultWarmupPerformer, (ISiteRoot, None), IWarmupPerformer)
        xmlconfig.string(
            '<configure xmlns="http://namespaces.zope.org/zope">'
            '<include package="Products.Five" file="meta.zcml" />'
            '<include package="ftw.monitor.warmup" />'
            '<includeOverrides file="%s" />'
            '</configure>' % overrides)
        self.assertIs(DummyPerformer, type(self.performer()))


class TestPerform(WarmupTestCase):

    def test_the_subclass_of_an_integrator_is_called(self):
        seen = []

        class OwnPerformer(DefaultWarmupPerformer):

            def perform(self):
                seen.append((self.path, self.context.getPhysicalPath()))

        register_adapter(
            self, OwnPerformer,
            (IPloneSiteRoot, IBrowserRequest), IWarmupPerformer)
        perform(self.app, '/plone', 1, self.lifecycle)
        self.assertEqual([('/plone', ('', 'plone'))], seen)

    def test_without_waitress_there_is_one_worker(self):
        self.assertEqual(1, instance.worker_threads())
