"""One call of a command: what it answers, and what is said if it fails."""

from ftw.monitor.interfaces import CommandError
from ftw.monitor.wording import describe
from ftw.monitor.wording import message_of
from ftw.monitor.wording import one_line
import inspect
import logging


LOG = logging.getLogger('ftw.monitor')

#: The default of a parameter that has none.
REQUIRED = object()


def call(name, command, args):
    """Call *command*, the utility called *name*, with the words *args*.

    Returns its whole answer as bytes, and what it returned (a marker or
    None). Whatever goes wrong is one line of the answer: ``Error: ...``.
    """
    answer = Answer()
    marker = None
    try:
        check_arguments(command, args)
        marker = command(answer, *args)
    except CommandError as error:
        answer.write(error_line(name, command, message_of(error)))
    except (Exception, SystemExit) as error:
        LOG.exception('The monitor command %r failed with arguments %r.',
                      name, args)
        answer.write(error_line(name, command, '%s failed with %s.' % (
            name, describe(error))))
    return answer.getvalue(), marker


def error_line(name, command, message):
    """What a client is told of an error: what is wrong, and the usage."""
    return 'Error: %s Usage: %s\n' % (
        one_line(message), one_line(usage(name, command)))


def not_for_strangers(name):
    """What a client of another host is told about an ``ILoopbackCommand``."""
    # One line also because a name is unicode in Python 2.
    return one_line('Error: %s answers only to clients on the same host, by'
                    ' loopback or UNIX socket.' % name)


class Answer(object):
    """The ``connection`` that a command writes its answer to."""

    def __init__(self):
        self._parts = []

    def write(self, text):
        """Add *text* to the answer."""
        if not isinstance(text, bytes):
            text = text.encode('utf-8', 'backslashreplace')
        self._parts.append(text)

    def getvalue(self):
        """All that was written, as bytes."""
        return b''.join(self._parts)


def check_arguments(command, args):
    """Raise ``CommandError`` if *command* can't be called with *args*."""
    positional, rest = parameters(command)
    missing = [parameter for parameter, default in positional[len(args):]
               if default is REQUIRED]
    if missing:
        raise CommandError('missing a required argument: %r.' % missing[0])
    if len(args) > len(positional) and not rest:
        raise CommandError('too many positional arguments.')


def usage(name, command):
    """How *command* is called, in one line: ``dbinfo [db] [seconds=300]``."""
    words = [name]
    positional, rest = parameters(command)
    for parameter, default in positional:
        if default is REQUIRED:
            words.append(parameter.upper())
        elif default in ('', None):
            words.append('[%s]' % parameter)
        else:
            words.append('[%s=%s]' % (parameter, default))
    if rest:
        words.append('[%s ...]' % rest)
    return ' '.join(words)


def parameters(command):
    """The parameters of *command* after the connection.

    Returns ``([(name, default or REQUIRED), ...], name of *args or None)``.
    """
    try:
        return _parameters(command)
    except (TypeError, ValueError):
        # A callable written in C does not say; it checks for itself.
        return [], 'arguments'


if hasattr(inspect, 'signature'):

    def _parameters(command):
        positional = []
        rest = None
        for parameter in inspect.signature(command).parameters.values():
            if parameter.kind is parameter.VAR_POSITIONAL:
                rest = parameter.name
            elif parameter.kind in (parameter.POSITIONAL_ONLY,
                                    parameter.POSITIONAL_OR_KEYWORD):
                positional.append((
                    parameter.name,
                    REQUIRED if parameter.default is parameter.empty
                    else parameter.default))
        return positional[1:], rest

else:

    # Python 2: for functions, as ours are.
    def _parameters(command):
        spec = inspect.getargspec(command)
        defaults = list(spec.defaults or ())
        defaults = [REQUIRED] * (len(spec.args) - len(defaults)) + defaults
        return list(zip(spec.args, defaults))[1:], spec.varargs
