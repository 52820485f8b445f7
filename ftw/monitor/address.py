"""Addresses: how they are written, listened on and connected to."""

from collections import namedtuple
import errno
import os
import re
import socket
import stat


#: How many connections the kernel may hold until we accept them. A flood
#: must not keep a good probe out.
BACKLOG = 1024

#: The monitor's port is the instance's HTTP port plus this.
PORT_OFFSET = 80

#: What ``FTW_MONITOR_ADDRESS`` says to have no monitor.
OFF = 'off'

#: The highest port there is.
MAX_PORT = 65535

TCP_ADDRESS = re.compile(
    r'^(?:(?P<host>\[[^\]]+\]|[^:\[\]/]*):)?(?P<port>[0-9]+)\Z')


class AddressTaken(Exception):
    """Somebody else listens on the address."""


class TCPAddress(namedtuple('TCPAddress', 'host port')):
    """A host (name, IPv4 or IPv6 address; empty for all) and a port."""

    __slots__ = ()

    def __str__(self):
        host = self.host or '*'
        if ':' in host:
            host = '[%s]' % host
        return '%s:%d' % (host, self.port)

    def listen(self):
        """Listening sockets, one for each address the host name has.

        Raises ``AddressTaken`` or ``OSError``, and then leaves none open.
        """
        self._check_port()
        families = socket.getaddrinfo(
            self.host or None, self.port, socket.AF_UNSPEC,
            socket.SOCK_STREAM, socket.IPPROTO_TCP, socket.AI_PASSIVE)
        sockets = []
        unusable = None
        try:
            # A name may resolve to the same address twice.
            for family, sockaddr in sorted(
                    set((found[0], found[4]) for found in families)):
                try:
                    sockets.append(_listen_on(family, sockaddr))
                except (IOError, OSError) as error:
                    # A machine without IPv6 still resolves names to it.
                    if error.errno not in (errno.EAFNOSUPPORT,
                                           errno.EADDRNOTAVAIL):
                        raise
                    unusable = error
            if not sockets:
                raise unusable
        except Exception:
            for listening in sockets:
                listening.close()
            raise
        return sockets

    def connect(self, timeout):
        """A connected socket, with *timeout* in seconds, or ``OSError``."""
        self._check_port()
        host = {'': '127.0.0.1', '0.0.0.0': '127.0.0.1',
                '::': '::1'}.get(self.host, self.host)
        return socket.create_connection((host, self.port), timeout)

    def _check_port(self):
        if self.port > MAX_PORT:
            # The resolver would take the lower 16 bits for a port.
            raise OSError('there is no port above %d' % MAX_PORT)


class UnixAddress(namedtuple('UnixAddress', 'path')):
    """The path of a UNIX socket."""

    __slots__ = ()

    def __str__(self):
        return self.path

    def listen(self):
        """One listening socket, in a list.

        The socket file of a process that is gone is replaced. Raises
        ``AddressTaken`` if somebody answers on it, or if the path is not a
        socket, which is never removed; else ``OSError``.
        """
        if os.path.lexists(self.path):
            if not stat.S_ISSOCK(os.lstat(self.path).st_mode):
                raise AddressTaken('%s exists and is no socket' % self.path)
            try:
                self.connect(1).close()
            except (IOError, OSError) as error:
                if error.errno not in (errno.ECONNREFUSED, errno.ENOENT):
                    raise
                os.unlink(self.path)
            else:
                raise AddressTaken('%s is in use' % self.path)
        return [_listen_on(socket.AF_UNIX, self.path)]

    def connect(self, timeout):
        """A connected socket, with *timeout* in seconds, or ``OSError``."""
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connected.settimeout(timeout)
            connected.connect(self.path)
        except Exception:
            connected.close()
            raise
        return connected


def unlink(path):
    """Remove the file of a UNIX socket that is closed."""
    try:
        os.unlink(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def is_same_host(peer):
    """Whether *peer*, a socket's remote address as ``accept()`` returns it,
    has come by loopback or by a UNIX socket."""
    if not isinstance(peer, tuple):
        return True
    host = peer[0]
    return host.startswith('127.') or host == '::1'


def _listen_on(family, sockaddr):
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family != socket.AF_UNIX:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Else :: would also take the port on 0.0.0.0, which has a socket
            # of its own.
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(sockaddr)
        listening.listen(BACKLOG)
    except Exception as error:
        listening.close()
        if getattr(error, 'errno', None) == errno.EADDRINUSE:
            raise AddressTaken('the address is in use')
        raise
    return listening


def parse(text):
    """The address that *text* means: ``(host or None, port)`` or a path.

    ``PORT``, ``HOST:PORT``, ``[IPv6]:PORT``, ``:PORT`` or ``*:PORT`` (all
    addresses), or an absolute path of a UNIX socket. Returns a ``TCPAddress``
    whose host is None for a mere port, or a ``UnixAddress``. Raises
    ``ValueError`` with a sentence about what is wrong.
    """
    if text.startswith('/'):
        return UnixAddress(text)
    match = TCP_ADDRESS.match(text)
    if match is None or not 0 < int(match.group('port')) <= MAX_PORT:
        raise ValueError(
            '%r is not PORT, HOST:PORT, [IPv6]:PORT or the absolute path of'
            ' a UNIX socket' % text)
    host = match.group('host')
    if host is not None:
        host = host.strip('[]')
        if host == '*':
            host = ''
    return TCPAddress(host, int(match.group('port')))


def monitor_addresses(setting, http_addresses):
    """Where the monitor of an instance listens: a list of addresses.

    :param setting: ``None``, ``OFF``, or what ``parse`` returned.
    :param http_addresses: where the instance serves HTTP. The first one that
        has a port decides on the port; all hosts with this port are taken.

    Returns an empty list if there shall be none, and also if it cannot be
    told: there is neither a setting nor an HTTP port.
    """
    if setting == OFF:
        return []
    if isinstance(setting, UnixAddress):
        return [setting]
    if setting is not None and setting.host is not None:
        return [setting]
    tcp = [address for address in http_addresses
           if isinstance(address, TCPAddress)]
    if setting is not None:
        port = setting.port
        if not tcp:
            return [TCPAddress('127.0.0.1', port)]
    elif tcp:
        port = tcp[0].port + PORT_OFFSET
    else:
        return []
    return [TCPAddress(address.host, port) for address in tcp
            if address.port == tcp[0].port]
