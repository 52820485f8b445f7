"""Zope on a WSGI server: where it listens, its threads, its publisher."""

from ftw.monitor.address import TCPAddress
from ftw.monitor.address import UnixAddress
from ftw.monitor.instance import waitress_threads
from ftw.monitor.instance.visitor import environ_of_visitor
from ftw.monitor.instance.worker_pool import Workers
from io import BytesIO
from paste.deploy.loadwsgi import loadcontext
from paste.deploy.loadwsgi import SERVER
from waitress.adjustments import Adjustments
from ZPublisher import WSGIPublisher
from ZPublisher.HTTPRequest import WSGIRequest
from ZPublisher.HTTPResponse import WSGIResponse
from ZPublisher.WSGIPublisher import transaction_pubevents
import os
import re
import socket
import sys
import threading


#: Modules that load the WSGI application without serving it. Whoever calls
#: Zope's start-up from one of them is no instance for visitors.
NOT_SERVING = (
    '_pytest',
    'plone.app.testing',
    'plone.testing',
    'unittest',
    'Zope2.utilities.zconsole',
    'zope.testrunner',
)

#: ``config:...``, ``egg:...``; a mere path has none.
HAS_SCHEME = re.compile('^[a-z][a-z]+:', re.IGNORECASE)

#: The options of a server section that say where it listens.
LISTEN_OPTIONS = ('host', 'port', 'listen', 'ipv4', 'ipv6', 'unix_socket')


def detect():
    """``(serves, server, addresses)`` of the process that is just starting.

    No event and no registry tells. But Zope's start-up is called by the one
    who will serve the application, and so he stands on the stack. See
    ``Instance`` for the values.
    """
    command = None
    frame = sys._getframe()
    while frame is not None:
        module = frame.f_globals.get('__name__') or ''
        if any(module == name or module.startswith(name + '.')
               for name in NOT_SERVING):
            return False, module, None
        if _is_serve_command(frame):
            command = frame.f_locals['self']
        frame = frame.f_back
    if command is None:
        return None, os.path.basename(sys.argv[0] or sys.executable), None
    spec = _server_spec(command)
    try:
        return True, spec, configured_addresses(
            spec, command.options.server_name, command.get_options()) or None
    except ValueError as error:
        return True, str(error), None


def _is_serve_command(frame):
    # ``runwsgi`` imports Zope2.Startup.serve, ``bin/instance`` executes the
    # file as __main__.
    return (frame.f_code.co_name == 'run'
            and type(frame.f_locals.get('self')).__name__ == 'ServeCommand')


def _server_spec(command):
    spec = command.args[0]
    if HAS_SCHEME.match(spec):
        return spec
    return 'config:' + os.path.abspath(spec)


def configuration_file(options):
    """The file that says where an instance serves HTTP.

    :param options: the ``ZopeCtlOptions`` of ``bin/instance``.
    """
    return options.wsgi


def controlled_addresses(options):
    """Where the instance that ``bin/instance`` controls serves HTTP.

    :param options: the ``ZopeCtlOptions`` of ``bin/instance``.

    Raises ``ValueError`` with a sentence that names the file and what is
    wrong with it.
    """
    return configured_addresses('config:' + os.path.abspath(options.wsgi))


def configured_addresses(spec, server_name=None, variables=None):
    """The addresses that a PasteDeploy configuration tells a server to use.

    :param spec: the configuration as PasteDeploy names it: ``config:PATH``.
    :param server_name: the name of the server section, ``main`` by default.
    :param variables: dict of the variables given on the command line.

    Empty if the section does not say. Raises ``ValueError`` with a sentence
    that names the configuration and what is wrong with it.
    """
    try:
        context = loadcontext(
            SERVER, spec, name=server_name, relative_to=os.getcwd(),
            global_conf=dict(variables or {}))
        return _addresses(context.object, context.local_conf)
    except Exception as error:
        # PasteDeploy, configparser and waitress raise whatever they like.
        raise ValueError('%s: %s: %s' % (
            spec, type(error).__name__, ' '.join(str(error).split())))


def _addresses(factory, options):
    listen = {name: options[name]
              for name in LISTEN_OPTIONS if name in options}
    if 'fast-listen' in options:
        # plone.recipe.zope2instance binds these itself, for IPv4 only.
        addresses = ['*' + address if address.startswith(':') else address
                     for address in options['fast-listen'].split()]
        listen = {'listen': ' '.join(addresses), 'ipv6': 'off'}
    if 'unix_socket' in listen:
        return [UnixAddress(listen['unix_socket'])]
    if not listen and factory.__module__.split('.')[0] != 'waitress':
        # Only of waitress we know where it listens if nobody tells it.
        return []
    families = (socket.AF_INET, socket.AF_INET6)
    return [TCPAddress(sockaddr[0], sockaddr[1])
            for family, _, _, sockaddr in Adjustments(**listen).listen
            if family in families]


def worker_threads():
    """How many threads of waitress there are; 1 for any other server."""
    return sum(1 for thread in threading.enumerate()
               if _is_worker(thread)) or 1


def workers():
    """The ``Workers`` now. Those of another server than waitress are not
    known, and counted as idle."""
    dispatcher = waitress_threads.dispatcher()
    if dispatcher is None:
        return Workers(0, worker_threads(), 0)
    total = len(dispatcher.threads)
    # Without its lock, which a busy worker may hold.
    busy = max(0, min(dispatcher.active_count, total))
    waiting = max(0, len(dispatcher.queue) - (total - busy))
    return Workers(busy, total, waiting)


def accepts_without_workers():
    """Whether the server is known to accept connections in a thread that does
    nothing else: waitress, as soon as it serves."""
    return waitress_threads.dispatcher() is not None


def call_in_other_workers(work):
    """Call *work* in each worker thread but this one, one after the other.

    Returns how many of them were busy with something else, and did not.
    Raises what *work* has raised. With another server than waitress nothing
    is called: its threads are not known.
    """
    return waitress_threads.call_in_others(
        work, own=_is_worker(threading.current_thread()))


def _is_worker(thread):
    return thread.name.startswith('waitress-')


def new_request(path, host='localhost', accept='text/html'):
    """The request of an anonymous visitor; see ``environ_of_visitor``."""
    environ = environ_of_visitor(path, host, accept)
    environ['wsgi.url_scheme'] = 'http'
    response = WSGIResponse(stdout=BytesIO(), stderr=BytesIO())
    return WSGIRequest(BytesIO(), environ, response)


def publish(request, app):
    """Publish *request*, from traversal to the transforms of its page.

    Uses the ZODB connection that *app* was loaded from, and a transaction of
    its transaction manager. Changes security manager, site and request of
    this thread. Returns the response. Raises what the publication raises if
    no exception view makes a page of it.
    """
    with transaction_pubevents(request, request.response,
                               tm=app._p_jar.transaction_manager):
        WSGIPublisher.publish(request, (app, None, False))
    return request.response
