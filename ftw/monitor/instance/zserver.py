"""Zope 2.13 on ZServer: where it listens, its threads, its publisher."""

from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.SecurityManagement import noSecurityManager
from App.config import getConfiguration
from cStringIO import StringIO
from ftw.monitor.address import TCPAddress
from ftw.monitor.instance.visitor import environ_of_visitor
from ftw.monitor.instance.worker_pool import Workers
from zExceptions import Redirect
from zope.event import notify
from zope.publisher.skinnable import setDefaultSkin
from zope.security.management import newInteraction
from ZPublisher.HTTPRequest import HTTPRequest
from ZPublisher.HTTPResponse import HTTPResponse
from ZPublisher.mapply import mapply
from ZPublisher.pubevents import PubAfterTraversal
from ZPublisher.pubevents import PubBeforeCommit
from ZPublisher.pubevents import PubFailure
from ZPublisher.pubevents import PubStart
from ZPublisher.pubevents import PubSuccess
from ZPublisher.Publish import call_object
from ZPublisher.Publish import dont_publish_class
from ZPublisher.Publish import missing_name
from ZServer import PubCore
from ZServer.datatypes import HTTPServerFactory
from ZServer.datatypes import ServerFactory
from ZServer.datatypes import WebDAVSourceServerFactory
from ZServer.HTTPServer import zhttp_server
from ZServer.HTTPServer import zwebdav_server
import logging
import sys


LOG = logging.getLogger('ftw.monitor')


def detect():
    """``(serves, server, addresses)`` of the process that is just starting.

    The configuration has the running servers of a process that serves, and
    their factories in any other. See ``Instance`` for the values.
    """
    configuration = getConfiguration()
    running = [server for server in getattr(configuration, 'servers', ())
               if not isinstance(server, ServerFactory)]
    if not running:
        return None, 'no ZServer', None
    addresses = [TCPAddress(server.ip or '', server.port)
                 for server in running
                 if isinstance(server, zhttp_server)
                 and not isinstance(server, zwebdav_server)]
    if len(addresses) > 1:
        LOG.info('There are %d HTTP servers. The monitor goes by the first'
                 ' one, %s.', len(addresses), addresses[0])
    server = 'ZServer' if addresses else 'ZServer without an <http-server>'
    return True, server, addresses[:1]


def configuration_file(options):
    """The file that says where an instance serves HTTP.

    :param options: the ``ZopeCtlOptions`` of ``bin/instance``.
    """
    return options.configfile


def controlled_addresses(options):
    """The address of the first HTTP server that zope.conf defines, in a list.

    :param options: the ``ZopeCtlOptions`` of ``bin/instance``.
    """
    root = options.configroot
    for factory in root.servers:
        if (isinstance(factory, HTTPServerFactory)
                and not isinstance(factory, WebDAVSourceServerFactory)):
            # Zope adds these only when it starts.
            return [TCPAddress(factory.host or root.ip_address or '',
                               factory.port + (root.port_base or 0))]
    return []


def worker_threads():
    """How many threads publish requests."""
    return getattr(getConfiguration(), 'zserver_threads', 1)


def workers():
    """The ``Workers`` now."""
    handle = PubCore._handle
    if handle is None:
        # They are started by the first request.
        return Workers(0, worker_threads(), 0)
    # Lists that threads enter and leave; see ZServer.PubCore.ZRendezvous.
    busy, queue, ready = handle.im_self._lists
    return Workers(len(busy), len(busy) + len(ready), len(queue))


def accepts_without_workers():
    """Whether connections are accepted by a thread that does nothing else: by
    the main thread, asyncore's."""
    return True


def call_in_other_workers(work):
    """Nothing to do: Plone 4.3 keeps nothing that a page needs by thread."""
    return 0


def new_request(path, host='localhost', accept='text/html'):
    """The request of an anonymous visitor; see ``environ_of_visitor``."""
    return HTTPRequest(StringIO(), environ_of_visitor(path, host, accept),
                       HTTPResponse(stdout=StringIO(), stderr=StringIO()))


def publish(request, app):
    """Publish *request*, from traversal to the transforms of its page.

    Uses the ZODB connection that *app* was loaded from, and a transaction of
    its transaction manager. Changes security manager, site and request of
    this thread. Returns the response. An exception that stands for a status
    below 500 (NotFound, Unauthorized, Redirect ...) is that status, any other
    is raised.
    """
    transactions = app._p_jar.transaction_manager
    response = request.response
    transactions.begin()
    try:
        _publish(request, app)
    except Exception as error:
        notify(PubFailure(request, sys.exc_info(), False))
        response.setStatus(type(error))
        if response.getStatus() >= 500:
            raise
        if isinstance(error, Redirect):
            response.redirect(str(error))
    else:
        notify(PubSuccess(request))
    finally:
        transactions.abort()
    return response


def _publish(request, app):
    # The steps and events of ZPublisher.Publish.publish, which would open a
    # connection of its own.
    setDefaultSkin(request)
    notify(PubStart(request))
    newInteraction()
    noSecurityManager()
    request.processInputs()
    request['PARENTS'] = [app]
    published = request.traverse(request['PATH_INFO'],
                                 validated_hook=newSecurityManager)
    notify(PubAfterTraversal(request))
    body = mapply(published, request.args, request, call_object, 1,
                  missing_name, dont_publish_class, request, bind=1)
    if body is not request.response:
        request.response.setBody(body)
    notify(PubBeforeCommit(request))
