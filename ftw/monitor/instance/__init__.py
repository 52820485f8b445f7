"""What this process is: its name, where it serves HTTP, its workers.

This is one of the two places that know what serves the HTTP requests. So far
it is waitress or another WSGI server (``wsgi``).
"""

from App.config import getConfiguration
from ftw.monitor.address import TCPAddress
from ftw.monitor.instance import wsgi
from ftw.monitor.instance.wsgi import new_request  # noqa: F401
from ftw.monitor.instance.wsgi import publish  # noqa: F401
from ftw.monitor.instance.wsgi import worker_threads  # noqa: F401
import os
import psutil


#: The maintenance instance of a deployment: for scripts, never for visitors.
MAINTENANCE_NAME = 'instance0'


class Instance(object):
    """This process as a Zope instance.

    :ivar name: the name of its folder: ``instance`` for ``parts/instance``.
    :ivar serves: True if it serves HTTP, False if it does not (a script, a
        debugger, a test), None if that cannot be told.
    :ivar server: what serves HTTP, for the log.
    """

    def __init__(self, name, serves, server, configured_addresses):
        self.name = name
        self.serves = serves
        self.server = server
        self._configured_addresses = configured_addresses

    def http_addresses(self):
        """Where this process serves HTTP: a list of addresses.

        What the configuration says, or else where this process listens now.
        Empty if it says nothing, and does not listen yet.
        """
        return self._configured_addresses or listening_addresses()


def current():
    """The ``Instance`` that this process is, while Zope starts it."""
    name = os.path.basename(
        os.path.normpath(getConfiguration().instancehome))
    serves, server, addresses = wsgi.detect()
    return Instance(name, serves, server, addresses)


def configured_http_addresses(wsgi_ini):
    """Where the instance with this configuration serves HTTP.

    For ``bin/instance``, which only controls it. Raises ``ValueError`` with a
    sentence that names the file and what is wrong with it.
    """
    return wsgi.configured_addresses('config:' + os.path.abspath(wsgi_ini))


def listening_addresses():
    """The TCP addresses that this process listens on, in order of port."""
    process = psutil.Process()
    # Called "connections" before psutil 6.
    connections = getattr(process, 'net_connections', None)
    if connections is None:
        connections = process.connections
    return sorted(
        (TCPAddress(*connection.laddr) for connection in connections('tcp')
         if connection.status == psutil.CONN_LISTEN),
        key=lambda address: (address.port, address.host))
