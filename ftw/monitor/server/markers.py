"""What a command may return to say how the conversation goes on."""


class _Marker(object):

    def __init__(self, name):
        self._name = name

    def __repr__(self):
        return self._name


#: The client's next lines go to the same command, one call for each.
MORE_MARKER = _Marker('MORE_MARKER')

#: Close the connection.
QUIT_MARKER = _Marker('QUIT_MARKER')

#: Keep the connection open for further commands, until ``quit``.
INTERACTIVE_MARKER = _Marker('INTERACTIVE_MARKER')
