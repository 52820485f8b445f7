"""What a command may return to say how the conversation goes on."""

from ftw.monitor.compat import PY2


class _Marker(object):

    def __init__(self, name):
        self._name = name

    def __repr__(self):
        return self._name


if PY2:
    # Whoever serves there has to recognize them.
    from zc.monitor import INTERACTIVE_MARKER  # noqa: F401
    from zc.monitor import MORE_MARKER  # noqa: F401
    from zc.monitor import QUIT_MARKER  # noqa: F401
else:
    #: The client's next lines go to the same command, one call for each.
    MORE_MARKER = _Marker('MORE_MARKER')

    #: Close the connection.
    QUIT_MARKER = _Marker('QUIT_MARKER')

    #: Keep the connection open for further commands, until ``quit``.
    INTERACTIVE_MARKER = _Marker('INTERACTIVE_MARKER')
