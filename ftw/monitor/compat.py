"""What has another name in Python 2, which runs Plone 4.3."""

import os
import sys


#: Whether this is Plone 4.3: Zope 2.13 with ZServer, and zc.monitor.
PY2 = sys.version_info[0] == 2

if PY2:
    from httplib import HTTPConnection  # noqa: F401
    from httplib import HTTPException  # noqa: F401
    from urllib import unquote  # noqa: F401

    def monotonic():
        """Seconds since some moment; nobody can set this clock.

        It is that of times(2): on Linux the time since boot, in steps of 10
        milliseconds.
        """
        return os.times()[4]
else:
    from http.client import HTTPConnection  # noqa: F401
    from http.client import HTTPException  # noqa: F401
    from time import monotonic  # noqa: F401
    from urllib.parse import unquote  # noqa: F401
    from urllib.parse import unquote_to_bytes


def path_info(path):
    """The *path* of a URL, quoted or not, as a request has it in PATH_INFO.

    That is bytes, which on Python 3 are text all the same (PEP 3333).
    """
    if PY2:
        return unquote(path)
    return unquote_to_bytes(path).decode('latin-1')


def native(text):
    """*text* as a ``str``, which on Python 2 is bytes: in UTF-8."""
    return text.encode('utf-8') if PY2 else text
