"""Which pages of a site are found to be worth rendering."""

from ftw.monitor.interfaces import IWarmupPerformer
from ftw.monitor.warmup import DefaultWarmupPerformer
from ftw.monitor.warmup import pages
from ftw.monitor.warmup.run import warm_up
from ftw.monitor.warmup.visit import render
from ftw.monitor.warmup.visit import visit
from plone.app.testing import applyProfile
from plone.app.testing import setRoles
from plone.app.testing import TEST_USER_ID
from Products.CMFCore.ActionInformation import Action
from Products.CMFCore.interfaces import ISiteRoot
from tests.patch import patch
from tests.testing import REST_API_TESTING
from tests.testing import restapi
from tests.warmup_case import Problem
from tests.warmup_case import register_adapter
from tests.warmup_case import WarmupCase
from zope.publisher.interfaces.browser import IBrowserRequest
from ZPublisher.interfaces import IPubSuccess
import json
import transaction
import unittest


if restapi is not None:
    from plone.restapi.interfaces import IExpandableElement


class PagesTestCase(WarmupCase):

    def setUp(self):
        super(PagesTestCase, self).setUp()
        setRoles(self.portal, TEST_USER_ID, ['Manager'])

    def add(self, path, portal_type='Document'):
        """Add an item at *path*, in a folder that is there."""
        folder, _, name = path.rpartition('/')
        container = self.portal.unrestrictedTraverse(folder)
        container.invokeFactory(portal_type, name, title=name)
        return container[name]

    def add_tab(self, url):
        """Add an entry to the navigation that is no item."""
        tabs = self.portal.portal_actions.portal_tabs
        name = 'tab-%d' % len(tabs.objectIds())
        tabs._setObject(name, Action(
            name, title=name, visible=True, url_expr='string:' + url))

    def find(self, find):
        """What *find* finds for an anonymous visitor."""
        transaction.commit()
        with visit(self.open().root()['Application'], '/plone') as (
                site, request):
            return find(site, request)


class TestSearch(PagesTestCase):

    def test_the_search_form_is_found(self):
        self.assertEqual(['@@search'], self.find(pages.search))


class TestNavigation(PagesTestCase):

    def navigation(self):
        return self.find(pages.navigation)

    def test_of_an_empty_site_it_is_empty(self):
        self.assertEqual([], self.navigation())

    def test_the_first_level_is_found_in_its_order(self):
        self.add('news', 'Folder')
        self.add('about')
        self.add('events', 'Folder')
        self.add('events/party', 'Event')
        self.assertEqual(['news', 'about', 'events'], self.navigation())

    def test_what_an_anonymous_visitor_may_not_see_is_not_found(self):
        self.add('news', 'Folder')
        self.hide(self.add('intranet', 'Folder'))
        self.assertEqual(['news'], self.navigation())

    def test_an_action_of_the_site_is_found(self):
        self.add_tab('${portal_url}/contact-info')
        self.assertEqual(['contact-info'], self.navigation())

    def test_an_action_with_a_query_string_is_found(self):
        self.add_tab('${portal_url}/@@search?Subject=caf%C3%A9%26tea#results')
        self.assertEqual(['@@search?Subject=caf%C3%A9%26tea'],
                         self.navigation())

    def test_the_front_page_is_not_found(self):
        self.add_tab('${portal_url}')
        self.add_tab('${portal_url}/')
        self.add_tab('${portal_url}/#contact')
        self.assertEqual([], self.navigation())

    def test_other_sites_are_not_found(self):
        self.add_tab('${portal_url}2/news')
        self.add_tab('http://www.example.org/')
        self.add_tab('mailto:webmaster@example.org')
        self.assertEqual([], self.navigation())

    def test_a_name_that_is_quoted_in_its_url_can_be_rendered(self):
        self.portal.invokeFactory('Folder', 'annual report')
        (path,) = self.navigation()
        self.assertEqual('annual report', path)
        status, _ = render(self.app, '/plone/' + path)
        self.assertEqual(200, status)

    def test_of_a_long_one_only_the_beginning_is_found(self):
        for number in range(pages.NAVIGATION + 5):
            self.add('page-%02d' % number)
        self.assertLessEqual(len(self.navigation()), pages.NAVIGATION)
        self.assertIn('page-00', self.navigation())


class TestSamples(PagesTestCase):

    def setUp(self):
        super(TestSamples, self).setUp()
        self.add('folder', 'Folder')

    def samples(self):
        return self.find(lambda site, request: pages.samples(
            site, pages.navigation(site, request)))

    def test_an_empty_site_has_none(self):
        self.assertEqual([], self.samples())

    def test_one_item_of_each_type_is_found(self):
        self.add('folder/one')
        self.add('folder/two')
        self.add('folder/news', 'News Item')
        self.assertEqual(['folder/one', 'folder/news'], self.samples())

    def test_no_type_is_found_twice(self):
        self.add('folder/one')
        self.add('other', 'Folder')
        self.add('other/one')
        self.add('other/news', 'News Item')
        self.assertEqual(['folder/one', 'other/news'], self.samples())

    def test_files_images_and_links_are_no_pages(self):
        self.add('folder/file', 'File')
        self.add('folder/image', 'Image')
        self.add('folder/link', 'Link')
        self.assertEqual([], self.samples())

    def test_only_the_first_items_of_a_folder_are_looked_at(self):
        for number in range(pages.ITEMS):
            self.add('folder/page-%d' % number)
        self.add('folder/news', 'News Item')
        self.assertEqual(['folder/page-0'], self.samples())

    def test_what_an_anonymous_visitor_may_not_see_is_not_found(self):
        self.hide(self.add('folder/secret'))
        self.add('folder/public')
        self.assertEqual(['folder/public'], self.samples())

    def test_a_page_in_the_navigation_has_none(self):
        self.add('page')
        self.add('news', 'News Item')
        self.assertEqual([], self.samples())

    def test_the_view_of_a_file_in_the_navigation_has_none(self):
        # Plone 4.3 has it there; its path is file/view.
        self.add('file', 'File')
        self.assertEqual([], self.samples())

    def test_an_entry_that_leads_nowhere_has_none(self):
        self.add_tab('${portal_url}/gone/away?really=1')
        self.add('folder/page')
        self.assertEqual(['folder/page'], self.samples())

    def test_an_entry_that_asks_a_question_is_a_folder_like_others(self):
        self.add('folder/page')
        self.add_tab('${portal_url}/folder?sort=yes')
        self.assertEqual(['folder?sort=yes', 'folder'],
                         self.find(pages.navigation))
        self.assertEqual(['folder/page'], self.samples())


class TestWithoutPages(PagesTestCase):

    def test_a_site_without_their_views_is_no_failure(self):
        patch(self, pages, 'queryMultiAdapter', lambda *args, **kw: None)
        for find in (pages.search, pages.navigation):
            self.assertEqual([], self.find(find))


@unittest.skipIf(restapi is None, 'There is no plone.restapi.')
class TestRestAPI(PagesTestCase):

    layer = REST_API_TESTING

    #: What Volto asks for with each page, as an anonymous visitor.
    EXPANDED = ('actions', 'breadcrumbs', 'navigation', 'navroot')

    def install(self):
        applyProfile(self.portal, 'plone.restapi:default')
        transaction.commit()

    def publish(self, path):
        """What an anonymous visitor gets, as *path* is rendered."""
        answers = []
        self.register_handler(
            lambda event: answers.append(event.request.response), IPubSuccess)
        status, _ = render(self.app, '/plone/' + path, 'localhost',
                           'application/json')
        return status, answers[0].getHeader('Content-Type'), answers[0].body

    def test_a_site_without_it_has_none(self):
        self.assertFalse(self.find(pages.has_rest_api))

    def test_a_site_that_has_it_installed_has_it(self):
        self.install()
        self.assertTrue(self.find(pages.has_rest_api))

    def test_one_that_is_too_old_for_the_path_is_none(self):
        self.install()
        patch(self, pages, 'queryMultiAdapter', lambda *args, **kw: None)
        self.assertFalse(self.find(pages.has_rest_api))

    def test_the_site_root_comes_as_json_with_its_expanders(self):
        self.install()
        self.add('news', 'Folder')
        transaction.commit()
        status, content_type, body = self.publish(pages.REST_API)
        self.assertEqual((200, 'application/json'), (status, content_type))
        answer = json.loads(body)
        self.assertEqual('http://localhost/plone', answer['@id'])
        components = answer['@components']
        for name in self.EXPANDED:
            # What is not expanded has its address only.
            self.assertGreater(len(components[name]), 1, name)
        self.assertEqual('http://localhost/plone/news',
                         components['navigation']['items'][1]['@id'])

    def test_an_expander_more_would_answer_for_members_only(self):
        self.install()
        status, _ = render(self.app, '/plone/++api++?expand=types',
                           'localhost', 'application/json')
        self.assertEqual(401, status)

    def warm_up(self):
        """Warm up; return the paths of the pages that were published."""
        paths = []
        self.register_handler(
            lambda event: paths.append(event.request['PATH_INFO']),
            IPubSuccess)
        self.assertTrue(self.lifecycle.begin_warmup())
        warm_up(self.app, ['/plone'], self.lifecycle)
        return paths

    def test_a_warmup_asks_a_site_that_has_it(self):
        self.install()
        self.assertIn('/plone/++api++', self.warm_up())
        self.assertEqual([], self.lifecycle.warmup_warnings)

    def test_a_warmup_asks_no_other_site(self):
        self.assertNotIn('/plone/++api++', self.warm_up())
        self.assertEqual([], self.lifecycle.warmup_warnings)

    def test_when_the_time_is_up_it_is_left_out_and_named(self):
        self.install()
        paths = []

        class SlowPerformer(DefaultWarmupPerformer):

            def render_paths(performer, paths):
                self.lifecycle.warmup_timeout = -1

            def _render_at(performer, host, path, accept='text/html'):
                paths.append(path)

        register_adapter(
            self, SlowPerformer, (ISiteRoot, IBrowserRequest),
            IWarmupPerformer)
        self.warm_up()
        self.assertEqual([], paths)
        self.assertIn('the REST API of /plone',
                      self.lifecycle.warmup_left_out)

    def test_what_goes_wrong_is_a_warning(self):

        class BrokenExpander(object):

            def __init__(self, context, request):
                pass

            def __call__(self, expand=False):
                raise Problem('no more tea')

        self.install()
        register_adapter(
            self, BrokenExpander, (ISiteRoot, IBrowserRequest),
            IExpandableElement, 'navigation')
        self.warm_up()
        self.assertEqual(
            ['/plone: page /%s answered 500' % pages.REST_API],
            self.lifecycle.warmup_warnings)
