"""Visits of an anonymous visitor, without the network between."""

from AccessControl.SecurityManagement import getSecurityManager
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.SecurityManagement import noSecurityManager
from AccessControl.SecurityManagement import setSecurityManager
from Acquisition import aq_base
from contextlib import contextmanager
from ftw.monitor.instance import new_request
from ftw.monitor.instance import publish
from Products.CMFCore.interfaces import ISiteRoot
from Products.CMFCore.Skinnable import SKINDATA
from transaction.interfaces import ISynchronizer
from zExceptions import NotFound
from zope.component.hooks import getSite
from zope.component.hooks import setSite
from zope.globalrequest import getRequest
from zope.globalrequest import setRequest
from zope.interface import implementer
from zope.publisher.skinnable import setDefaultSkin
from zope.security.management import endInteraction
from zope.security.management import newInteraction
from zope.security.management import queryInteraction
import threading
import transaction


#: What a site raises whose objects, tools or products are gone. None of them
#: is raised because a database is away.
BROKEN_SITE = (AttributeError, ImportError, LookupError, NotFound, TypeError,
               ValueError)


@contextmanager
def visit(app, site_path):
    """A visit that has come as far as the site at *site_path*.

    All that a real visit sets up on the way is set up: local components,
    skin, browser layers, the anonymous user. Yields ``(site, request)``.
    What is changed is never committed; *app* is the application root of the
    ZODB connection that is used.
    """
    app = aq_base(app)
    path = site_path + '/@@warmup'
    request = new_request(path)
    transactions = app._p_jar.transaction_manager
    with _thread_state_kept(), _doomed(transactions):
        transactions.begin()
        try:
            setRequest(request)
            setDefaultSkin(request)
            newInteraction()
            noSecurityManager()
            request['PARENTS'] = [app]
            request.processInputs()
            request.traverse(path, validated_hook=newSecurityManager)
            # The innermost comes first.
            yield next(parent for parent in request['PARENTS']
                       if ISiteRoot.providedBy(parent)), request
        finally:
            transactions.abort()
            request.close()


def render(app, path, host='localhost', accept='text/html'):
    """Have the page at *path* rendered; return its status and its location.

    :param path: from the root, with a query string if there is one.
    :param host: the Host header; *accept*: the Accept header.

    The status is an HTTP status code, the location that of a redirect, or
    None. Raises what goes wrong and is not made into a page.
    """
    app = aq_base(app)
    request = new_request(path, host, accept)
    with _thread_state_kept(), _doomed(app._p_jar.transaction_manager):
        setRequest(request)
        try:
            response = publish(request, app)
            return response.getStatus(), response.getHeader('Location')
        finally:
            request.close()


@contextmanager
def _thread_state_kept():
    """Security manager, site, request, interaction and skin belong to the
    thread, and so does one transaction manager.

    A visit within a request begins without an interaction and a skin, which
    would be an object of another connection, and leaves all as it has found
    it. The thread's transactions are doomed as those of the visit.
    """
    security_manager = getSecurityManager()
    site = getSite()
    request = getRequest()
    had_interaction = queryInteraction() is not None
    _end_interaction()
    thread = threading.current_thread().ident
    skin = SKINDATA.pop(thread, None)
    try:
        with _doomed(transaction.manager):
            yield
    finally:
        SKINDATA.pop(thread, None)
        if skin is not None:
            SKINDATA[thread] = skin
        setSecurityManager(security_manager)
        setSite(site)
        setRequest(request)
        _end_interaction()
        if had_interaction:
            # One is as good as the other: in Zope it only passes on to the
            # security manager.
            newInteraction()


@contextmanager
def _doomed(transactions):
    """Whatever transaction *transactions* begins meanwhile is doomed.

    To doom the first one is not enough: every page begins its own, and a
    performer may. That of the caller, if nobody has ended it, is afterwards
    what it was before.
    """
    synchronizer = DoomingSynchronizer(transactions)
    callers = transactions.get()
    status = callers.status
    _doom(callers)
    # Kept by a weak reference only.
    transactions.registerSynch(synchronizer)
    try:
        yield
    finally:
        transactions.unregisterSynch(synchronizer)
        if transactions.get() is callers:
            callers.status = status
        else:
            transactions.abort()


@implementer(ISynchronizer)
class DoomingSynchronizer(object):
    """Dooms every new transaction of a transaction manager, also the one that
    follows a commit or an abort without being begun."""

    def __init__(self, transactions):
        self._transactions = transactions

    def newTransaction(self, transaction):
        _doom(transaction)

    def beforeCompletion(self, transaction):
        """Nothing to do."""

    def afterCompletion(self, transaction):
        _doom(self._transactions.get())


def _doom(transaction):
    # One whose commit has failed cannot be committed anyhow, nor be doomed.
    if transaction.status == 'Active':
        transaction.doom()


def _end_interaction():
    if queryInteraction() is not None:
        endInteraction()
