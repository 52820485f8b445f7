"""What the tests of the warm-up have in common."""

from App.config import getConfiguration
from ftw.monitor.compat import PY2
from ftw.monitor.interfaces import IWarmupPerformer
from OFS.Folder import Folder
from Products.CMFCore.interfaces import ISiteRoot
from Products.Five.browser import BrowserView
from tests.patch import patch
from tests.testing import MONITOR_FUNCTIONAL_TESTING
from transaction import TransactionManager
from zope.component import getGlobalSiteManager
from zope.interface import implementer
from zope.interface import Interface
from zope.publisher.interfaces.browser import IBrowserRequest
from ZPublisher.HTTPRequest import HTTPRequest
import threading
import unittest


#: Enough for every object of the front page.
CACHE_SIZE = 20000


class Problem(Exception):
    """What goes wrong in a test."""


@implementer(ISiteRoot)
class DummySite(Folder):
    """As much of a Plone site as is looked at from outside."""


@implementer(IWarmupPerformer)
class DummyPerformer(object):

    def __init__(self, context, request):
        self.context = context
        self.request = request

    def perform(self):
        """Warm up nothing."""


def register_adapter(test, factory, *signature):
    """Register an adapter until *test* is over."""
    registry = getGlobalSiteManager()
    registry.registerAdapter(factory, *signature)
    test.addCleanup(registry.unregisterAdapter, factory, *signature)


class WarmupCase(unittest.TestCase):

    layer = MONITOR_FUNCTIONAL_TESTING

    if PY2:
        assertRegex = unittest.TestCase.assertRegexpMatches

    def setUp(self):
        self.app = self.layer['app']
        self.portal = self.layer['portal']
        self.lifecycle = self.layer['lifecycle']
        self.virtual_hosts = self.layer['virtual_hosts']
        self.database = self.app._p_jar.db()

    def open(self):
        """A further connection of the database, as a worker's."""
        connection = self.database.open(TransactionManager())
        self.addCleanup(self._close, connection)
        return connection

    @staticmethod
    def _close(connection):
        connection.transaction_manager.abort()
        connection.close()

    def stored_title(self):
        """The title of the site, as others see it."""
        return self.open().root()['Application'].plone.title

    def start_workers(self, count):
        """So many workers, as far as ZServer or waitress let it be seen."""
        if PY2:
            patch(self, getConfiguration(), 'zserver_threads', count)
            return
        ended = threading.Event()
        for number in range(count):
            thread = threading.Thread(
                name='waitress-%d' % number, target=ended.wait)
            thread.daemon = True
            thread.start()
            self.addCleanup(thread.join)
        # The last one comes first.
        self.addCleanup(ended.set)

    def hide(self, item):
        """Let nobody but its owner see *item*."""
        for permission in ('View', 'Access contents information'):
            item.manage_permission(permission, ['Owner'], acquire=0)
        item.reindexObject()

    def register_page(self, name, page):
        """Let *page*, called with (site, request), be a page of the site."""

        class Page(BrowserView):
            """A page."""

            __roles__ = None

            def __call__(self):
                return page(self.context, self.request)

        register_adapter(
            self, Page, (ISiteRoot, IBrowserRequest), Interface, name)

    def register_handler(self, handler, interface):
        """Have *handler* called with the events of a kind."""
        registry = getGlobalSiteManager()
        registry.registerHandler(handler, (interface,))
        self.addCleanup(registry.unregisterHandler, handler, (interface,))

    def register_performer(self, action):
        """Have *action*, called with (site, request), warm up the sites;
        return the name of the performer."""

        class Performer(DummyPerformer):

            def perform(self):
                action(self.context, self.request)

        register_adapter(
            self, Performer, (ISiteRoot, IBrowserRequest), IWarmupPerformer)
        return '%s.Performer' % __name__

    def retry_conflicts(self):
        """As every instance does, but not the layer."""
        self.addCleanup(setattr, HTTPRequest, 'retry_max_count',
                        HTTPRequest.retry_max_count)
        HTTPRequest.retry_max_count = 3
