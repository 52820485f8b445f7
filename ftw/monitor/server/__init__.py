"""The monitor's TCP server: zc.monitor on Python 2, our own on Python 3.

This is one of the two places that know which world they are in.
"""

from ftw.monitor.compat import PY2


if PY2:
    from ftw.monitor.server.zcmonitor import start  # noqa: F401
else:
    from ftw.monitor.server.listener import start  # noqa: F401
