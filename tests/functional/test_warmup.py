"""What a warm-up leaves for the first visitors, and how it is extended."""

from tests.examples import example
from tests.functional.case import FunctionalCase
from tests.functional.layers import TWO_SITES
from tests.functional.processes import Instance
from tests.functional.processes import wait_until
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
        status, output, errors = instance.run(
            instance.ctl('run', script), {'TEST_HOME': instance.home})
        self.assertIn('broken', output, errors)
        self.start(instance)
        self.assertEqual(200, instance.get('/Plone')[0])
        self.assertNotEqual(200, instance.get('/folder/second')[0])
        self.assertRegex(instance.log(), 'WARNING .*/folder/second')

    def test_a_performer_for_one_site_is_used_for_this_one_only(self):
        instance = self.instance_with(PERFORMER % 'visitors.IMySite *')
        script = instance.write('mark.py', MARK_THE_SITE)
        status, output, errors = instance.run(
            instance.ctl('run', script), {'TEST_HOME': instance.home})
        self.assertIn('marked', output, errors)
        self.start(instance)
        self.assertEqual('/folder/second ' * 4, instance.read('performed'))


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
