from ftw.monitor.commands import basics
from ftw.monitor.interfaces import ILoopbackCommand
from ftw.monitor.interfaces import IMonitorPlugin
from ftw.monitor.server.markers import INTERACTIVE_MARKER
from ftw.monitor.server.markers import MORE_MARKER
from ftw.monitor.server.markers import QUIT_MARKER
from ftw.monitor.server.protocol import Conversation
from ftw.monitor.server.protocol import MAX_LINE
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from tests.conversations import converse
from tests.conversations import run_calls
from tests.recorded_log import RecordedLog
from tests.worlds import only_with_our_listener
from zope.component import provideUtility
from zope.component import testing
from zope.interface import provider
import unittest


GREETING = b'Interactive mode on.  Use "quit" To exit.\n'

#: What zc.monitor 0.4.0 answered when it was recorded, to the byte.
HELP = b'''\
Supported commands:
  boom -- Raise it.
  calc -- calc
  help -- Get help about server commands
  interactive -- Turn on monitor's interactive mode
  multi -- \n\
  nodoc -- ?
  quit -- Quit the monitor
'''

HELP_QUIT = b'''\
Help for quit:

Quit the monitor

    This is only really useful in interactive mode (see the "interactive"
    command).
    \n'''

HELP_BOOM = b'''\
Help for boom:

Raise it.

    Second line.
      third.
    \n'''

HELP_MULTI = b'''\
Help for multi:


    Leading newline doc.

    Rest.
'''


def calc(connection, *args):
    "calc"
    if args and args[0] == 'quit':
        return QUIT_MARKER
    if args:
        connection.write(' '.join(args) + '\n')
    connection.write('.')
    return MORE_MARKER


def boom(connection, *args):
    """Raise it.

    Second line.
      third.
    """
    raise ValueError('boom')


def nodoc(connection):
    connection.write('nodoc\n')


def multi(connection):
    """
    Leading newline doc.

    Rest."""


def talk(*chunks, **options):
    """What the monitor answers to each of *chunks*; at last None if it then
    closes the connection.

    The client half-closes after the last one if ``end=True``.
    """
    conversation = Conversation(True)
    answers = []
    chunks += (None,) if options.get('end') else ()
    for chunk in chunks:
        if conversation.finished:
            break
        if chunk is None:
            conversation.feed_end()
        else:
            conversation.feed(chunk)
        answers.append(run_calls(conversation))
    if conversation.finished:
        answers.append(None)
    return answers


@only_with_our_listener
class ProtocolCase(unittest.TestCase):

    maxDiff = None

    def setUp(self):
        testing.setUp()
        self.addCleanup(testing.tearDown)
        for command in (basics.help, basics.interactive, basics.quit,
                        boom, calc, multi, nodoc):
            self.register(command)
        self.log = RecordedLog.installed(self)

    def register(self, command, name=None):
        provideUtility(command, IMonitorPlugin, name or command.__name__)

    def assertTalk(self, *turns):
        """Each turn is what the client sends, and the answer."""
        sent = [turn[0] for turn in turns]
        answers = [turn[1] for turn in turns]
        self.assertEqual(talk(*sent), answers)


class TestAsZcMonitorAnswers(ProtocolCase):

    def test_the_list_of_commands(self):
        self.assertEqual(talk(b'help\n'), [HELP, None])

    def test_the_help_of_a_command(self):
        for command, expected in (
                (b'calc', b'Help for calc:\n\ncalc\n'),
                (b'nodoc', b'Help for nodoc:\n\nNone\n'),
                (b'quit', HELP_QUIT), (b'boom', HELP_BOOM),
                (b'multi', HELP_MULTI)):
            # Python 3.13 takes the indentation off docstrings.
            self.assertEqual(
                undent(talk(b'help ' + command + b'\n')[0]), undent(expected))

    def test_the_help_is_the_docstring_to_the_byte(self):
        self.assertEqual(
            talk(b'help boom\n'),
            [('Help for boom:\n\n%s\n' % boom.__doc__).encode(), None])

    def test_a_line_may_end_with_carriage_return_and_newline(self):
        self.assertTalk((b'nodoc\r\n', b'nodoc\n'), (b'', None))

    def test_any_white_space_separates(self):
        self.assertTalk((b' \tcalc  a\t b \r\n', b'a b\n.'))

    def test_a_line_may_come_in_pieces(self):
        self.assertTalk((b'no', b''), (b'd', b''), (b'oc\n', b'nodoc\n'),
                        (b'', None))

    def test_an_unknown_command(self):
        self.assertTalk(
            (b'nope a b\n', b'Invalid command \'nope\'\nTry "help".\n'),
            (b'', None))

    def test_an_unknown_command_with_an_apostrophe(self):
        self.assertTalk(
            (b"it's\n", b'Invalid command "it\'s"\nTry "help".\n'),
            (b'', None))

    def test_an_empty_line_is_waited_over(self):
        for empty in (b'\n', b'\r\n', b'  \n'):
            self.assertTalk((empty, b''), (b'nodoc\n', b'nodoc\n'),
                            (b'', None))

    def test_quit(self):
        self.assertTalk((b'quit\n', b'Goodbye.\n'), (b'', None))

    def test_only_the_first_line_counts(self):
        self.assertTalk((b'nodoc\nnodoc\n', b'nodoc\n'), (b'', None))


class TestInteractiveMode(ProtocolCase):

    def test_it_stays_until_quit(self):
        self.assertTalk(
            (b'interactive\n', GREETING),
            (b'nodoc\n', b'nodoc\n'),
            (b'nope\n', b'Invalid command \'nope\'\nTry "help".\n'),
            (b'help quit\n', talk(b'help quit\n')[0]),
            (b'quit\n', b'Goodbye.\n'),
            (b'', None))

    def test_an_empty_line_repeats_the_last_command(self):
        self.assertTalk(
            (b'interactive\n', GREETING),
            (b'\n', GREETING),
            (b'help calc\n', b'Help for calc:\n\ncalc\n'),
            (b'\r\n', b'Help for calc:\n\ncalc\n'),
            (b'  \n', b'Help for calc:\n\ncalc\n'),
            (b'nope x\n', b'Invalid command \'nope\'\nTry "help".\n'),
            (b'\n', b'Invalid command \'nope\'\nTry "help".\n'),
            (b'quit\n', b'Goodbye.\n'),
            (b'', None))

    def test_entered_twice_it_is_left_once(self):
        self.assertTalk(
            (b'interactive\n', GREETING), (b'interactive\n', GREETING),
            (b'quit\n', b'Goodbye.\n'), (b'', None))

    def test_all_lines_at_once(self):
        self.assertTalk(
            (b'interactive\nnodoc\nnodoc\nquit\nnodoc\n',
             GREETING + b'nodoc\nnodoc\nGoodbye.\n'),
            (b'', None))

    def test_a_failure_does_not_end_it(self):
        self.assertTalk(
            (b'interactive\n', GREETING),
            (b'boom\n', b'Error: boom failed with ValueError: boom.'
                        b' Usage: boom [args ...]\n'),
            (b'nodoc\n', b'nodoc\n'))

    def test_wrong_arguments_do_not_leave_it(self):
        self.assertTalk(
            (b'interactive\n', GREETING),
            (b'quit x\n', b'Error: too many positional arguments.'
                          b' Usage: quit\n'),
            (b'quit\n', b'Goodbye.\n'), (b'', None))

    def test_the_end_of_the_client_ends_it(self):
        self.assertEqual(talk(b'interactive\n', end=True),
                         [GREETING, b'', None])

    def test_the_client_is_expected_to_be_slow(self):
        conversation = Conversation(True)
        self.assertFalse(conversation.patient)
        conversation.feed(b'interactive\n')
        conversation.next_call().run()
        self.assertTrue(conversation.patient)


class TestMoreInput(ProtocolCase):

    def test_further_lines_go_to_the_same_command(self):
        self.assertTalk(
            (b'calc a b\n', b'a b\n.'), (b'c d\n', b'c d\n.'),
            (b'\n', b'.'), (b'nodoc\n', b'nodoc\n.'),
            (b'quit\n', b''), (b'nodoc\n', None))

    def test_quit_closes_an_interactive_session_as_well(self):
        self.assertTalk(
            (b'interactive\n', GREETING), (b'calc a\n', b'a\n.'),
            (b'b\n', b'b\n.'), (b'quit\n', b''), (b'nodoc\n', None))

    def test_an_empty_line_is_no_repetition(self):
        self.assertTalk(
            (b'interactive\n', GREETING), (b'calc a\n', b'a\n.'),
            (b'\n', b'.'), (b'quit\n', b''), (b'\n', None))

    def test_the_client_is_expected_to_be_slow(self):
        conversation = Conversation(True)
        conversation.feed(b'calc a\n')
        conversation.next_call().run()
        self.assertTrue(conversation.patient)

    def test_the_marker_for_interactive_mode_lets_go(self):
        self.register(chooser)
        self.assertTalk(
            (b'interactive\n', GREETING), (b'chooser more\n', b'[more]'),
            (b'inter\n', b'[inter]'), (b'nodoc\n', b'nodoc\n'),
            (b'quit\n', b'Goodbye.\n'), (b'', None))

    def test_a_repetition_after_it_is_of_the_line_that_began_it(self):
        self.register(chooser)
        self.assertTalk(
            (b'interactive\n', GREETING), (b'chooser more\n', b'[more]'),
            (b'inter\n', b'[inter]'), (b'\n', b'[more]'))

    def test_no_marker_changes_nothing(self):
        # zc.monitor keeps its mode until a command returns another marker.
        self.register(chooser)
        self.assertTalk(
            (b'chooser more\n', b'[more]'), (b'x\n', b'[x]'),
            (b'y\n', b'[y]'))

    def test_no_marker_changes_nothing_in_an_interactive_session(self):
        self.register(chooser)
        self.assertTalk(
            (b'interactive\n', GREETING), (b'chooser more\n', b'[more]'),
            (b'y\n', b'[y]'), (b'nodoc\n', b'[nodoc]'))

    def test_a_failure_changes_nothing(self):
        self.register(chooser)
        self.assertTalk(
            (b'chooser more\n', b'[more]'),
            (b'boom\n', b'[boom]Error: chooser failed with ValueError: boom.'
                        b' Usage: chooser [args ...]\n'),
            (b'y\n', b'[y]'))


class TestTheEndOfTheClient(ProtocolCase):

    def test_a_line_without_newline_is_answered(self):
        self.assertEqual(talk(b'nodoc', end=True), [b'', b'nodoc\n', None])

    def test_no_line_is_no_answer(self):
        self.assertEqual(talk(end=True), [b'', None])
        self.assertEqual(talk(b'\n', end=True), [b'', b'', None])
        self.assertEqual(talk(b'  ', end=True), [b'', b'', None])

    def test_the_last_line_of_an_interactive_session(self):
        self.assertEqual(
            talk(b'interactive\nnodoc\nnodoc', end=True),
            [GREETING + b'nodoc\n', b'nodoc\n', None])

    def test_the_last_line_of_more_input(self):
        self.assertEqual(talk(b'calc\na', end=True),
                         [b'.', b'a\n.', None])


class TestALineThatIsTooLong(ProtocolCase):

    REFUSAL = b'Error: the line is longer than 8192 bytes.\n'

    def test_is_refused_before_it_ends(self):
        self.assertTalk(((MAX_LINE + 1) * b'x', self.REFUSAL), (b'', None))

    def test_is_refused_when_it_ends(self):
        self.assertTalk((MAX_LINE * b'x', b''), (b'\n', self.REFUSAL),
                        (b'', None))

    def test_is_refused_in_an_interactive_session(self):
        self.assertTalk(
            (b'interactive\n', GREETING),
            (b'nodoc\n' + (MAX_LINE + 1) * b'x', b'nodoc\n' + self.REFUSAL),
            (b'quit\n', None))

    def test_the_longest_line(self):
        line = b'calc ' + (MAX_LINE - 6) * b'x'
        self.assertTalk((line + b'\n', line[5:] + b'\n.'))

    def test_the_longest_line_without_newline(self):
        line = b'calc ' + (MAX_LINE - 5) * b'x'
        self.assertEqual(talk(line, end=True),
                         [b'', line[5:] + b'\n.', None])


class TestErrors(ProtocolCase):

    def assertAnswers(self, sent, expected):
        self.assertEqual(talk(sent + b'\n'), [expected, None])

    def test_the_help_of_an_unknown_command(self):
        self.assertAnswers(
            b'help nope',
            b"Error: There is no command 'nope'. Usage: help [command]\n")

    def test_an_unknown_command_never_looks_healthy(self):
        self.assertAnswers(
            b'OK', b'Invalid command \'Ok\'\nTry "help".\n')

    def test_a_long_unknown_command_is_cut(self):
        answer, _ = talk(8000 * b'x' + b'\n')
        self.assertTrue(len(answer) < 400)
        self.assertTrue(answer.endswith(b'\nTry "help".\n'))


class TestStrangers(ProtocolCase):

    REFUSAL = (b'Error: secret answers only to clients on the same host, by'
               b' loopback or UNIX socket.\n')

    def setUp(self):
        ProtocolCase.setUp(self)

        @provider(IMonitorPlugin, ILoopbackCommand)
        def secret(connection):
            connection.write('told\n')

        provideUtility(secret, IMonitorPlugin, 'secret')

    def answer(self, conversation, line):
        conversation.feed(line)
        return run_calls(conversation)

    def test_they_are_refused_what_is_not_for_them(self):
        conversation = Conversation(False)
        self.assertEqual(self.REFUSAL, self.answer(conversation, b'secret\n'))
        self.assertTrue(conversation.finished)

    def test_they_are_not_made_to_wait_for_a_thread(self):
        conversation = Conversation(False)
        conversation.feed(b'secret\n')
        self.assertTrue(conversation.next_call().quick)

    def test_in_interactive_mode_as_well(self):
        conversation = Conversation(False)
        self.answer(conversation, b'interactive\n')
        self.assertEqual(2 * self.REFUSAL,
                         self.answer(conversation, b'secret\n\n'))
        self.assertFalse(conversation.finished)
        self.assertEqual(b'nodoc\n', self.answer(conversation, b'nodoc\n'))

    def test_they_are_answered_all_else(self):
        self.assertEqual(
            b'nodoc\n', self.answer(Conversation(False), b'nodoc\n'))

    def test_a_client_of_the_same_host_is_answered(self):
        self.assertEqual(
            b'told\n', self.answer(Conversation(True), b'secret\n'))


class TestCommands(ProtocolCase):

    def test_a_quick_one_is_told_from_one_that_may_block(self):
        conversation = Conversation(True)
        conversation.feed(b'help\n')
        self.assertTrue(conversation.next_call().quick)
        conversation = Conversation(True)
        conversation.feed(b'nodoc\n')
        call = conversation.next_call()
        self.assertFalse(call.quick)
        self.assertEqual(call.name, 'nodoc')

    def test_an_unknown_one_needs_no_thread(self):
        conversation = Conversation(True)
        conversation.feed(b'nope\n')
        self.assertTrue(conversation.next_call().quick)

    def test_arguments_are_text(self):
        self.assertEqual(
            talk(b'calc \xc3\xa4 \xff\n'),
            [b'\xc3\xa4 \xef\xbf\xbd\n.'])

    def test_markers_say_what_they_are(self):
        self.assertEqual(
            repr((MORE_MARKER, QUIT_MARKER, INTERACTIVE_MARKER)),
            '(MORE_MARKER, QUIT_MARKER, INTERACTIVE_MARKER)')

    def test_what_is_still_unread_is_told(self):
        conversation = Conversation(True)
        conversation.feed(b'nodoc\n')
        self.assertTrue(conversation.unread)
        conversation.next_call().run()
        self.assertFalse(conversation.unread)
        conversation.feed(b'junk')
        self.assertTrue(conversation.unread)
        # Who has sent everything is not sending any more.
        conversation.feed_end()
        self.assertFalse(conversation.unread)


class TestWhateverAClientSends(ProtocolCase):

    PIECES = st.one_of(
        st.sampled_from([
            b'\n', b'\r\n', b' ', b'\0', b'\xff', b'calc', b'calc\n',
            b'calc a\n', b'chooser more\n', b'inter\n', b'boom\n',
            b'interactive\n', b'nodoc\n', b'help\n', b'help x y\n',
            b'quit\n', b'nope\n', MAX_LINE * b'x', 5000 * b'y']),
        st.binary(max_size=20))

    def setUp(self):
        ProtocolCase.setUp(self)
        self.register(chooser)

    @settings(database=None, deadline=None, max_examples=300)
    @given(st.lists(PIECES, max_size=12), st.lists(st.integers(0, 200)),
           st.booleans())
    @example([b'interactive\n', b'\n', b'calc a\n', b'quit'], [1, 5], True)
    @example([MAX_LINE * b'x', b'\n'], [1], False)
    def test_the_answer_does_not_depend_on_the_packets(
            self, pieces, cuts, end):
        sent = b''.join(pieces)
        whole = self.answer([sent], end)
        self.assertEqual(self.answer(pieces, end), whole)
        cuts = [0] + sorted(cut for cut in cuts if cut < len(sent))
        self.assertEqual(self.answer(
            [sent[begin:stop]
             for begin, stop in zip(cuts, cuts[1:] + [len(sent)])], end),
            whole)

    def answer(self, chunks, end):
        conversation = Conversation(True)
        answer = converse(conversation, chunks, end)
        return answer, conversation.finished, conversation.patient


def chooser(connection, *args):
    "Returns the marker that it is asked for."
    connection.write('[%s]' % ' '.join(args))
    if args == ('boom',):
        raise ValueError('boom')
    return {('more',): MORE_MARKER, ('inter',): INTERACTIVE_MARKER}.get(args)


def undent(answer):
    return [line.strip() for line in answer.splitlines()]
