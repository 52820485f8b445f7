"""How faults are put into words, for the wire and for the log.

Whatever comes in, what comes out is a ``str``.
"""

from ftw.monitor.compat import native


#: A reason is for reading at a glance, and has to fit into one packet.
MAX_REASON = 300


def one_line(text):
    """*text* as one line that no substring match takes for a healthy answer.

    HAProxy's ``expect string OK`` also finds the two letters in the middle of
    a database's name or of an exception's message.
    """
    line = u' '.join(_decoded(text).split())
    if len(line) > MAX_REASON:
        line = line[:MAX_REASON - 1] + u'\u2026'
    return native(line.replace(u'OK', u'Ok'))


def describe(error):
    """The class of an exception and what it says: ``ValueError: no way``.

    For the wire, too: without the path that the operating system's errors
    have.
    """
    message = message_of(error)
    if isinstance(error, EnvironmentError) and error.filename is not None:
        message = error.strerror or 'it says no more'
    return '%s: %s' % (type(error).__name__, message)


def message_of(error):
    """What an exception says; some can't even say that."""
    try:
        try:
            return str(error)
        except UnicodeError:
            # Python 2, and more than ASCII in the message.
            return native(u' '.join(_decoded(part) for part in error.args))
    except Exception as unprintable:
        return 'its message cannot be shown: %s' % type(unprintable).__name__


def _decoded(value):
    if isinstance(value, bytes):
        return value.decode('utf-8', 'replace')
    return u'%s' % (value,)
