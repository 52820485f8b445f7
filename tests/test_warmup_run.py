"""One warm-up: which sites, which connections, which performer."""

from AccessControl import getSecurityManager
from ftw.monitor import instance
from ftw.monitor.checks.databases import server_session
from ftw.monitor.interfaces import IHotSetStore
from ftw.monitor.interfaces import IWarmupPerformer
from ftw.monitor.warmup import DefaultWarmupPerformer
from ftw.monitor.warmup.hotset import HotSet
from ftw.monitor.warmup.run import find_sites
from ftw.monitor.warmup.run import no_server_lost
from ftw.monitor.warmup.run import perform
from ftw.monitor.warmup.run import warm_up
from ftw.monitor.warmup.run import WarmupFailed
from ftw.monitor.warmup.run import worker_connections
from ftw.monitor.warmup.visit import render
from OFS.Application import Application
from OFS.Folder import Folder
from plone.browserlayer.utils import register_layer
from Products.CMFCore.interfaces import ISiteRoot
from Products.CMFPlone.interfaces import IPloneSiteRoot
from shutil import rmtree
from tempfile import mkdtemp
from tests.patch import patch
from tests.recorded_log import RecordedLog
from tests.testing import MONITOR_INTEGRATION_TESTING
from tests.warmup_case import CACHE_SIZE
from tests.warmup_case import DummyPerformer
from tests.warmup_case import DummySite
from tests.warmup_case import Problem
from tests.warmup_case import register_adapter
from tests.warmup_case import WarmupCase
from tests.worlds import only_with_wsgi
from transaction.interfaces import DoomedTransaction
from ZODB.POSException import POSKeyError
from zope.component import getGlobalSiteManager
from zope.component import getMultiAdapter
from zope.component.hooks import getSite
from zope.configuration import xmlconfig
from zope.globalrequest import getRequest
from zope.interface import alsoProvides
from zope.interface import implementer
from zope.interface import Interface
from zope.publisher.interfaces.browser import IBrowserRequest
from ZPublisher.interfaces import IPubSuccess
import logging
import os
import threading
import transaction
import unittest


try:
    from waitress.task import ThreadedTaskDispatcher
except ImportError:
    # Plone 4.3
    ThreadedTaskDispatcher = None


class ICustomLayer(Interface):
    """The browser layer of an add-on."""


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


class DummySession(object):
    """Of psycopg2."""

    closed = 0


class DummyRelStorage(object):

    def __init__(self, session):
        self._load_connection = self
        self.connection = session


class DummyConnection(object):

    def __init__(self, storage):
        self._storage = storage


class TestServerSession(unittest.TestCase):
    """RelStorage does not say when it has lost its server."""

    def setUp(self):
        self.storage = DummyRelStorage(DummySession())

    def session(self):
        return server_session(DummyConnection(self.storage))

    def test_it_stays_the_same_as_long_as_the_server_is_there(self):
        self.assertEqual(self.session(), self.session())

    def test_it_is_another_one_when_it_was_lost_in_this_transaction(self):
        before = self.session()
        self.storage.connection.closed = 2
        self.assertNotEqual(before, self.session())

    def test_it_is_another_one_when_it_was_made_anew(self):
        before = self.session()
        self.storage.connection = DummySession()
        self.assertNotEqual(before, self.session())

    def test_there_is_none_before_the_first_transaction(self):
        self.storage.connection = None
        self.assertIsNone(self.session())

    def test_other_storages_have_none(self):
        self.storage = object()
        self.assertIsNone(self.session())


class TestAServerThatIsLost(WarmupTestCase):

    def setUp(self):
        super(TestAServerThatIsLost, self).setUp()
        self.storage = self.app._p_jar.db().storage
        # As a ZEO client counts its connections.
        patch(self, self.storage, '_connection_generation', 1)

    def test_it_fails_although_the_server_is_back_before_anybody_noticed(self):
        with self.assertRaises(WarmupFailed) as raised:
            with no_server_lost([self.app._p_jar]):
                self.storage._connection_generation += 1
        self.assertIn('was disconnected for a moment', str(raised.exception))

    def test_it_does_not_fail_without_that(self):
        with no_server_lost([self.app._p_jar]):
            self.app.objectIds()


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
        self.assertTrue(self.lifecycle.begin_warmup())
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
            ['/plone for worker 2', '/plone for worker 3',
             'threads for /plone'],
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


    def test_a_performer_without_perform_is_a_failure(self):

        class Nothing(object):

            def __init__(self, context, request):
                pass

        register_adapter(
            self, Nothing, (ISiteRoot, IBrowserRequest), IWarmupPerformer)
        with self.assertRaises(WarmupFailed) as caught:
            self.warm_up('/plone')
        self.assertIn('.Nothing for /plone: AttributeError',
                      str(caught.exception))


class TestProgress(WarmupTestCase):

    def setUp(self):
        super(TestProgress, self).setUp()
        self.app._setObject('other', DummySite('other'))
        transaction.commit()
        self.start_workers(2)
        self.assertTrue(self.lifecycle.begin_warmup())

    def test_it_says_which_site_and_which_worker_it_is_about(self):
        seen = []

        def look(site, request):
            progress = self.lifecycle.progress
            seen.append((progress.site, progress.worker, progress.workers,
                         progress.step, progress.steps))

        self.register_performer(look)
        warm_up(self.app, ['/plone', '/other'], self.lifecycle)
        self.assertEqual([('/plone', 1, 2, 0, 4), ('/plone', 2, 2, 1, 4),
                          ('/other', 1, 2, 2, 4), ('/other', 2, 2, 3, 4)],
                         seen)
        self.assertEqual(4, self.lifecycle.progress.step)

    def test_it_names_the_stages_of_the_default_performer(self):
        seen = []

        class NotingPerformer(DefaultWarmupPerformer):

            def note(self):
                seen.append(self.progress.stage)

            load_catalog = load_registry = note
            load_schemata = render_pages = note

        register_adapter(
            self, NotingPerformer, (IPloneSiteRoot, IBrowserRequest),
            IWarmupPerformer)
        warm_up(self.app, ['/plone'], self.lifecycle)
        self.assertEqual(2 * ['catalog', 'registry', 'schemata', 'pages'],
                         seen)
        self.assertEqual('threads', self.lifecycle.progress.stage)

    def test_it_does_not_come_to_the_end_when_the_time_is_up(self):

        def take_too_long(site, request):
            self.lifecycle.warmup_timeout = -1

        self.register_performer(take_too_long)
        warm_up(self.app, ['/plone', '/other'], self.lifecycle)
        self.assertEqual((1, 4), (self.lifecycle.progress.step,
                                  self.lifecycle.progress.steps))


@implementer(IHotSetStore)
class DummyStore(object):

    def __init__(self, hot_set):
        self.hot_set = hot_set
        self.loads = 0

    def load(self):
        self.loads += 1
        return self.hot_set


class TestHotSet(WarmupTestCase):

    HOSTS = ['/VirtualHostBase/http/www.example.org:80/plone/VirtualHostRoot',
             'intranet:8080'] + ['host-%d' % number for number in range(15)]

    def setUp(self):
        super(TestHotSet, self).setUp()
        self.start_workers(2)
        # What no visit of the site needs.
        for number in range(20):
            self.app._setObject('hot-%d' % number, Folder('hot-%d' % number))
        transaction.commit()
        self.oids = [self.app._getOb('hot-%d' % number)._p_oid
                     for number in range(20)]
        root = self.app._p_jar.root()
        root._p_activate()
        self.use(HotSet(1760000000, 12.5, self.HOSTS, {
            self.database.database_name: (root._p_serial, self.oids)}))

    def use(self, hot_set):
        self.store = DummyStore(hot_set)
        registry = getGlobalSiteManager()
        registry.registerUtility(self.store, IHotSetStore)
        self.addCleanup(
            registry.unregisterUtility, self.store, IHotSetStore)

    def warm_up(self):
        """Warm up; return, for each worker, what of the hot set its cache
        had when the performer was called, and how many steps were done."""
        seen = []

        def look(site, request):
            cache = site._p_jar._cache
            seen.append((
                [oid for oid in self.oids if getattr(
                    cache.get(oid), '_p_changed', None) is not None],
                self.lifecycle.progress.step))

        self.database.cacheMinimize()
        self.register_performer(look)
        self.assertTrue(self.lifecycle.begin_warmup())
        warm_up(self.app, ['/plone'], self.lifecycle)
        self.lifecycle.end_warmup(['/plone'], ['/plone'])
        return seen

    def test_it_is_loaded_for_each_worker_before_any_site(self):
        self.assertEqual([(self.oids, 2), (self.oids, 3)], self.warm_up())
        self.assertEqual(4, self.lifecycle.progress.steps)

    def test_it_is_loaded_in_the_first_warmup_only(self):
        self.warm_up()
        self.assertEqual([([], 0), ([], 1)], self.warm_up())
        self.assertEqual(1, self.store.loads)

    def test_it_is_loaded_again_after_a_warmup_that_failed(self):
        self.assertTrue(self.lifecycle.begin_warmup())
        self.lifecycle.fail_warmup('no more tea')
        self.assertEqual([(self.oids, 2), (self.oids, 3)], self.warm_up())

    def test_it_tells_the_virtual_hosts_the_most_visited_one_first(self):
        self.warm_up()
        self.assertEqual(self.HOSTS, self.virtual_hosts.most_visited())

    def test_it_tells_how_long_the_boot_before_took(self):
        self.warm_up()
        self.assertEqual(12.5, self.lifecycle.previous_warmup_seconds)

    def test_there_is_none_yet(self):
        self.use(None)
        self.assertEqual([([], 0), ([], 1)], self.warm_up())
        self.assertEqual(2, self.lifecycle.progress.steps)
        self.assertIsNone(self.lifecycle.previous_warmup_seconds)

    def test_when_the_time_is_up_it_is_left_out_and_named(self):
        self.assertTrue(self.lifecycle.begin_warmup())
        self.lifecycle.warmup_timeout = -1
        warm_up(self.app, ['/plone'], self.lifecycle)
        self.assertEqual(
            ['hot set for worker 1', 'hot set for worker 2',
             '/plone for worker 1', '/plone for worker 2'],
            self.lifecycle.warmup_left_out)


class VisitNotes(object):
    """What a performer finds set up, each time it is called."""

    def __init__(self):
        self.threads = []
        self.connections = []
        self.visits = []

    def add(self, site, request):
        """Note the visit that is going on."""
        self.threads.append(threading.current_thread())
        self.connections.append(site._p_jar)
        self.visits.append((
            '/'.join(getSite().getPhysicalPath()),
            getSite()._p_jar is site._p_jar,
            getRequest() is request,
            getSecurityManager().getUser().getUserName(),
            ICustomLayer.providedBy(request),
            site.logo._p_jar is site._p_jar,
            site._p_jar.transaction_manager.isDoomed(),
            transaction.isDoomed()))


#: What ``VisitNotes`` has for the complete visit of an anonymous visitor.
COMPLETE = ('/plone', True, True, 'Anonymous User', True, True, True, True)


class ThreadsTestCase(WarmupTestCase):

    def setUp(self):
        super(ThreadsTestCase, self).setUp()
        register_layer(ICustomLayer, 'custom', self.portal.getSiteManager())
        self.portal.portal_skins.custom._setObject('logo', Folder('logo'))
        transaction.commit()
        self.notes = VisitNotes()
        self.notes_of_threads = VisitNotes()
        self.asleep = 0

    def use_threads(self, count):
        """As if this process had so many other worker threads."""
        patch(self, instance, 'call_in_other_workers',
              lambda work: self.call_in_threads(count, work))

    def call_in_threads(self, count, work):
        errors = []

        def call():
            try:
                work()
            except WarmupFailed as error:
                errors.append(error)
            self.left_behind = (getSite(), getRequest(),
                                transaction.isDoomed())

        for _ in range(count):
            thread = threading.Thread(target=call)
            thread.start()
            thread.join()
        if errors:
            raise errors[0]
        return self.asleep

    def register(self, base, action=None):
        """Have a performer of the kind *base* note its visits, and then do
        *action* in threads."""

        class NotingPerformer(base):

            def perform(performer):
                self.notes.add(performer.context, performer.request)

            if base is not DummyPerformer:
                def perform_in_thread(performer):
                    self.notes_of_threads.add(
                        performer.context, performer.request)
                    if action is not None:
                        action(performer.context)

        register_adapter(
            self, NotingPerformer, (IPloneSiteRoot, IBrowserRequest),
            IWarmupPerformer)

    def warm_up(self):
        self.assertTrue(self.lifecycle.begin_warmup())
        warm_up(self.app, ['/plone'], self.lifecycle)


class TestOriginalPerformer(ThreadsTestCase):
    """One that was written for the original release: ``perform()``, and no
    idea of workers and threads."""

    def test_it_is_called_for_each_worker_in_a_complete_visit(self):
        self.register(DummyPerformer)
        self.start_workers(3)
        self.warm_up()
        self.assertEqual(3 * [COMPLETE], self.notes.visits)
        self.assertEqual(3, len(set(map(id, self.notes.connections))))

    def test_it_is_not_called_in_other_threads(self):
        self.register(DummyPerformer)
        self.start_workers(3)
        self.use_threads(2)
        self.warm_up()
        self.assertEqual(3 * [COMPLETE], self.notes.visits)
        self.assertEqual({threading.current_thread()},
                         set(self.notes.threads))
        self.assertEqual([], self.lifecycle.warmup_warnings)


class TestOtherThreads(ThreadsTestCase):

    def setUp(self):
        super(TestOtherThreads, self).setUp()
        self.log = RecordedLog.installed(self, logging.INFO)
        self.start_workers(3)
        self.use_threads(2)

    def test_a_performer_is_called_in_each_in_a_complete_visit(self):
        self.register(DefaultWarmupPerformer)
        self.warm_up()
        self.assertEqual(2 * [COMPLETE], self.notes_of_threads.visits)
        threads = set(self.notes_of_threads.threads)
        self.assertEqual(2, len(threads))
        self.assertNotIn(threading.current_thread(), threads)
        # Not ours, which knows no other thread.
        self.assertNotIn(self.app._p_jar, self.notes_of_threads.connections)

    def test_that_is_when_all_workers_are_done(self):
        done = []
        self.register(DefaultWarmupPerformer,
                      lambda site: done.append(len(self.notes.visits)))
        self.warm_up()
        self.assertEqual([3, 3], done)

    def test_they_are_left_as_they_were(self):
        self.register(DefaultWarmupPerformer)
        self.warm_up()
        self.assertEqual((None, None, False), self.left_behind)

    def test_what_is_written_there_is_not_committed(self):
        title = self.portal.title
        refused = []

        def write(site):
            site.title = u'Changed'
            for manager in (site._p_jar.transaction_manager, transaction):
                try:
                    manager.commit()
                except DoomedTransaction:
                    refused.append(manager)

        self.register(DefaultWarmupPerformer, write)
        self.warm_up()
        self.assertEqual(4, len(refused))
        self.assertEqual(title, self.stored_title())

    def test_what_goes_wrong_there_makes_the_warmup_fail(self):

        def fail(site):
            raise Problem('no more tea')

        self.register(DefaultWarmupPerformer, fail)
        before = self.open_connections()
        with self.assertRaises(WarmupFailed) as caught:
            self.warm_up()
        self.assertIn('NotingPerformer for /plone: Problem: no more tea',
                      str(caught.exception))
        self.assertEqual(before, self.open_connections())

    def test_a_performer_that_does_not_come_back_there_is_named(self):
        verdicts = []

        def hang(site):
            self.lifecycle.warmup_timeout = -1
            verdicts.append(self.lifecycle.verdict())

        self.lifecycle.want_warmup()
        self.register(DefaultWarmupPerformer, hang)
        self.warm_up()
        self.assertIn('NotingPerformer has not returned', verdicts[0])

    def test_the_default_performer_renders_the_front_page_there(self):
        rendered = []

        def note(event):
            if threading.current_thread() is not main:
                rendered.append(event.request['PATH_INFO'])

        main = threading.current_thread()
        self.register_handler(note, IPubSuccess)
        self.warm_up()
        self.assertEqual(2 * ['/plone/'], rendered)
        self.assertEqual([], self.lifecycle.warmup_warnings)

    def test_when_the_time_is_up_they_are_left_out_and_named(self):

        class SlowPerformer(DefaultWarmupPerformer):

            def perform(performer):
                if self.lifecycle.progress.worker == 3:
                    self.lifecycle.warmup_timeout = -1

            perform_in_thread = self.fail

        register_adapter(
            self, SlowPerformer, (IPloneSiteRoot, IBrowserRequest),
            IWarmupPerformer)
        self.warm_up()
        self.assertEqual(
            ['threads for /plone'], self.lifecycle.warmup_left_out)

    def test_how_many_were_busy_is_in_the_log(self):
        self.register(DefaultWarmupPerformer)
        self.asleep = 2
        self.warm_up()
        self.assertIn(
            ('INFO', 'Warmup of /plone: 2 threads were busy, and are warmed by'
                     ' their next visitors.'), self.log.messages)

    def test_if_none_was_busy_the_log_does_not_speak_of_it(self):
        self.register(DefaultWarmupPerformer)
        self.warm_up()
        self.assertNotIn('busy', str(self.log.messages))

    def test_a_site_that_cannot_be_visited_is_a_warning(self):
        self.app._setObject('broken', BrokenSite('broken'))
        transaction.commit()
        self.assertTrue(self.lifecycle.begin_warmup())
        warm_up(self.app, ['/broken'], self.lifecycle)
        self.assertIn('/broken cannot be visited: AttributeError:'
                      ' no such tool', self.lifecycle.warmup_warnings)


class TestTheOnlyWorker(ThreadsTestCase):

    def test_it_has_no_others(self):
        self.register(DefaultWarmupPerformer)
        self.use_threads(2)
        self.warm_up()
        self.assertEqual([COMPLETE], self.notes.visits)
        self.assertEqual([], self.notes_of_threads.visits)


@only_with_wsgi
class TestThreadsOfWaitress(ThreadsTestCase):

    def setUp(self):
        super(TestThreadsOfWaitress, self).setUp()
        self.waitress = ThreadedTaskDispatcher()
        self.waitress.set_thread_count(3)
        self.addCleanup(self.waitress.shutdown)
        self.register(DefaultWarmupPerformer)

    def names(self, notes):
        return sorted(thread.name for thread in notes.threads)

    def test_a_warmup_by_a_worker_comes_to_each_of_them_once(self):
        errors = []

        class Request(object):

            def service(task):
                # As the publisher does it.
                app = self.open().root()['Application']
                try:
                    self.assertTrue(self.lifecycle.begin_warmup())
                    warm_up(app, ['/plone'], self.lifecycle)
                except Exception as error:
                    errors.append(error)
                done.set()

        done = threading.Event()
        self.waitress.add_task(Request())
        self.assertTrue(done.wait(60))
        self.assertEqual([], errors)
        own = set(self.names(self.notes))
        self.assertEqual(1, len(own))
        self.assertEqual(3, len(self.notes.visits))
        self.assertEqual(
            sorted({'waitress-0', 'waitress-1', 'waitress-2'} - own),
            self.names(self.notes_of_threads))

    def test_a_warmup_by_somebody_else_too(self):
        self.warm_up()
        self.assertEqual(['waitress-0', 'waitress-1', 'waitress-2'],
                         self.names(self.notes_of_threads))
        self.assertEqual(3 * [COMPLETE], self.notes_of_threads.visits)


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
