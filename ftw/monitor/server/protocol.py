"""The line protocol of zc.monitor: bytes in, bytes out, no sockets.

A client sends one line, a command and its arguments separated by white
space, and gets the answer; then the connection is closed. The source of all
details is the behaviour of zc.monitor 0.4.0, except for what is called wrong
or fails: that answers one line ``Error: ...`` instead of a traceback.
"""

from ftw.monitor.interfaces import ILoopbackCommand
from ftw.monitor.interfaces import IMonitorPlugin
from ftw.monitor.interfaces import IQuickCommand
from ftw.monitor.server.call import call
from ftw.monitor.server.call import not_for_strangers
from ftw.monitor.server.markers import INTERACTIVE_MARKER
from ftw.monitor.server.markers import MORE_MARKER
from ftw.monitor.server.markers import QUIT_MARKER
from ftw.monitor.wording import one_line
from zope.component import queryUtility


#: The longest line that a client may send, in bytes, with its end.
MAX_LINE = 8192


class Conversation(object):
    """What one client and the monitor say to each other.

    Feed it with what the client sent, take the calls that follow from it one
    after the other with ``next_call()``, run each, and send what ``run()``
    returned. When ``finished``, close the connection after that.

    :param same_host: whether the client is on the same host.
    :ivar finished: nothing more will be said.
    :ivar patient: the client is not expected to send a whole line soon: it is
        in interactive mode or answers a command that wants more.
    """

    def __init__(self, same_host):
        self._same_host = same_host
        self._unread = b''
        self._ended = False
        self._interactive = False
        self._last = None
        self._more = None
        self.finished = False

    @property
    def patient(self):
        return self._interactive or self._more is not None

    @property
    def unread(self):
        """Whether the client has sent more than what was answered, and may
        still be sending."""
        return bool(self._unread) and not self._ended

    def feed(self, data):
        """Take the bytes that the client sent."""
        self._unread += data

    def feed_end(self):
        """The client has said that it will not send any more."""
        self._ended = True

    def next_call(self):
        """The ``Call`` to run now; None until the client has sent more."""
        while not self.finished:
            line, end, rest = self._unread.partition(b'\n')
            if len(line) + len(end) > MAX_LINE:
                self.finished = True
                return Refusal('Error: the line is longer than %d bytes.'
                               % MAX_LINE)
            if not end and not self._ended:
                return None
            self._unread = rest
            if not end and not line:
                self.finished = True
                return None
            call = self._call(line.decode('utf-8', 'replace').split())
            if call is not None:
                return call
        return None

    def _call(self, words):
        if self._more is not None:
            return Call(self, self._more[0], self._more[1], words)
        if not words:
            if not self._interactive or self._last is None:
                return None
            words = self._last
        self._last = words
        name = words[0]
        command = queryUtility(IMonitorPlugin, name)
        if command is None:
            return self._refuse('Invalid command %s\nTry "help".'
                                % one_line(repr(name)))
        if ILoopbackCommand.providedBy(command) and not self._same_host:
            return self._refuse(not_for_strangers(name))
        return Call(self, name, command, words[1:])

    def _refuse(self, text):
        if not self._interactive:
            self.finished = True
        return Refusal(text)

    def go_on(self, name, command, marker):
        """How it goes on after *command*, which has returned *marker*."""
        if marker is MORE_MARKER:
            self._more = (name, command)
        if marker is INTERACTIVE_MARKER:
            self._more = None
            self._interactive = True
        if marker is QUIT_MARKER or not self.patient:
            self.finished = True


class Refusal(object):
    """In place of a call: an answer that needs no command."""

    quick = True

    def __init__(self, text):
        self._text = text

    def run(self):
        return (self._text + '\n').encode('utf-8')


class Call(object):
    """One command with its arguments, ready to run in any thread.

    :ivar name: the command's name.
    :ivar quick: it answers from memory, so it needs no thread of its own.
    """

    def __init__(self, conversation, name, command, args):
        self._conversation = conversation
        self.name = name
        self._command = command
        self._args = args
        self.quick = IQuickCommand.providedBy(command)

    def run(self):
        """Call the command; return its whole answer as bytes."""
        answer, marker = call(self.name, self._command, self._args)
        self._conversation.go_on(self.name, self._command, marker)
        return answer
