"""The server for Python 2: zc.monitor.

It has one thread for all clients, which also calls the commands: one that
blocks would block every probe. So ours are called through ``TimedCommand``.
"""

from ftw.monitor.address import AddressTaken
from ftw.monitor.address import is_same_host
from ftw.monitor.address import TCPAddress
from ftw.monitor.address import UnixAddress
from ftw.monitor.address import unlink
from ftw.monitor.interfaces import ILoopbackCommand
from ftw.monitor.interfaces import IMonitorPlugin
from ftw.monitor.interfaces import IQuickCommand
from ftw.monitor.server.call import call
from ftw.monitor.server.call import error_line
from ftw.monitor.server.call import not_for_strangers
from ftw.monitor.server.markers import INTERACTIVE_MARKER
from zope.component import getUtilitiesFor
from zope.component import provideUtility
import socket
import threading
import time
import zc.monitor


#: Where our commands are. Other plug-ins get what zc.monitor gives.
COMMANDS = 'ftw.monitor.commands.'

#: Seconds that zc.monitor's thread waits for a command of ours.
PATIENCE = 1


def start(addresses):
    """Have zc.monitor serve the commands on *addresses*.

    Returns ``(listener, problems)``: something to ``close()``, None if no
    address is listened on, and ``(address, error)`` for each that could not
    be.
    """
    wrap_commands()
    listeners = []
    problems = []
    for address in addresses:
        try:
            listeners.append((address, listen(address)))
        except Exception as error:
            # Whatever it is, the instance must boot and serve its visitors.
            problems.append((address, error))
    return Listeners(listeners) if listeners else None, problems


class Listeners(object):
    """All addresses that zc.monitor listens on.

    :param listeners: ``(address, its listener)`` of each.
    """

    def __init__(self, listeners):
        self._listeners = listeners

    def close(self):
        """Stop listening."""
        while self._listeners:
            address, listener = self._listeners.pop()
            listener.close()
            if isinstance(address, UnixAddress):
                unlink(address.path)


def listen(address):
    """Have zc.monitor serve on *address*; return its listener.

    Raises ``AddressTaken`` or ``OSError``.
    """
    # zc.monitor would remove a file, or the socket of a living process, that
    # is in the way, and has words of its own for a port that is taken.
    for probe in address.listen():
        probe.close()
    if not zc.monitor.start((address.host, address.port)
                            if isinstance(address, TCPAddress)
                            else address.path):
        # Its IPv6 socket takes the port of IPv4 as well.
        raise AddressTaken('the address is in use')
    return zc.monitor.last_listener


def wrap_commands():
    """Register our commands anew, as zc.monitor shall call them, and those of
    others that are not for strangers, which zc.monitor would not refuse."""
    for name, command in list(getUtilitiesFor(IMonitorPlugin)):
        module = getattr(command, '__module__', None) or ''
        if (module.startswith(COMMANDS)
                or ILoopbackCommand.providedBy(command)):
            provideUtility(TimedCommand(name, command), IMonitorPlugin, name)


class TimedCommand(object):
    """A command whose caller has patience only for ``PATIENCE`` seconds.

    Has the same answers as on Python 3: an error is one line. A command that
    may block is called in a thread ``ftw.monitor.command-NAME``.
    """

    def __init__(self, name, command):
        self.__doc__ = command.__doc__
        self._name = name
        self._command = command
        self._thread = None
        self._began = 0

    def __call__(self, connection, *args):
        marker = None
        if connection:
            if self._is_refused(connection):
                answer = not_for_strangers(self._name) + '\n'
            elif IQuickCommand.providedBy(self._command):
                answer, marker = call(self._name, self._command, args)
            else:
                answer, marker = self._call_in_thread(args)
            write_now(connection, answer)
        # A client that has gone is not to be told that this is the end.
        return marker if connection else INTERACTIVE_MARKER

    def _is_refused(self, connection):
        return ILoopbackCommand.providedBy(
            self._command) and not is_same_host(peer_of(connection))

    def _call_in_thread(self, args):
        outcome = []
        if self._thread is None or not self._thread.is_alive():
            self._began = time.time()
            self._thread = threading.Thread(
                target=lambda: outcome.append(
                    call(self._name, self._command, args)),
                name='ftw.monitor.command-' + self._name)
            self._thread.daemon = True
            self._thread.start()
            self._thread.join(PATIENCE)
        if outcome:
            return outcome[0]
        return error_line(
            self._name, self._command,
            '%s has been running for %d s; it may wait for a database.' % (
                self._name, time.time() - self._began)), None


def peer_of(connection):
    """The remote address of the client behind zc.monitor's *connection*; None
    if it has gone."""
    try:
        return connection.connection._dispatcher.socket.getpeername()
    except socket.error:
        return None


def write_now(connection, answer):
    """Write *answer* to *connection*, and send it.

    zc.ngi would send it later, and would forget it if the client has said by
    then that it will not send any more, as ``nc -N`` does.
    """
    # Behind zc.monitor's adapter for lines.
    dispatcher = connection.connection._dispatcher
    # It may be the end that waits: then this answer is to further lines of a
    # client that had only one.
    waiting = dispatcher.writable()
    connection.write(answer)
    if not waiting:
        try:
            dispatcher.handle_write_event()
        except socket.error:
            # The client has gone.
            pass
