"""Visits: what a visitor's request sets up, and what is left of it."""

from AccessControl import getSecurityManager
from Acquisition import aq_base
from contextlib import contextmanager
from ftw.monitor.warmup.visit import render
from ftw.monitor.warmup.visit import visit
from OFS.Folder import Folder
from plone.app.testing import setRoles
from plone.app.testing import TEST_USER_ID
from plone.browserlayer.utils import register_layer
from plone.registry.interfaces import IRegistry
from plone.transformchain.interfaces import ITransform
from Products.SiteAccess.VirtualHostMonster import VirtualHostMonster
from tests.warmup_case import Problem
from tests.warmup_case import register_adapter
from tests.warmup_case import WarmupCase
from tests.worlds import EXCEPTIONS_ARE_PAGES
from tests.worlds import PRIVATE_PAGE
from transaction.interfaces import DoomedTransaction
from transaction.interfaces import TransactionFailedError
from zExceptions import NotFound
from ZODB.POSException import ConflictError
from zope.component import getUtility
from zope.component.hooks import getSite
from zope.globalrequest import getRequest
from zope.interface import implementer
from zope.interface import Interface
from zope.publisher.interfaces.browser import IDefaultBrowserLayer
from zope.security.management import endInteraction
from zope.security.management import newInteraction
from zope.security.management import queryInteraction
from ZPublisher.interfaces import IPubSuccess
import transaction


THEMING = 'plone.app.theming.interfaces.IThemeSettings'


class ICustomLayer(Interface):
    """The browser layer of an add-on."""


class IColour(Interface):
    """A utility that only one site has."""


class VisitTestCase(WarmupCase):

    def setUp(self):
        super(VisitTestCase, self).setUp()
        setRoles(self.portal, TEST_USER_ID, ['Manager'])

    def add_to_skin(self, name):
        """Commit an object in the skin, and visit the site anew."""
        self.portal.portal_skins.custom._setObject(name, Folder(name))
        transaction.commit()
        self.portal.clearCurrentSkin()
        self.portal.setupCurrentSkin(self.layer['request'])

    @contextmanager
    def assertThreadStateKept(self):
        """Who comes after the visit finds all that was there before it."""
        manager = getSecurityManager()
        user = manager.getUser().getId()
        site = getSite()
        request = getRequest()
        interaction = queryInteraction() is not None
        self.assertEqual(TEST_USER_ID, user)
        self.assertIsNotNone(site)
        self.assertIsNotNone(request)
        yield
        self.assertIs(manager, getSecurityManager())
        self.assertEqual(user, getSecurityManager().getUser().getId())
        self.assertIs(site, getSite())
        self.assertIs(request, getRequest())
        self.assertEqual(interaction, queryInteraction() is not None)


class TestVisit(VisitTestCase):

    def test_a_visit_comes_to_the_site_and_its_request(self):
        with visit(self.app, '/plone') as (site, request):
            self.assertEqual(('', 'plone'), site.getPhysicalPath())
            self.assertIs(request, site.REQUEST)
            self.assertIs(request, getRequest())

    def test_the_visited_site_is_the_current_one(self):
        with visit(self.app, '/plone') as (site, request):
            self.assertIs(aq_base(site), aq_base(getSite()))

    def test_the_components_of_the_site_are_found(self):
        self.portal.getSiteManager().registerUtility(Folder('blue'), IColour)
        transaction.commit()
        with visit(self.app, '/plone'):
            self.assertEqual('blue', getUtility(IColour).getId())

    def test_a_site_in_a_folder_is_visited(self):
        self.app._setObject('group', Folder('group'))
        transaction.commit()
        # Plone 4.3 has no two sites of the same name.
        site = aq_base(self.app.plone)
        self.app._delObject('plone', suppress_events=True)
        self.app.group._setObject('plone', site, suppress_events=True)
        transaction.commit()
        with visit(self.app, '/group/plone') as (site, request):
            self.assertEqual(('', 'group', 'plone'), site.getPhysicalPath())

    def test_the_visitor_is_anonymous(self):
        with visit(self.app, '/plone'):
            self.assertIsNone(getSecurityManager().getUser().getId())
            self.assertFalse(getSecurityManager().checkPermission(
                'Manage portal', getSite()))

    def test_a_site_that_is_closed_to_visitors_is_visited_nevertheless(self):
        self.portal.manage_permission('View', ['Manager'], acquire=0)
        transaction.commit()
        with visit(self.app, '/plone') as (site, request):
            self.assertFalse(
                getSecurityManager().checkPermission('View', site))

    def test_the_request_has_the_browser_layers_of_the_site(self):
        register_layer(ICustomLayer, 'custom', self.portal.getSiteManager())
        transaction.commit()
        with visit(self.app, '/plone') as (site, request):
            self.assertTrue(ICustomLayer.providedBy(request))
            self.assertTrue(IDefaultBrowserLayer.providedBy(request))

    def test_the_skin_comes_from_the_connection_of_the_visit(self):
        # Also if the thread is in a visit of the site already, which is so
        # whenever the site's own @@warmup is asked.
        self.add_to_skin('logo')
        self.assertIs(self.app._p_jar, self.portal.logo._p_jar)
        connection = self.open()
        with visit(connection.root()['Application'], '/plone') as (site, _):
            self.assertEqual('logo', site.logo.getId())
            self.assertIs(connection, site.logo._p_jar)

    def test_the_skin_of_the_caller_is_the_same_afterwards(self):
        self.add_to_skin('logo')
        with visit(self.open().root()['Application'], '/plone'):
            pass
        self.assertIs(self.app._p_jar, self.portal.logo._p_jar)

    def test_the_transaction_is_doomed(self):
        with visit(self.app, '/plone') as (site, request):
            self.assertTrue(transaction.isDoomed())
            self.assertRaises(DoomedTransaction, transaction.commit)

    def test_the_transaction_of_the_connection_is_doomed(self):
        connection = self.open()
        with visit(connection.root()['Application'], '/plone'):
            self.assertRaises(
                DoomedTransaction, connection.transaction_manager.commit)

    def test_what_a_visit_changes_is_gone_afterwards(self):
        title = self.portal.title
        with visit(self.app, '/plone') as (site, request):
            site.title = u'Changed'
        transaction.commit()
        self.assertEqual(title, self.portal.title)
        self.assertEqual(title, self.stored_title())

    def test_what_a_visit_changes_is_gone_after_an_exception(self):
        connection = self.open()
        app = connection.root()['Application']
        title = app.plone.title
        with self.assertRaises(Problem):
            with visit(app, '/plone') as (site, request):
                site.title = u'Changed'
                raise Problem()
        connection.transaction_manager.commit()
        self.assertEqual(title, app.plone.title)
        self.assertEqual(title, self.stored_title())

    def test_a_visit_in_another_connection_lets_our_transaction_be(self):
        self.portal.title = u'Ours'
        with visit(self.open().root()['Application'], '/plone'):
            pass
        transaction.commit()
        self.assertEqual(u'Ours', self.stored_title())

    def test_the_thread_is_as_before(self):
        with self.assertThreadStateKept():
            with visit(self.app, '/plone'):
                pass

    def test_the_thread_is_as_before_after_an_exception(self):
        with self.assertThreadStateKept():
            with self.assertRaises(Problem):
                with visit(self.app, '/plone'):
                    raise Problem()

    def test_the_thread_is_as_before_if_there_is_no_such_site(self):
        with self.assertThreadStateKept():
            with self.assertRaises(NotFound):
                with visit(self.app, '/nowhere'):
                    self.fail('There is nothing to be visited.')

    def test_the_caller_keeps_its_interaction(self):
        newInteraction()
        self.addCleanup(endInteraction)
        with self.assertThreadStateKept():
            with visit(self.app, '/plone'):
                self.assertIsNotNone(queryInteraction())
        self.assertIsNotNone(queryInteraction())

    def test_a_visit_within_a_visit_changes_nothing_for_the_outer_one(self):
        with visit(self.app, '/plone') as (site, request):
            with visit(self.open().root()['Application'], '/plone'):
                pass
            self.assertIs(request, getRequest())
            self.assertIs(aq_base(site), aq_base(getSite()))
            self.assertIsNone(getSecurityManager().getUser().getId())
            self.assertTrue(transaction.isDoomed())


class BrokenResource(object):
    """A participant of a transaction that does not let it be committed."""

    transaction_manager = None

    def sortKey(self):
        return 'broken'

    def tpc_begin(self, transaction):
        raise Problem('no space left')

    def abort(self, transaction):
        pass

    tpc_abort = abort


class TestTransactions(VisitTestCase):
    """Those of the connection, and those of the thread."""

    def setUp(self):
        super(TestTransactions, self).setUp()
        self.connection = self.open()
        self.visited = self.connection.root()['Application']
        self.managers = (
            transaction.manager, self.connection.transaction_manager)

    def assertDoomed(self):
        for manager in self.managers:
            self.assertTrue(manager.isDoomed())
            self.assertRaises(DoomedTransaction, manager.commit)

    def assertNormal(self):
        """What is changed now is committed."""
        for manager in self.managers:
            self.assertFalse(manager.isDoomed())
        self.visited.plone.title = u'Theirs'
        self.connection.transaction_manager.commit()
        self.assertEqual(u'Theirs', self.stored_title())
        transaction.begin()
        self.portal.title = u'Ours'
        transaction.commit()
        self.assertEqual(u'Ours', self.stored_title())

    def test_they_are_doomed_from_the_beginning(self):
        with visit(self.visited, '/plone'):
            self.assertDoomed()

    def test_those_that_are_begun_are_doomed(self):
        with visit(self.visited, '/plone'):
            for manager in self.managers:
                manager.begin()
            self.assertDoomed()

    def test_those_that_follow_an_abort_are_doomed(self):
        with visit(self.visited, '/plone'):
            for manager in self.managers:
                manager.abort()
            self.assertDoomed()

    def test_those_that_follow_two_aborts_are_doomed(self):
        with visit(self.visited, '/plone'):
            for manager in 2 * self.managers:
                manager.abort()
            self.assertDoomed()

    def test_those_that_follow_a_commit_that_failed_are_doomed(self):
        with visit(self.visited, '/plone'):
            for manager in self.managers:
                self.assertRaises(DoomedTransaction, manager.commit)
            self.assertDoomed()

    def test_those_that_follow_a_page_are_doomed(self):
        with visit(self.visited, '/plone'):
            render(self.visited, '/plone/nowhere')
            self.assertDoomed()
            render(self.app, '/plone/nowhere')
            self.assertDoomed()

    def test_those_that_follow_a_visit_within_the_visit_are_doomed(self):
        with visit(self.visited, '/plone'):
            with visit(self.app, '/plone'):
                pass
            self.assertDoomed()

    def test_they_are_normal_afterwards(self):
        with visit(self.visited, '/plone'):
            pass
        self.assertNormal()

    def test_they_are_normal_after_a_visit_in_the_connection_of_both(self):
        with visit(self.app, '/plone'):
            pass
        self.assertNormal()

    def test_they_are_normal_after_a_page(self):
        render(self.visited, '/plone/nowhere')
        self.assertNormal()

    def test_they_are_normal_after_a_visit_within_a_visit(self):
        with visit(self.app, '/plone'):
            with visit(self.visited, '/plone'):
                render(self.app, '/plone/nowhere')
        self.assertNormal()

    def test_they_are_normal_after_an_exception(self):
        for app in (self.app, self.visited):
            with self.assertRaises(Problem):
                with visit(app, '/plone'):
                    raise Problem()
        self.assertNormal()

    def test_they_are_normal_after_others_have_been_begun(self):
        with visit(self.visited, '/plone'):
            for manager in self.managers:
                manager.begin()
        self.assertNormal()

    def test_that_of_the_caller_is_still_doomed_if_it_was_before(self):
        transaction.doom()
        with visit(self.visited, '/plone'):
            pass
        self.assertTrue(transaction.isDoomed())

    def test_that_of_the_caller_may_have_failed_already(self):
        self.addCleanup(transaction.abort)
        transaction.get().join(BrokenResource())
        self.assertRaises(Problem, transaction.commit)
        with visit(self.visited, '/plone'):
            self.assertRaises(TransactionFailedError, transaction.commit)
        self.assertRaises(TransactionFailedError, transaction.commit)

    def test_what_is_written_for_the_thread_is_gone_afterwards(self):
        title = self.portal.title
        with visit(self.visited, '/plone'):
            transaction.begin()
            self.portal.title = u'Changed'
        transaction.commit()
        self.assertEqual(title, self.portal.title)
        self.assertEqual(title, self.stored_title())


class TestRender(VisitTestCase):

    def render(self, path):
        """Render *path*; return status, location and what a visitor gets."""
        bodies = []

        def note_body(event):
            bodies.append(event.request.response.body)

        self.register_handler(note_body, IPubSuccess)
        status, location = render(self.app, path)
        return status, location, bodies[-1] if bodies else None

    def test_the_front_page_is_rendered(self):
        status, location, body = self.render('/plone')
        self.assertEqual((200, None), (status, location))
        self.assertIn(b'Plone site', body)
        self.assertIn(b'</html>', body)

    def test_the_theme_is_applied(self):
        settings = getUtility(IRegistry)
        if not settings.get(THEMING + '.enabled'):
            self.skipTest('This Plone has no theme.')
        # Only the theme has this element.
        _, _, body = self.render('/plone')
        self.assertIn(b'id="mainnavigation-wrapper"', body)

    def test_the_transforms_are_applied(self):

        @implementer(ITransform)
        class Signature(object):

            order = 9999

            def __init__(self, published, request):
                pass

            def transformBytes(self, result, encoding):
                return result + b'<!-- transformed -->'

            def transformIterable(self, result, encoding):
                return list(result) + [b'<!-- transformed -->']

        register_adapter(
            self, Signature, (Interface, Interface), ITransform, 'signature')
        _, _, body = self.render('/plone')
        self.assertTrue(body.endswith(b'<!-- transformed -->'), body[-200:])

    def test_a_page_sees_its_own_request_and_its_site(self):
        seen = []

        def page(context, request):
            seen.append((getRequest() is request,
                         getSite().getPhysicalPath(),
                         getSecurityManager().getUser().getId()))
            return 'Seen'

        self.register_page('page', page)
        self.assertEqual((200, None, b'Seen'), self.render('/plone/@@page'))
        self.assertEqual([(True, ('', 'plone'), None)], seen)

    def test_a_page_sees_what_it_was_asked_for_and_how(self):
        seen = []

        def page(context, request):
            seen.append((request['ACTUAL_URL'], context.absolute_url(),
                         request.form.get('topic'),
                         request.get_header('Accept')))
            return 'Seen'

        self.register_page('page', page)
        render(self.app, '/plone/@@page')
        render(self.app, '/plone/@@page?topic=tea%20time',
               'www.example.org:8080', 'application/json')
        self.assertEqual([
            ('http://localhost/plone/@@page', 'http://localhost/plone',
             None, 'text/html'),
            ('http://www.example.org:8080/plone/@@page',
             'http://www.example.org:8080/plone',
             'tea time', 'application/json')], seen)

    def test_a_page_sees_the_virtual_host_in_its_path(self):
        VirtualHostMonster().addToContainer(self.app)
        transaction.commit()
        seen = []
        self.register_page('page', lambda context, request: seen.append(
            (request['ACTUAL_URL'], context.absolute_url())))
        render(self.app, '/VirtualHostBase/https/www.example.org:443/plone'
                         '/VirtualHostRoot/_vh_site/@@page')
        self.assertEqual([('https://www.example.org/site/@@page',
                           'https://www.example.org/site')], seen)

    def test_what_is_not_there_is_404(self):
        status, location, _ = self.render('/plone/nowhere')
        self.assertEqual((404, None), (status, location))

    def test_a_redirect_says_where_it_leads(self):

        def page(context, request):
            request.response.redirect('http://localhost/elsewhere')

        self.register_page('page', page)
        status, location, _ = self.render('/plone/@@page')
        self.assertEqual((302, 'http://localhost/elsewhere'),
                         (status, location))

    def test_a_private_page_asks_the_visitor_to_log_in(self):
        self.portal.invokeFactory('Document', 'private')
        self.portal.private.manage_permission('View', ['Owner'], acquire=0)
        transaction.commit()
        status, location, _ = self.render('/plone/private')
        page = location and location.split('?')[0].split('/')[-1]
        self.assertEqual(PRIVATE_PAGE, (status, page))

    def test_a_private_page_is_401_without_the_login_form(self):
        # As on an application root.
        status, _, _ = self.render('/manage_main')
        self.assertEqual(401, status)

    def assertFails(self, error, path):
        """The page at *path* raises *error*, or is made from it."""
        if EXCEPTIONS_ARE_PAGES:
            self.assertEqual(500, self.render(path)[0])
        else:
            self.assertRaises(error, self.render, path)

    def test_a_page_that_raises_fails(self):

        def page(context, request):
            raise Problem('broken')

        self.register_page('page', page)
        self.assertFails(Problem, '/plone/@@page')

    def test_a_conflict_is_raised(self):

        def page(context, request):
            raise ConflictError()

        self.retry_conflicts()
        self.register_page('page', page)
        self.assertRaises(ConflictError, render, self.app, '/plone/@@page')

    def test_what_a_page_writes_is_not_committed(self):
        title = self.portal.title

        def page(context, request):
            context.title = u'Changed'
            return 'Written'

        self.register_page('page', page)
        self.assertEqual(200, self.render('/plone/@@page')[0])
        self.assertEqual(title, self.stored_title())

    def test_a_page_that_commits_fails(self):
        title = self.portal.title

        def page(context, request):
            context.title = u'Changed'
            transaction.commit()
            return 'Committed'

        self.register_page('page', page)
        self.assertFails(DoomedTransaction, '/plone/@@page')
        self.assertEqual(title, self.stored_title())

    def test_a_page_that_begins_a_transaction_does_not_commit_it(self):
        # plone.protect aborts the transaction of a page that writes without
        # being asked to, and lets the page go on.
        title = self.portal.title

        def page(context, request):
            transaction.abort()
            context.title = u'Changed'
            return 'Written'

        self.register_page('page', page)
        self.render('/plone/@@page')
        self.assertEqual(title, self.stored_title())

    def test_a_page_in_another_connection_does_not_commit_either(self):
        app = self.open().root()['Application']
        title = app.plone.title

        def page(context, request):
            context._p_jar.transaction_manager.begin()
            context.title = u'Changed'
            return 'Written'

        self.register_page('page', page)
        render(app, '/plone/@@page')
        self.assertEqual(title, self.stored_title())

    def test_the_objects_are_loaded_in_the_connection_of_the_root(self):
        connection = self.open()
        app = connection.root()['Application']
        app.plone.getId()
        connection.getTransferCounts(True)
        render(app, '/plone')
        loaded, stored = connection.getTransferCounts()
        self.assertGreater(loaded, 100)
        self.assertEqual(0, stored)

    def test_nothing_is_pending_after_a_page(self):
        connection = self.open()
        app = connection.root()['Application']

        def page(context, request):
            context.title = u'Changed'
            return 'Written'

        self.register_page('page', page)
        render(app, '/plone/@@page')
        self.assertNotEqual(u'Changed', app.plone.title)
        self.assertEqual([], connection._registered_objects)

    def test_the_thread_is_as_before(self):
        with self.assertThreadStateKept():
            render(self.app, '/plone')

    def test_the_thread_is_as_before_after_a_page_that_is_not_there(self):
        with self.assertThreadStateKept():
            render(self.app, '/plone/nowhere')

    def test_the_thread_is_as_before_after_an_exception(self):

        def page(context, request):
            raise ConflictError()

        self.retry_conflicts()
        self.register_page('page', page)
        with self.assertThreadStateKept():
            self.assertRaises(
                ConflictError, render, self.app, '/plone/@@page')

    def test_the_caller_keeps_its_interaction(self):
        newInteraction()
        self.addCleanup(endInteraction)
        with self.assertThreadStateKept():
            render(self.app, '/plone')
        self.assertIsNotNone(queryInteraction())

    def test_a_visit_goes_on_after_a_page(self):
        with visit(self.app, '/plone') as (site, request):
            render(self.app, '/plone')
            self.assertIs(request, getRequest())
            self.assertEqual(('', 'plone'), getSite().getPhysicalPath())
            self.assertIsNone(getSecurityManager().getUser().getId())

    def test_the_transaction_of_a_visit_is_doomed_after_a_page_too(self):
        title = self.portal.title
        with visit(self.app, '/plone') as (site, request):
            render(self.app, '/plone')
            site.title = u'Changed'
            with self.assertRaises(DoomedTransaction):
                transaction.commit()
        self.assertEqual(title, self.stored_title())
