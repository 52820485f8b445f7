"""What this process is: its name, where it serves HTTP, its workers.

This is one of the two places that know which world they are in: ``zserver``
for Plone 4.3, ``wsgi`` for Plone 6.2, with the same functions each.
"""

from App.config import getConfiguration
from ftw.monitor.address import TCPAddress
from ftw.monitor.compat import PY2
import os
import psutil


if PY2:
    from ftw.monitor.instance import zserver as http_server
else:
    from ftw.monitor.instance import wsgi as http_server


#: The maintenance instance of a deployment: for scripts, never for visitors.
MAINTENANCE_NAME = 'instance0'


class Instance(object):
    """This process as a Zope instance.

    :ivar name: the name of its folder: ``instance`` for ``parts/instance``.
    :ivar serves: True if it serves HTTP, False if it does not (a script, a
        debugger, a test), None if that cannot be told.
    :ivar server: what serves HTTP, for the log.

    *configured_addresses* are those the configuration tells, None if it does
    not tell any.
    """

    def __init__(self, name, serves, server, configured_addresses):
        self.name = name
        self.serves = serves
        self.server = server
        self._configured_addresses = configured_addresses

    def http_addresses(self):
        """Where this process serves HTTP: a list of addresses.

        What the configuration says; if it says nothing, where this process
        listens now, if it does so yet.
        """
        if self._configured_addresses is None:
            return listening_addresses()
        return self._configured_addresses


def current():
    """The ``Instance`` that this process is, while Zope starts it."""
    name = os.path.basename(
        os.path.normpath(getConfiguration().instancehome))
    serves, server, addresses = http_server.detect()
    return Instance(name, serves, server, addresses)


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


accepts_without_workers = http_server.accepts_without_workers
call_in_other_workers = http_server.call_in_other_workers
configuration_file = http_server.configuration_file
controlled_addresses = http_server.controlled_addresses
new_request = http_server.new_request
publish = http_server.publish
worker_threads = http_server.worker_threads
workers = http_server.workers
