"""``@@warmup``, as those who ask for it see it."""

from ftw.monitor import lifecycle
from ftw.monitor.warmup import DefaultWarmupPerformer
from OFS.Folder import Folder
from plone.app.testing import SITE_OWNER_NAME
from plone.app.testing import SITE_OWNER_PASSWORD
from plone.app.testing import TEST_USER_NAME
from plone.app.testing import TEST_USER_PASSWORD
from Products.SiteAccess.VirtualHostMonster import VirtualHostMonster
from tests.warmup_case import DummySite
from tests.warmup_case import Problem
from tests.warmup_case import WarmupCase
from ZPublisher.interfaces import IPubAfterTraversal
import threading
import transaction
import Zope2


try:
    from plone.testing.zope import Browser
except ImportError:
    # Plone 4.3
    from plone.testing.z2 import Browser


OWNER = '%s:%s' % (SITE_OWNER_NAME, SITE_OWNER_PASSWORD)
MEMBER = '%s:%s' % (TEST_USER_NAME, TEST_USER_PASSWORD)


class Interruption(BaseException):
    """As SystemExit, of which a testrunner makes an end, too."""


class BrokenSynchronizer(object):
    """A connection to a server that has gone for a moment."""

    gone = False

    def newTransaction(self, transaction):
        if self.gone:
            self.gone = False
            raise Problem('nobody there')

    def beforeCompletion(self, transaction):
        pass

    afterCompletion = beforeCompletion


class ViewTestCase(WarmupCase):

    def setUp(self):
        super(ViewTestCase, self).setUp()
        self.lifecycle.want_warmup()
        #: The paths of the sites that have been warmed.
        self.warmed = []
        self.actions = []
        self.performer = self.register_performer(self.perform)

    def perform(self, site, request):
        self.warmed.append('/'.join(site.getPhysicalPath()))
        for action in self.actions:
            action(site, request)

    def add_second_site(self):
        self.app._setObject('second', DummySite('second'))
        transaction.commit()

    def ask(self, path, user=None, app=None):
        """GET *path*; return the answer."""
        browser = Browser(app or self.app)
        browser.raiseHttpErrors = False
        if user is not None:
            browser.addHeader('Authorization', 'Basic ' + user)
        browser.open('http://nohost' + path)
        return browser

    def assertAnswer(self, status, text, browser):
        self.assertEqual((status, text), (
            int(browser.headers['status'].split()[0]), browser.contents))

    def assertWarmed(self, *sites):
        """These *sites* have been warmed since this was asserted last."""
        self.assertEqual(list(sites), self.warmed)
        del self.warmed[:]

    def fail_with(self, message):

        def fail(site, request):
            raise Problem(message)

        self.actions[:] = [fail]

    def end_pause(self):
        """As if the pause after a failure was over."""
        pauses = lifecycle.RETRY_PAUSES
        self.addCleanup(setattr, lifecycle, 'RETRY_PAUSES', pauses)
        lifecycle.RETRY_PAUSES = (0,)


class TestWarmup(ViewTestCase):

    def test_a_cold_instance_gets_warm(self):
        self.assertEqual('Instance is booting', self.lifecycle.verdict())
        self.assertAnswer(200, 'Warmup successful', self.ask('/@@warmup'))
        self.assertWarmed('/plone')
        self.assertEqual((True, False), self.lifecycle.warmup_state())
        self.assertEqual('OK', self.lifecycle.verdict())

    def test_the_default_performer_makes_an_instance_warm(self):
        self.actions.append(lambda site, request:
                            DefaultWarmupPerformer(site, request).perform())
        self.assertAnswer(200, 'Warmup successful', self.ask('/@@warmup'))
        self.assertEqual([], self.lifecycle.warmup_warnings)
        self.assertEqual('OK', self.lifecycle.verdict())

    def test_the_answer_is_plain_text_that_nobody_stores(self):
        headers = self.ask('/@@warmup').headers
        self.assertTrue(headers['Content-Type'].startswith('text/plain'))
        self.assertEqual('no-store', headers['Cache-Control'])

    def test_an_instance_without_a_site_gets_warm(self):
        self.app._delObject('plone')
        transaction.commit()
        self.assertAnswer(200, 'Warmup successful', self.ask('/@@warmup'))
        self.assertWarmed()
        self.assertEqual('OK', self.lifecycle.verdict())

    def test_all_sites_are_warmed(self):
        self.add_second_site()
        self.assertAnswer(200, 'Warmup successful', self.ask('/@@warmup'))
        self.assertWarmed('/plone', '/second')

    def test_the_instance_is_not_healthy_while_it_is_warmed(self):
        verdicts = []
        self.actions.append(lambda site, request: verdicts.append(
            (self.lifecycle.verdict(), self.lifecycle.warmup_state())))
        self.ask('/@@warmup')
        self.assertEqual([('Warmup in progress', (False, True))], verdicts)

    def test_a_second_caller_is_told_that_one_is_running(self):
        answers = []
        self.actions.append(
            lambda site, request: answers.append(self.ask_from_elsewhere()))
        self.assertAnswer(200, 'Warmup successful', self.ask('/@@warmup'))
        self.assertAnswer(503, 'Warmup in progress', answers[0])
        self.assertWarmed('/plone')

    def test_a_manager_is_told_so_as_well(self):
        answers = []
        self.actions.append(lambda site, request: answers.append(
            self.ask_from_elsewhere('/@@warmup', OWNER)))
        self.assertAnswer(200, 'Warmup successful', self.ask('/@@warmup'))
        self.assertAnswer(503, 'Warmup in progress', answers[0])

    def test_one_who_asks_at_a_site_is_told_so_as_well(self):
        answers = []
        self.actions.append(lambda site, request: answers.append(
            self.ask_from_elsewhere('/plone/@@warmup')))
        self.assertAnswer(200, 'Warmup successful', self.ask('/@@warmup'))
        self.assertAnswer(503, 'Warmup in progress', answers[0])

    def ask_from_elsewhere(self, path='/@@warmup', user=None):
        """Ask in another thread, with a connection of its own."""
        answers = []

        def ask():
            app = Zope2.app()
            try:
                answers.append(self.ask(path, user, app))
            finally:
                transaction.abort()
                app._p_jar.close()

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        return answers[0]


class TestFailure(ViewTestCase):

    def test_a_performer_that_raises_makes_the_warmup_fail(self):
        self.fail_with('no more tea')
        answer = self.ask('/@@warmup')
        self.assertAnswer(503, 'Warmup failed: %s for /plone: Problem:'
                               ' no more tea' % self.performer, answer)
        self.assertEqual(answer.contents, self.lifecycle.verdict())
        self.assertEqual((False, False), self.lifecycle.warmup_state())

    def test_a_storage_that_cannot_begin_anew_does_not_keep_it_running(self):
        # RelStorage asks its server at the beginning of a transaction.
        synchronizer = BrokenSynchronizer()

        def lose_the_server(site, request):
            transaction.manager.registerSynch(synchronizer)
            synchronizer.gone = True
            raise Problem('server lost')

        self.addCleanup(transaction.abort)
        self.addCleanup(transaction.manager.unregisterSynch, synchronizer)
        self.actions.append(lose_the_server)
        self.ask('/@@warmup')
        self.assertEqual((False, False), self.lifecycle.warmup_state())
        self.assertIn('server lost', self.lifecycle.verdict())

    def test_the_reason_is_one_line_without_the_letters_ok(self):
        self.fail_with('The OK button\nof BOOKS\r\nis BROKEN')
        contents = self.ask('/@@warmup').contents
        self.assertTrue(contents.startswith('Warmup failed: '), contents)
        self.assertIn('BROkEN', contents)
        self.assertNotIn('OK', contents)
        self.assertEqual(1, len(contents.splitlines()))

    def test_in_the_pause_a_visitor_does_not_start_another_one(self):
        self.fail_with('no more tea')
        reason = self.ask('/@@warmup').contents
        self.assertWarmed('/plone')
        answer = self.ask('/@@warmup')
        self.assertAnswer(503, reason, answer)
        self.assertEqual('1', answer.headers['Retry-After'])
        self.assertWarmed()
        self.assertEqual(1, self.lifecycle.warmup_failures)

    def test_in_the_pause_a_visitor_of_a_site_starts_none_either(self):
        self.fail_with('no more tea')
        reason = self.ask('/@@warmup').contents
        self.assertWarmed('/plone')
        self.assertAnswer(503, reason, self.ask('/plone/@@warmup'))
        self.assertWarmed()

    def test_in_the_pause_a_member_does_not_start_another_one(self):
        self.fail_with('no more tea')
        reason = self.ask('/plone/@@warmup').contents
        self.assertWarmed('/plone')
        self.assertAnswer(503, reason, self.ask('/plone/@@warmup', MEMBER))
        self.assertWarmed()

    def test_in_the_pause_a_manager_may_try_again(self):
        self.fail_with('no more tea')
        self.ask('/@@warmup')
        del self.actions[:]
        self.assertAnswer(
            200, 'Warmup successful', self.ask('/@@warmup', OWNER))
        self.assertWarmed('/plone', '/plone')
        self.assertEqual('OK', self.lifecycle.verdict())

    def test_after_the_pause_a_visitor_starts_another_one(self):
        self.fail_with('no more tea')
        self.ask('/@@warmup')
        self.end_pause()
        del self.actions[:]
        self.assertAnswer(200, 'Warmup successful', self.ask('/@@warmup'))
        self.assertWarmed('/plone', '/plone')
        self.assertEqual('OK', self.lifecycle.verdict())

    def test_the_pauses_grow(self):
        self.fail_with('no more tea')
        for pause in ('1', '2', '4'):
            self.ask('/@@warmup', OWNER)
            self.assertEqual(
                pause, self.ask('/@@warmup').headers['Retry-After'])

    def test_sites_after_the_failed_one_are_not_warmed(self):
        self.add_second_site()
        self.fail_with('no more tea')
        self.ask('/@@warmup')
        self.assertWarmed('/plone')

    def test_a_performer_that_ends_its_thread_leaves_none_in_progress(self):

        def interrupt(site, request):
            raise Interruption()

        self.actions.append(interrupt)
        try:
            self.ask('/@@warmup')
        except Interruption:
            # The publisher of Plone 4.3 makes a page even of this.
            pass
        self.assertEqual((False, False), self.lifecycle.warmup_state())
        self.assertEqual(
            'Warmup failed: it was interrupted', self.lifecycle.verdict())


class TestWarmInstance(ViewTestCase):

    def setUp(self):
        super(TestWarmInstance, self).setUp()
        self.ask('/@@warmup')
        self.assertWarmed('/plone')

    def test_a_visitor_is_answered_at_once(self):
        self.fail_with('not to be called')
        begun = []
        begin_warmup = self.lifecycle.begin_warmup
        self.lifecycle.begin_warmup = lambda: (
            begun.append(True) or begin_warmup())
        for path in ('/@@warmup', '/plone/@@warmup'):
            self.assertAnswer(200, 'Warmup successful', self.ask(path))
        self.assertWarmed()
        self.assertEqual([], begun)
        self.assertEqual((True, False), self.lifecycle.warmup_state())

    def test_a_member_is_answered_at_once(self):
        self.assertAnswer(200, 'Warmup successful',
                          self.ask('/plone/@@warmup', MEMBER))
        self.assertWarmed()

    def test_a_manager_has_it_warmed_again_and_it_stays_healthy(self):
        states = []
        self.actions.append(lambda site, request: states.append(
            (self.lifecycle.verdict(), self.lifecycle.warmup_state())))
        self.assertAnswer(
            200, 'Warmup successful', self.ask('/@@warmup', OWNER))
        self.assertWarmed('/plone')
        self.assertEqual([('OK', (True, True))], states)
        self.assertEqual((True, False), self.lifecycle.warmup_state())

    def test_it_stays_healthy_if_that_fails(self):
        self.fail_with('no more tea')
        answer = self.ask('/@@warmup', OWNER)
        self.assertEqual('503', answer.headers['status'].split()[0])
        self.assertIn('no more tea', answer.contents)
        self.assertEqual('OK', self.lifecycle.verdict())
        self.assertAnswer(200, 'Warmup successful', self.ask('/@@warmup'))


class TestSites(ViewTestCase):

    def setUp(self):
        super(TestSites, self).setUp()
        self.add_second_site()

    def test_at_a_site_only_this_one_is_warmed(self):
        self.assertAnswer(
            200, 'Warmup successful', self.ask('/plone/@@warmup'))
        self.assertWarmed('/plone')

    def test_one_warm_site_does_not_make_a_warm_instance(self):
        self.ask('/plone/@@warmup')
        self.assertEqual((False, False), self.lifecycle.warmup_state())
        self.assertEqual('Instance is booting', self.lifecycle.verdict())

    def test_all_sites_one_after_the_other_make_a_warm_instance(self):
        self.ask('/plone/@@warmup')
        self.ask('/second/@@warmup')
        self.assertWarmed('/plone', '/second')
        self.assertEqual('OK', self.lifecycle.verdict())

    def test_a_visitor_does_not_have_a_warm_site_warmed_again(self):
        self.ask('/plone/@@warmup')
        self.assertWarmed('/plone')
        self.assertAnswer(
            200, 'Warmup successful', self.ask('/plone/@@warmup'))
        self.assertWarmed()

    def test_the_only_site_makes_a_warm_instance(self):
        self.app._delObject('second')
        transaction.commit()
        self.ask('/plone/@@warmup')
        self.assertEqual('OK', self.lifecycle.verdict())

    def test_a_site_in_a_folder_can_be_asked(self):
        self.app._setObject('group', Folder('group'))
        self.app.group._setObject('third', DummySite('third'))
        transaction.commit()
        self.assertAnswer(
            200, 'Warmup successful', self.ask('/group/third/@@warmup'))
        self.assertWarmed('/group/third')

    def test_a_site_that_is_asked_under_a_host_name_of_its_own(self):
        VirtualHostMonster().addToContainer(self.app)
        transaction.commit()
        path = ('/VirtualHostBase/http/nohost:80/plone/VirtualHostRoot'
                '/@@warmup')
        self.assertAnswer(200, 'Warmup successful', self.ask(path))
        self.assertWarmed('/plone')
        self.assertEqual({'/plone'}, self.lifecycle.warm_sites)

    def test_a_page_or_folder_has_no_warmup(self):
        self.app._setObject('group', Folder('group'))
        transaction.commit()
        answer = self.ask('/group/@@warmup')
        self.assertEqual('404', answer.headers['status'].split()[0])


class TestVirtualHosts(ViewTestCase):
    """Under which URLs the performer renders the pages."""

    WWW = '/VirtualHostBase/http/www.example.org:80/plone/VirtualHostRoot'

    def setUp(self):
        super(TestVirtualHosts, self).setUp()
        VirtualHostMonster().addToContainer(self.app)
        transaction.commit()
        self.hosts = []
        self.actions.append(lambda site, request: self.hosts.extend(
            self.virtual_hosts.of_site('/plone')))

    def test_those_of_him_who_asks_if_nobody_else_has_come(self):
        self.ask('/@@warmup')
        self.assertEqual(['nohost', 'localhost'], self.hosts)

    def test_a_rewritten_url_is_known_as_such(self):
        self.ask(self.WWW + '/@@warmup')
        self.assertEqual([self.WWW], self.hosts)

    def test_those_of_visitors_come_first(self):
        self.virtual_hosts.count(self.WWW)
        self.ask('/@@warmup')
        self.assertEqual([self.WWW, 'nohost'], self.hosts)

    def test_those_of_visitors_are_saved_and_not_of_him_who_asks(self):
        self.ask(self.WWW + '/')
        self.ask('/@@warmup')
        self.assertWarmed('/plone')
        self.assertEqual([self.WWW], self.virtual_hosts.most_visited())

    def test_he_who_asks_a_warm_instance_is_not_remembered(self):
        self.ask('/@@warmup')
        self.ask(self.WWW + '/@@warmup')
        self.assertEqual(['nohost', 'localhost'],
                         self.virtual_hosts.of_site('/plone'))

    def test_the_front_page_is_rendered_under_them(self):
        urls = []
        self.register_handler(
            lambda event: urls.append(event.request['ACTUAL_URL']),
            IPubAfterTraversal)
        self.actions.append(lambda site, request: DefaultWarmupPerformer(
            site, request).perform_in_thread())
        self.assertAnswer(
            200, 'Warmup successful', self.ask(self.WWW + '/@@warmup'))
        self.assertEqual(['http://www.example.org/@@warmup',
                          'http://www.example.org/'], urls)
        self.assertEqual([], self.lifecycle.warmup_warnings)


class TestTransaction(ViewTestCase):

    def setUp(self):
        super(TestTransaction, self).setUp()
        self.title = self.portal.title

    def write(self, site, request):
        site.title = u'Changed'

    def test_what_a_performer_writes_is_not_committed(self):
        self.actions.append(self.write)
        self.assertAnswer(200, 'Warmup successful', self.ask('/@@warmup'))
        self.assertEqual(self.title, self.stored_title())

    def test_what_it_writes_after_the_pages_is_not_committed(self):
        self.actions.append(lambda site, request:
                            DefaultWarmupPerformer(site, request).perform())
        self.actions.append(self.write)
        self.assertAnswer(200, 'Warmup successful', self.ask('/@@warmup'))
        self.assertEqual(self.title, self.stored_title())

    def test_what_a_performer_writes_before_it_fails_is_not_committed(self):
        self.fail_with('no more tea')
        self.actions.insert(0, self.write)
        self.ask('/@@warmup')
        self.assertEqual(self.title, self.stored_title())

    def test_what_it_writes_in_a_transaction_of_its_own_is_not_committed(self):
        self.actions.append(lambda site, request: transaction.begin())
        self.actions.append(self.write)
        self.assertAnswer(200, 'Warmup successful', self.ask('/@@warmup'))
        self.assertEqual(self.title, self.stored_title())

    def test_what_it_leaves_to_be_committed_by_the_thread_is_not(self):
        # As a page does that sends a mail; for the second worker, whose
        # connection has another transaction than the thread.
        self.start_workers(2)
        committed = []
        self.actions.append(
            lambda site, request:
            transaction.get().addAfterCommitHook(committed.append))
        self.assertAnswer(200, 'Warmup successful', self.ask('/@@warmup'))
        self.assertWarmed('/plone', '/plone')
        self.assertEqual([], committed)

    def test_a_performer_that_commits_fails(self):
        self.actions.append(self.write)
        self.actions.append(lambda site, request: transaction.commit())
        answer = self.ask('/@@warmup')
        self.assertEqual('503', answer.headers['status'].split()[0])
        self.assertIn('DoomedTransaction', answer.contents)
        self.assertEqual(self.title, self.stored_title())

    def test_a_performer_that_commits_after_the_pages_fails(self):
        self.actions.append(lambda site, request:
                            DefaultWarmupPerformer(site, request).perform())
        self.actions.append(self.write)
        self.actions.append(lambda site, request: transaction.commit())
        answer = self.ask('/@@warmup')
        self.assertEqual(self.title, self.stored_title())
        self.assertEqual('503', answer.headers['status'].split()[0])
        self.assertIn('DoomedTransaction', answer.contents)

    def test_a_performer_that_begins_a_transaction_cannot_commit_it(self):
        self.actions.append(lambda site, request: transaction.begin())
        self.actions.append(self.write)
        self.actions.append(lambda site, request: transaction.commit())
        self.ask('/@@warmup')
        self.assertEqual(self.title, self.stored_title())
