"""What a warm-up leaves for the first visitors, and how it is extended."""

from base64 import b64encode
from contextlib import closing
from ftw.monitor.compat import HTTPConnection
from ftw.monitor.compat import PY2
from ftw.monitor.warmup.pages import REST_API
from tests.examples import example
from tests.functional.case import FunctionalCase
from tests.functional.layers import ONE_SITE
from tests.functional.layers import THEMED_SITE
from tests.functional.layers import TWO_SITES
from tests.functional.processes import DEADLINE
from tests.functional.processes import Instance
from tests.functional.processes import wait_until
from tests.worlds import only_with_wsgi
import json
import os
import signal
import threading


#: Holds visitors after the traversal until all of them have come, so that
#: each of them has a ZODB connection of his own.
VISITORS = """\
import os
import time
from ftw.monitor.warmup import DefaultWarmupPerformer
from zope.interface import Interface

HOME = os.environ['TEST_HOME']

def note(name, text='x'):
    with open(os.path.join(HOME, name), 'a') as target:
        target.write(text)

def meet(event):
    if 'meet' not in event.request.environ.get('QUERY_STRING', ''):
        return
    note('arrived')
    while not os.path.exists(os.path.join(HOME, 'gate')):
        time.sleep(0.01)

def note_page(event):
    request = event.request
    if request.environ.get('HTTP_USER_AGENT') == 'ftw.monitor':
        note('pages', '%d:%s ' % (
            request.response.getStatus(), request['PATH_INFO']))

class IMySite(Interface):
    pass

class NotingPerformer(DefaultWarmupPerformer):
    WARMUP_INDEXES = ('portal_type', 'no_such_index')
    def perform(self):
        note('performed', self.path + ' ')
        super(NotingPerformer, self).perform()
        index = self.context.portal_catalog._catalog.indexes['portal_type']
        note('index', '%s ' % (index._index._p_changed is None))
"""

MEET = """\
  <subscriber
      for="ZPublisher.interfaces.IPubAfterTraversal"
      handler="visitors.meet"
      />
"""

NOTE_PAGES = """\
  <subscriber
      for="ZPublisher.interfaces.IPubSuccess"
      handler="visitors.note_page"
      />
"""

#: Notes each time that a thread compiles the theme, and for which URL.
NOTING_THEMES = """\
from plone.app.theming import utils
from visitors import note
from zope.component.hooks import getSite
import threading

compile_theme = utils.compileThemeTransform

def noting(*args, **kwargs):
    note('compiled', '%s %s\\n' % (
        threading.current_thread().name, getSite().absolute_url()))
    return compile_theme(*args, **kwargs)

utils.compileThemeTransform = noting
"""

PERFORMER = """\
  <adapter
      for="%s"
      factory="visitors.NotingPerformer"
      provides="ftw.monitor.interfaces.IWarmupPerformer"
      />
"""

MARK_THE_SITE = """\
from visitors import IMySite
from zope.interface import alsoProvides
import transaction

alsoProvides(app.folder.second, IMySite)
transaction.commit()
print('marked')
"""


class WarmupCase(FunctionalCase):

    def instance_with(self, zcml='', overrides=''):
        instance = self.instance()
        instance.add_package(VISITORS, zcml, overrides)
        return instance

    def run_script(self, instance, script, said):
        """Run *script* by ``bin/instance run``; it has *said* so."""
        status, output, errors = instance.run(
            instance.ctl('run', script), {'TEST_HOME': instance.home})
        self.assertIn(said, output, errors)

    def start(self, instance, environ=None):
        instance.start(environ=dict(environ or {}, TEST_HOME=instance.home))
        instance.wait_for_health('OK')
        return instance


class TestFirstVisitors(WarmupCase):

    layer = TWO_SITES

    def loads_of_four_visitors_at_once(self, instance, path):
        """How many objects four visitors load who come at the same time."""
        before = int(instance.say('dbinfo').split()[0])
        statuses = []
        visitors = [
            threading.Thread(target=lambda: statuses.append(
                instance.get(path + '?meet')[0]))
            for _ in range(4)]
        for visitor in visitors:
            visitor.start()
        try:
            wait_until(lambda: instance.read('arrived') == 'xxxx',
                       'all four are there')
        finally:
            instance.write('gate', '')
            for visitor in visitors:
                visitor.join()
        self.assertEqual([200] * 4, statuses)
        # A connection's loads are counted when it is closed, which comes
        # after the answer.
        wait_until(lambda: instance.say('monitor').startswith('0\n'),
                   'all connections are closed')
        return int(instance.say('dbinfo').split()[0]) - before

    def test_four_workers_find_their_objects_loaded(self):
        for path in ('/Plone', '/folder/second'):
            cold = self.start(self.instance_with(MEET), {
                'FTW_MONITOR_AUTOWARMUP': '0'})
            loads_when_cold = self.loads_of_four_visitors_at_once(cold, path)
            cold.kill()
            warm = self.start(self.instance_with(MEET))
            loads_when_warm = self.loads_of_four_visitors_at_once(warm, path)
            warm.kill()
            # Of the same order as what a fifth visitor still loads.
            self.assertGreater(loads_when_cold, 4 * 100)
            self.assertLess(loads_when_warm, loads_when_cold // 20)

    def test_all_sites_are_warmed_up_for_all_workers(self):
        instance = self.start(self.instance())
        log = instance.log()
        self.assertIn('Workers: 4. Sites: /Plone, /folder/second.', log)
        for site in ('/Plone', '/folder/second'):
            self.assertRegex(log, site + r' is warm after .*: \d\d+, \d\d+,'
                                         r' \d\d+, \d\d+\.')

    def test_a_broken_site_does_not_take_the_instance_out_of_service(self):
        instance = self.instance()
        script = instance.write('break.py', (
            'import transaction\n'
            'site = app.folder.second\n'
            'del site._components\n'
            'for tool in ("portal_catalog", "portal_skins", "portal_types"):\n'
            '    site._delOb(tool)\n'
            'transaction.commit()\n'
            'print("broken")\n'))
        self.run_script(instance, script, 'broken')
        self.start(instance)
        self.assertEqual(200, instance.get('/Plone')[0])
        self.assertNotEqual(200, instance.get('/folder/second')[0])
        self.assertRegex(instance.log(), 'WARNING .*/folder/second')

    def test_a_performer_for_one_site_is_used_for_this_one_only(self):
        instance = self.instance_with(PERFORMER % 'visitors.IMySite *')
        script = instance.write('mark.py', MARK_THE_SITE)
        self.run_script(instance, script, 'marked')
        self.start(instance)
        self.assertEqual('/folder/second ' * 4, instance.read('performed'))


class ThreadsCase(WarmupCase):
    """What is kept for each thread: with Plone 6.2, the compiled theme."""

    layer = ONE_SITE if PY2 else THEMED_SITE

    #: The URL that visitors come by, and what a proxy makes of it.
    PUBLIC = 'http://www.example.org'
    REWRITTEN = ('/VirtualHostBase/http/www.example.org:80/Plone'
                 '/VirtualHostRoot/')

    #: Who comes without a proxy and the VirtualHostMonster.
    LOCAL = 'http://localhost/Plone'

    def setUp(self):
        super(ThreadsCase, self).setUp()
        self.instance = self.instance_with(
            MEET + '  <include package="noting_themes" />\n')
        self.instance.write('lib/noting_themes/__init__.py', NOTING_THEMES)
        self.instance.write('lib/noting_themes/configure.zcml',
                            '<configure />\n')

    def compiled(self, url):
        """The threads that have compiled the theme of the site at *url*, once
        for each time."""
        return sorted(
            thread for line in self.instance.read('compiled').splitlines()
            for thread, site in [line.split()] if site == url)

    def visit(self, path, host='www.example.org'):
        """The status of a page for a visitor who has found *host*."""
        connection = HTTPConnection(
            self.instance.host, self.instance.port, timeout=DEADLINE)
        with closing(connection):
            connection.request('GET', path, headers={'Host': host})
            return connection.getresponse().status

    def visit_by_four_at_once(self, path, host='www.example.org'):
        """So that each of them has a worker of his own."""
        self.instance.write('arrived', '')
        statuses = []
        visitors = [threading.Thread(target=lambda: statuses.append(
            self.visit(path + '?meet', host))) for _ in range(4)]
        for visitor in visitors:
            visitor.start()
        try:
            wait_until(lambda: self.instance.read('arrived') == 'xxxx',
                       'all four are there')
        finally:
            self.instance.write('gate', '')
            for visitor in visitors:
                visitor.join()
            os.unlink(self.instance.path('gate'))
        self.assertEqual([200] * 4, statuses)

    def assert_that_four_visitors_compile(self, expected, *args):
        """In which threads, and for which URLs."""
        self.instance.write('compiled', '')
        self.visit_by_four_at_once(*args)
        self.assertEqual(
            expected, sorted(self.instance.read('compiled').splitlines()))

    def end(self):
        """Have the instance end in an orderly way."""
        process = self.instance.process
        self.instance.send(signal.SIGTERM)
        wait_until(lambda: process.poll() is not None, self.instance.log)


WORKERS = ['waitress-%d' % number for number in range(4)]


@only_with_wsgi
class TestThreads(ThreadsCase):

    def test_the_first_visitors_of_all_workers_compile_nothing(self):
        self.start(self.instance)
        self.assertEqual(WORKERS, self.compiled(self.LOCAL))
        self.assertNotIn('busy', self.instance.log())
        self.assert_that_four_visitors_compile([], '/Plone', 'localhost')

    def test_without_a_warmup_each_of_them_does(self):
        self.start(self.instance, {'FTW_MONITOR_AUTOWARMUP': 'off'})
        self.assert_that_four_visitors_compile(
            ['%s %s' % (worker, self.LOCAL) for worker in WORKERS],
            '/Plone', 'localhost')

    def test_a_virtual_host_is_known_after_a_restart(self):
        self.start(self.instance)
        self.assertEqual(200, self.visit(self.REWRITTEN))
        self.assertEqual(1, len(self.compiled(self.PUBLIC)))
        self.end()
        self.instance.write('compiled', '')
        self.start(self.instance)
        self.assertEqual(WORKERS, self.compiled(self.PUBLIC))
        self.assert_that_four_visitors_compile([], self.REWRITTEN)

    def test_another_warmup_knows_those_that_have_been_visited(self):
        script = self.instance.write('add_manager.py', (
            'import transaction\n'
            'app.acl_users._doAddUser("jane", "secret", ["Manager"], [])\n'
            'transaction.commit()\n'
            'print("added")\n'))
        self.run_script(self.instance, script, 'added')
        self.start(self.instance)
        self.assertEqual(200, self.visit(self.REWRITTEN))
        connection = HTTPConnection(
            self.instance.host, self.instance.port, timeout=DEADLINE)
        with closing(connection):
            connection.request('GET', '/@@warmup', headers={
                'Authorization': 'Basic ' + b64encode(
                    b'jane:secret').decode('ascii')})
            self.assertEqual(200, connection.getresponse().status)
        self.assertEqual(WORKERS, self.compiled(self.PUBLIC))
        self.assert_that_four_visitors_compile([], self.REWRITTEN)

    def test_a_worker_that_is_busy_is_left_out(self):
        self.start(self.instance, {'FTW_MONITOR_AUTOWARMUP': 'off'})
        visitor = threading.Thread(
            target=self.visit, args=('/?meet', 'localhost'))
        visitor.start()
        try:
            wait_until(lambda: self.instance.read('arrived'), 'he is there')
            self.assertEqual((200, 'Warmup successful'),
                             self.instance.get('/@@warmup'))
        finally:
            self.instance.write('gate', '')
            visitor.join()
        self.instance.wait_for_log(
            'Warmup of /Plone: 1 threads were busy, and are warmed by their'
            ' next visitors.')
        warm = self.compiled(self.LOCAL)
        self.assertEqual(3, len(set(warm)))
        # What waited for the fourth in the queue of waitress does nothing any
        # more. Its next visitor does.
        self.assert_that_four_visitors_compile([], '/', 'localhost')
        self.assert_that_four_visitors_compile(
            ['%s %s' % (worker, self.LOCAL) for worker in WORKERS
             if worker not in warm], '/Plone', 'localhost')


@only_with_wsgi
class TestRestAPI(WarmupCase):

    def test_a_site_with_plone_restapi_is_asked_as_by_a_front_end(self):
        instance = self.instance_with(NOTE_PAGES)
        script = instance.write('install.py', (
            'import transaction\n'
            'from zope.component.hooks import setSite\n'
            'setSite(app.Plone)\n'
            'app.Plone.portal_setup.runAllImportStepsFromProfile(\n'
            '    "profile-plone.restapi:default")\n'
            'transaction.commit()\n'
            'print("installed")\n'))
        self.run_script(instance, script, 'installed')
        self.start(instance)
        pages = instance.read('pages').split()
        self.assertEqual(4, pages.count('200:/Plone/++api++'), pages)
        self.assertNotIn('WARNING [ftw.monitor', instance.log())
        status, body = instance.get('/Plone/' + REST_API)
        self.assertEqual(200, status)
        self.assertIn('@components', json.loads(body))

    def test_a_site_without_is_not_asked(self):
        instance = self.start(self.instance_with(NOTE_PAGES))
        pages = instance.read('pages').split()
        self.assertEqual(4, pages.count('200:/Plone/@@search'), pages)
        self.assertEqual([], [page for page in pages if '++api++' in page])


class TestPerformers(WarmupCase):

    def assert_my_performer_was_used(self, instance):
        self.assertEqual('/Plone ' * 4, instance.read('performed'))
        self.assertEqual('False ' * 4, instance.read('index'))
        warning = instance.wait_for_log("no index 'no_such_index'")
        self.assertIn('WARNING', warning)
        self.assertIn('/Plone', warning)

    def test_a_more_specific_performer_wins(self):
        instance = self.start(self.instance_with(
            PERFORMER % 'Products.CMFPlone.interfaces.IPloneSiteRoot'
            ' zope.publisher.interfaces.browser.IBrowserRequest'))
        self.assert_my_performer_was_used(instance)

    def test_an_override_replaces_the_default_one(self):
        instance = self.start(self.instance_with(
            overrides=PERFORMER % 'Products.CMFCore.interfaces.ISiteRoot *'))
        self.assert_my_performer_was_used(instance)

    def test_the_performer_in_the_readme_works(self):
        instance = self.instance()
        # A new site has news with Plone 4.3, and none with 6.2.
        source = example(
            'from ftw.monitor.warmup import DefaultWarmupPerformer').replace(
                "'news'", "'no-news'")
        instance.write('lib/my/__init__.py', '')
        instance.write('lib/my/policy/__init__.py', '')
        instance.write('lib/my/policy/warmup.py', source)
        instance.add_package('', example('<adapter'))
        self.start(instance)
        log = instance.log()
        self.assertNotIn('no index', log)
        self.assertEqual(4, instance.read(instance.log_name).count(
            '/Plone: page /no-news answered 404'))

    def test_strangers_who_ask_for_a_warmup_do_no_harm(self):
        instance = self.start(self.instance_with(
            PERFORMER % 'Products.CMFPlone.interfaces.IPloneSiteRoot *'))
        performed = instance.read('performed')
        answers = []
        verdicts = set()

        def ask():
            for path in ('/@@warmup', '/Plone/@@warmup') * 50:
                answers.append(instance.get(path))

        strangers = [threading.Thread(target=ask) for _ in range(3)]
        for stranger in strangers:
            stranger.start()
        while any(stranger.is_alive() for stranger in strangers):
            verdicts.add(instance.health())
            verdicts.add(instance.say('warmup_state'))
        self.assertEqual({'OK', '1 0\n'}, verdicts)
        self.assertEqual([(200, 'Warmup successful')] * 300, answers)
        self.assertEqual(performed, instance.read('performed'))

    def test_a_site_without_a_front_page_for_strangers_is_warmed_up(self):
        instance = self.instance()
        script = instance.write('hide.py', (
            'import transaction\n'
            'app.Plone.manage_permission("View", ["Manager"], 0)\n'
            'transaction.commit()\n'))
        instance.run(instance.ctl('run', script))
        self.start(instance)
        self.assertNotEqual(200, self.status_for_strangers(instance))
        self.assertNotIn('answered', instance.log())

    def status_for_strangers(self, instance):
        status, body = instance.get('/Plone')
        # A redirect to the login form has been followed.
        return 'login' if 'login' in body else status

    def test_a_database_without_any_site_is_warm_at_once(self):
        instance = Instance()
        self.addCleanup(instance.destroy)
        instance.start()
        instance.wait_for_health('OK')
        self.assertIn('Sites: none.', instance.log())
