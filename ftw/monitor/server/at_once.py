"""Socket calls that keep the interpreter lock.

Python's own methods of a socket give up the lock for as long as the call
takes, since it might block, and then wait for their turn: up to 5 ms for each
thread that is busy. A call that must not block takes some microseconds. So
here the C library's functions are called by ``ctypes.PyDLL``, which keeps the
lock.

Where that can't be done (no ctypes, or a Python without the names of the C
library, as on Windows), these are the socket's own methods: slower, with the
same outcome. For Python 3, as the listener.
"""

import errno
import os
import socket


try:
    import ctypes
except ImportError:
    # Python can be built without it.
    ctypes = None


#: Python ignores SIGPIPE, but whoever embeds it may not.
NO_SIGNAL = getattr(socket, 'MSG_NOSIGNAL', 0)


def recv(connection, size):
    """At most *size* bytes that have come; none if the other end has closed.

    Raises what ``socket.recv`` raises: ``BlockingIOError`` if there are none.
    """
    if C is None:
        _never_wait(connection)
        return connection.recv(size, socket.MSG_DONTWAIT)
    received = ctypes.create_string_buffer(size)
    return ctypes.string_at(received, _call(
        C.recv, connection, received, size, socket.MSG_DONTWAIT))


def send(connection, data):
    """Send as much of *data* as there is room for; return how many bytes.

    Raises what ``socket.send`` raises: ``BlockingIOError`` if there is none.
    """
    if C is None:
        _never_wait(connection)
        return connection.send(data, socket.MSG_DONTWAIT)
    return _call(C.send, connection, data, len(data),
                 socket.MSG_DONTWAIT | NO_SIGNAL)


def close(connection):
    """Close it; do nothing if it is closed already."""
    if C is None:
        connection.close()
        return
    # From now on the number of its file descriptor is not the socket's any
    # more: nobody closes another file that gets the same one.
    descriptor = connection.detach()
    if descriptor >= 0:
        # Whatever this returns, on Linux the descriptor is closed.
        C.close(descriptor)


def _call(function, connection, *args):
    while True:
        result = function(connection.fileno(), *args)
        if result >= 0:
            return result
        number = ctypes.get_errno()
        if number != errno.EINTR:
            # Python makes a BlockingIOError and the like of it.
            raise OSError(number, os.strerror(number))


def _never_wait(connection):
    if connection.gettimeout() is not None:
        # By socket.setdefaulttimeout(): it would wait, even so.
        connection.setblocking(False)


def _load():
    """The C library; None where its functions can't be called like this."""
    try:
        library = ctypes.PyDLL(None, use_errno=True)
        for function in (library.recv, library.send):
            function.argtypes = (ctypes.c_int, ctypes.c_void_p,
                                 ctypes.c_size_t, ctypes.c_int)
            function.restype = ctypes.c_ssize_t
        library.close.argtypes = (ctypes.c_int,)
    except (AttributeError, OSError, TypeError):
        return None
    return library


C = _load()
