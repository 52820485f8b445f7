"""Under which URLs visitors come, as they ask and as the warm-up visits."""

from ftw.monitor.instance import new_request
from ftw.monitor.instance.visitor import USER_AGENT
from ftw.monitor.interfaces import IVirtualHosts
from ftw.monitor.warmup import virtual_hosts
from ftw.monitor.warmup.virtual_hosts import header_of
from ftw.monitor.warmup.virtual_hosts import host_of
from ftw.monitor.warmup.virtual_hosts import path_at
from ftw.monitor.warmup.virtual_hosts import VirtualHosts
from ftw.monitor.warmup.visit import render
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from OFS.Folder import Folder
from Products.SiteAccess.VirtualHostMonster import VirtualHostMonster
from Testing.ZopeTestCase.functional import Functional
from tests.warmup_case import Problem
from tests.warmup_case import WarmupCase
from zope.component.hooks import getSite
from zope.component.hooks import setSite
from zope.interface.verify import verifyObject
from ZPublisher.interfaces import IPubSuccess
import threading
import transaction
import unittest


ROOT = '/VirtualHostBase/http/www.example.org:80/VirtualHostRoot'
SITE = '/VirtualHostBase/https/www.example.org:443/Plone/VirtualHostRoot'
WITHIN = '/VirtualHostBase/http/news.example.org:80/Plone/news/VirtualHostRoot'
OTHER = '/VirtualHostBase/http/other.example.org:80/Other/VirtualHostRoot'


class DummyRequest(object):

    def __init__(self, **environ):
        self.environ = environ


class TestTheHostOfARequest(unittest.TestCase):

    def assertHost(self, expected, path, **environ):
        self.assertEqual(
            expected, host_of(DummyRequest(PATH_INFO=path, **environ)))

    def test_a_host_header(self):
        self.assertHost('localhost:8080', '/Plone/news',
                        HTTP_HOST='localhost:8080')
        self.assertHost('www.example.org', '', HTTP_HOST='www.example.org')

    def test_no_host_header(self):
        # As HTTP/1.0 has it.
        self.assertHost('localhost', '/Plone')
        self.assertEqual('localhost', host_of(DummyRequest()))

    def test_a_site_behind_the_virtual_host_monster(self):
        # Whatever the Host header of the proxy is.
        for path in ('', '/', '/news', '/news/', '//news', '/a/b/c/@@view',
                     '/VirtualHostRoot', '/_vh', '/a/_vh_b'):
            self.assertHost(SITE, SITE + path, HTTP_HOST='backend:8080')

    def test_other_roots(self):
        for root in ('', '/Plone', '/folder/Plone', '/a/b/c/d'):
            host = ('/VirtualHostBase/http/example.org:80%s/VirtualHostRoot'
                    % root)
            self.assertHost(host, host + '/news')

    def test_a_root_with_a_folder_before_it(self):
        # http://example.org/portal/news
        for folders in ('/_vh_portal', '/_vh_a/_vh_b', '/_vh_'):
            self.assertHost(SITE + folders, SITE + folders)
            self.assertHost(SITE + folders, SITE + folders + '/news')

    def test_a_path_that_only_looks_like_it(self):
        for path in ('/VirtualHostBase', '/VirtualHostBase/http',
                     '/VirtualHostBase/http/example.org:80',
                     '/VirtualHostBase/http/example.org:80/Plone',
                     '/VirtualHostBase/http/VirtualHostRoot',
                     '/VirtualHostBase/http/example.org:80/VirtualHostRootX',
                     '/Plone/VirtualHostRoot', '/Plone' + SITE):
            self.assertHost('backend:8080', path, HTTP_HOST='backend:8080')


class TestTheWayBack(unittest.TestCase):
    """By which path, and with which Host header, the warm-up visits."""

    def assertPath(self, expected, host, site_path, page):
        self.assertEqual(expected, path_at(host, site_path, page))

    def test_the_front_page_without_the_virtual_host_monster(self):
        self.assertPath('/Plone/', 'localhost:8080', '/Plone', '')
        self.assertPath('/a/Plone/', 'localhost', '/a/Plone', '')

    def test_a_page_without_the_virtual_host_monster(self):
        self.assertPath('/Plone/news', 'localhost:8080', '/Plone', 'news')

    def test_a_host_whose_root_is_the_site(self):
        self.assertPath(SITE + '/', SITE, '/Plone', '')
        self.assertPath(SITE + '/a/b', SITE, '/Plone', 'a/b')

    def test_a_host_whose_root_is_above_the_site(self):
        self.assertPath(ROOT + '/Plone/', ROOT, '/Plone', '')
        self.assertPath(ROOT + '/a/Plone/news', ROOT, '/a/Plone', 'news')
        self.assertPath(SITE + '/sub/news', SITE, '/Plone/sub', 'news')

    def test_a_host_whose_root_is_within_the_site(self):
        self.assertPath(WITHIN + '/', WITHIN, '/Plone', '')
        # Who knows what the pages there are called.
        self.assertPath(None, WITHIN, '/Plone', 'news')

    def test_a_host_of_another_site(self):
        for page in ('', 'news'):
            self.assertPath(None, OTHER, '/Plone', page)
            self.assertPath(None, SITE, '/Other', page)

    def test_a_site_whose_name_begins_with_that_of_another(self):
        self.assertPath(None, SITE, '/Plone2', '')
        self.assertPath(None, SITE, '/Plon', '')
        self.assertPath(None, WITHIN, '/Plone/ne', '')

    def test_a_root_with_a_folder_before_it(self):
        host = SITE + '/_vh_a/_vh_b'
        self.assertPath(host + '/news', host, '/Plone', 'news')
        self.assertPath(host + '/', host, '/Plone', '')

    def test_a_page_with_a_query(self):
        for host, beginning in ((SITE, SITE), ('localhost', '/Plone'),
                                (ROOT, ROOT + '/Plone')):
            self.assertPath(beginning + '/@@search?q=/a&b=?', host, '/Plone',
                            '@@search?q=/a&b=?')

    def test_the_host_header(self):
        self.assertEqual('www.example.org:8080',
                         header_of('www.example.org:8080'))
        self.assertEqual('localhost', header_of(SITE))

    def test_there_and_back_again(self):
        for host in (ROOT, SITE, SITE + '/_vh_a', WITHIN, 'localhost:8080'):
            path = path_at(host, '/Plone', '')
            request = new_request(path, header_of(host))
            self.addCleanup(request.close)
            self.assertEqual(host, host_of(request))


class TestCounting(unittest.TestCase):

    def setUp(self):
        self.hosts = VirtualHosts()

    def test_the_interface_is_kept(self):
        self.assertTrue(verifyObject(IVirtualHosts, self.hosts))

    def test_nobody_has_come_yet(self):
        self.assertEqual([], self.hosts.most_visited())

    def test_the_most_visited_one_comes_first(self):
        for host in ('a', 'b', 'c', 'b', 'c', 'c'):
            self.hosts.count(host)
        self.assertEqual(['c', 'b', 'a'], self.hosts.most_visited())

    def test_many_visits_at_once(self):
        self.hosts.count('a')
        self.hosts.count('b', 7)
        self.assertEqual(['b', 'a'], self.hosts.most_visited())

    def test_of_equals_the_first_one_comes_first(self):
        # As the hosts of a hot set are counted.
        hosts = ['host-%d.example.org' % (number * 7 % 20)
                 for number in range(20)]
        for host in hosts:
            self.hosts.count(host)
        self.assertEqual(hosts, self.hosts.most_visited())

    def test_twenty_are_enough(self):
        for number in range(30):
            self.hosts.count('host-%d.example.org' % number, 1 + number)
        self.assertEqual(
            ['host-%d.example.org' % number for number in range(29, 9, -1)],
            self.hosts.most_visited())

    def test_thousands_of_made_up_hosts_need_no_memory(self):
        for number in range(5000):
            self.hosts.count('host-%d.example.org' % number)
            self.assertTrue(len(self.hosts._visits) <= virtual_hosts.KEPT)

    def test_a_host_that_is_used_survives_thousands_of_made_up_ones(self):
        for number in range(5000):
            self.hosts.count('host-%d.example.org' % number)
            if number % 20 == 0:
                self.hosts.count('www.example.org')
        self.assertEqual('www.example.org', self.hosts.most_visited()[0])

    def test_a_host_that_is_not_used_any_more_is_forgotten(self):
        self.hosts.count('old.example.org', 1000)
        for number in range(5000):
            self.hosts.count('host-%d.example.org' % number)
            self.hosts.count('www.example.org')
        self.assertNotIn('old.example.org', self.hosts.most_visited())

    def test_a_new_host_has_a_chance(self):
        for number in range(virtual_hosts.KEPT):
            self.hosts.count('host-%d.example.org' % number, 1000)
        for _ in range(3000):
            self.hosts.count('new.example.org')
        self.assertEqual('new.example.org', self.hosts.most_visited()[0])

    def test_what_cannot_be_a_host_is_not_counted(self):
        for host in ('', ' ', 'a b', 'a\n', '\n', 'a\x00', '\xff',
                     501 * 'a', 10 ** 6 * 'a'):
            self.hosts.count(host)
        self.assertEqual([], self.hosts.most_visited())

    def test_what_can_be_a_host_is(self):
        hosts = ['localhost', '[::1]:8080', SITE + '/_vh_a', 500 * 'a']
        for host in hosts:
            self.hosts.count(host)
        self.assertEqual(sorted(hosts), sorted(self.hosts.most_visited()))

    @settings(database=None, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from('abcdef'), st.integers(1, 9)),
                    max_size=30))
    def test_whoever_comes(self, visits):
        hosts = VirtualHosts()
        expected = {}
        for host, number in visits:
            hosts.count(host, number)
            expected[host] = expected.get(host, 0) + number
        self.assertEqual(
            sorted(expected.values(), reverse=True),
            [expected[host] for host in hosts.most_visited()])

    def test_no_visit_of_any_thread_is_lost(self):
        started = threading.Event()
        known = ['a', 'b', 'c']

        def visit(number):
            started.wait(10)
            for each in range(2000):
                # So that some are forgotten all the time.
                self.hosts.count('host-%d-%d.example.org' % (number, each))
                self.hosts.count(known[each % 3], 10 ** 9)
                self.hosts.most_visited()

        self.run_in_threads(visit, started)
        self.assertEqual(known, sorted(self.hosts.most_visited()[:3]))
        self.assertTrue(len(self.hosts._visits) <= virtual_hosts.KEPT)

    def test_two_visits_at_the_same_moment_both_count(self):
        second = threading.Thread(target=self.hosts.count, args=('a',))
        second.daemon = True

        class Lasting(int):
            """A visit that lasts while it is counted."""

            def __radd__(self, before):
                second.start()
                second.join(0.2)
                return before + int(self)

        self.hosts.count('b')
        self.hosts.count('a', Lasting(1))
        second.join(10)
        self.assertEqual(['a', 'b'], self.hosts.most_visited())

    def run_in_threads(self, visit, started):
        failures = []

        def run(number):
            try:
                visit(number)
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=run, args=(number,))
                   for number in range(8)]
        for thread in threads:
            thread.daemon = True
            thread.start()
        started.set()
        for thread in threads:
            thread.join(60)
            self.assertFalse(thread.is_alive())
        self.assertEqual([], failures)


class TestTheHostsOfASite(unittest.TestCase):

    def hosts(self, *hosts):
        """Of visitors, the most visited one first."""
        counting = VirtualHosts()
        for visits, host in enumerate(reversed(hosts), 1):
            counting.count(host, visits)
        return counting

    def assertRendered(self, expected, *hosts):
        self.assertEqual(expected, self.hosts(*hosts).of_site('/Plone'))

    def test_nobody_has_come_yet(self):
        self.assertRendered(['localhost'])

    def test_behind_the_virtual_host_monster(self):
        self.assertRendered([SITE], SITE)
        self.assertRendered([ROOT], ROOT)

    def test_the_most_visited_one_comes_first(self):
        self.assertRendered([ROOT, WITHIN, SITE], ROOT, WITHIN, SITE)
        self.assertRendered([SITE, WITHIN, ROOT], SITE, WITHIN, ROOT)

    def test_those_of_other_sites_do_not_count(self):
        self.assertRendered([SITE], OTHER, SITE)
        self.assertRendered(['localhost'], OTHER)

    def test_three_are_enough(self):
        hosts = [SITE + '/_vh_%d' % number for number in range(9)]
        self.assertRendered(hosts[:3], OTHER, *hosts)

    def test_a_host_header_may_be_of_any_site(self):
        self.assertRendered(['www.example.org', SITE],
                            'www.example.org', SITE)

    def test_without_the_virtual_host_monster_localhost_comes_last(self):
        # Whoever has come is known for a made-up Host header, only.
        self.assertRendered(['a:8080', 'b:8080', 'localhost'],
                            'a:8080', 'b:8080')
        self.assertRendered(['a', 'b', 'c', 'localhost'],
                            'a', 'b', 'c', 'd')

    def test_nothing_is_rendered_twice(self):
        self.assertRendered(['localhost'], 'localhost')
        self.assertRendered(['a', 'localhost', 'b'], 'a', 'localhost', 'b')
        self.assertRendered(['localhost', SITE], 'localhost', SITE)


class TestWhoIsCounted(WarmupCase, Functional):
    """Visits, as the publisher of the instance makes them."""

    def setUp(self):
        super(TestWhoIsCounted, self).setUp()
        self.succeeded = []
        self.register_handler(
            lambda event: self.succeeded.append(event.request), IPubSuccess)

    def visit(self, path, host='localhost', agent='Mozilla/5.0'):
        """Visit a page; return the status."""
        # The layer is in the site already, which a visitor is not.
        site = getSite()
        setSite(None)
        try:
            return self.publish(path, env={
                'HTTP_HOST': host, 'HTTP_USER_AGENT': agent}).getStatus()
        finally:
            setSite(site)

    def assertCounted(self, *hosts):
        self.assertEqual(list(hosts), self.virtual_hosts.most_visited())

    def test_a_visitor_of_a_page(self):
        self.assertEqual(200, self.visit('/plone', 'www.example.org:8080'))
        self.assertCounted('www.example.org:8080')

    def test_each_of_several_visitors(self):
        for host in ('a', 'b', 'c', 'b', 'c', 'c'):
            self.visit('/plone', host)
        self.assertCounted('c', 'b', 'a')

    def test_a_visitor_behind_the_virtual_host_monster(self):
        host = ('/VirtualHostBase/https/www.example.org:443/plone'
                '/VirtualHostRoot/_vh_portal')
        VirtualHostMonster().addToContainer(self.app)
        urls = []

        def page(context, request):
            urls.append(context.absolute_url())
            request.response.setHeader('Content-Type', 'text/html')
            return '<html></html>'

        self.register_page('page', page)
        transaction.commit()
        self.assertEqual(200, self.visit(host + '/@@page', 'backend:8080'))
        self.assertCounted(host)
        # So is the warm-up that comes the same way.
        status, _ = render(self.app, path_at(host, '/plone', '@@page'),
                           header_of(host))
        self.assertEqual(200, status)
        self.assertEqual(2 * ['https://www.example.org/portal'], urls)

    def test_our_own_visits_do_not_count(self):
        self.assertEqual(200, self.visit('/plone', agent=USER_AGENT))
        self.assertEqual(200, render(self.app, '/plone')[0])
        self.assertEqual(2, len(self.succeeded))
        self.assertCounted()

    def test_what_is_outside_of_a_site_does_not_count(self):
        # As the health check that asks for a page of the Zope root.
        self.app._setObject('folder', Folder('folder'))
        self.app.folder.manage_addDTMLMethod(
            'page', '', '<html><body>A page</body></html>')
        transaction.commit()
        self.assertEqual(200, self.visit('/folder/page'))
        self.assertEqual(1, len(self.succeeded))
        self.assertCounted()

    def answer(self, body='<html></html>', content_type='text/html',
               status=200):
        """Visit a page that answers so."""
        def page(context, request):
            request.response.setHeader('Content-Type', content_type)
            request.response.setStatus(status)
            return body

        self.register_page('page', page)
        self.assertEqual(status, self.visit('/plone/@@page'))
        self.assertEqual(1, len(self.succeeded))

    def test_a_page_of_any_encoding_counts(self):
        self.answer(content_type='text/html; charset=utf-8')
        self.assertCounted('localhost')

    def test_what_is_no_page_does_not_count(self):
        self.answer('body {}', 'text/css')
        self.assertCounted()

    def test_an_answer_of_plone_restapi_does_not_count(self):
        self.answer('{}', 'application/json')
        self.assertCounted()

    def test_a_page_that_is_no_success_does_not_count(self):
        self.answer(status=404)
        self.assertCounted()

    def test_a_redirect_does_not_count(self):
        def page(context, request):
            request.response.redirect('http://localhost/elsewhere')
            request.response.setHeader('Content-Type', 'text/html')
            return '<html>There</html>'

        self.register_page('page', page)
        self.assertEqual(302, self.visit('/plone/@@page'))
        self.assertCounted()

    def test_a_page_that_is_not_there_does_not_count(self):
        self.assertEqual(404, self.visit('/plone/nowhere'))
        self.assertCounted()

    def test_a_page_that_fails_does_not_count(self):
        def page(context, request):
            raise Problem('broken')

        self.register_page('page', page)
        self.assertEqual(500, self.visit('/plone/@@page'))
        self.assertCounted()

    def test_a_made_up_host_does_not_hurt(self):
        for host in ('\xff', 'a b', 2000 * 'a'):
            self.assertEqual(200, self.visit('/plone', host))
        self.assertCounted()
