# -*- coding: utf-8 -*-
from ftw.monitor.commands import basics
from ftw.monitor.commands.connections import monitor
from ftw.monitor.interfaces import CommandError
from ftw.monitor.server.call import call
from ftw.monitor.server.call import error_line
from ftw.monitor.server.call import parameters
from ftw.monitor.server.call import REQUIRED
from ftw.monitor.server.call import usage
from ftw.monitor.server.markers import MORE_MARKER
from ftw.monitor.wording import MAX_REASON
from hypothesis import given
from hypothesis import settings
from tests.recorded_log import RecordedLog
from tests.texts import TEXT
from tests.worlds import only_if_signatures_are_known
import functools
import unittest


def dump(connection, path, db='', seconds='300', *more):
    """Needs one argument, takes any number."""
    connection.write('dumped %s\n' % path)


def calc(connection, *args):
    """Takes any number of arguments."""
    connection.write(' '.join(args) + '\n')
    return MORE_MARKER


def nodoc(connection):
    connection.write('nodoc\n')


class Shouter(object):
    """An object that can be called."""

    def __call__(self, connection, word='hey'):
        connection.write(word.upper() + '\n')


def shouting():
    """A command that was made, and has no module."""
    return eval("lambda connection, word='hey': connection.write(word)", {})


class CallCase(unittest.TestCase):

    def setUp(self):
        self.log = RecordedLog.installed(self)

    def assertAnswers(self, expected, command, *args):
        answer, _ = call(command.__name__, command, list(args))
        self.assertIs(bytes, type(answer))
        self.assertEqual(expected, answer)


class TestTheAnswer(CallCase):

    def test_what_the_command_has_written_and_returned(self):
        self.assertEqual((b'a b\n', MORE_MARKER),
                         call('calc', calc, ['a', 'b']))
        self.assertEqual((b'nodoc\n', None), call('nodoc', nodoc, []))

    def test_text_is_sent_as_utf_8_and_bytes_as_they_are(self):

        def mixed(connection):
            connection.write(u'\xe4\u2028')
            connection.write(b'\xff')
            connection.write('ä\n')

        self.assertAnswers(b'\xc3\xa4\xe2\x80\xa8\xff\xc3\xa4\n', mixed)

    def test_text_that_cannot_be_encoded_is_sent_all_the_same(self):

        def half(connection):
            connection.write(u'\ud800\n')

        answer, _ = call('half', half, [])
        # Python 2 does encode it.
        self.assertIn(answer, (b'\\ud800\n', b'\xed\xa0\x80\n'))
        self.assertEqual([], self.log.records)

    def test_any_callable_may_be_a_command(self):
        for command, word, expected in (
                (Shouter(), 'ho', b'HO\n'),
                (Shouter().__call__, 'ho', b'HO\n'),
                (functools.partial(calc), 'ho', b'ho\n'),
                (functools.partial(Shouter(), word='ho'), None, b'HO\n'),
                (shouting(), 'ho', b'ho')):
            answer, _ = call('any', command, [word] if word else [])
            self.assertEqual(expected, answer)
        self.assertEqual([], self.log.records)

    def test_one_of_c_that_fails(self):
        answer, _ = call('divmod', divmod, ['1'])
        self.assertTrue(answer.startswith(
            b'Error: divmod failed with TypeError: '), answer)


class TestWrongArguments(CallCase):

    def test_too_many_of_them(self):
        self.assertAnswers(
            b'Error: too many positional arguments. Usage: nodoc\n',
            nodoc, 'x')
        self.assertAnswers(
            b'Error: too many positional arguments. Usage: help [command]\n',
            basics.help, 'a', 'b')
        self.assertEqual([], self.log.records)

    def test_too_few_of_them(self):
        self.assertAnswers(
            b"Error: missing a required argument: 'path'. Usage:"
            b' dump PATH [db] [seconds=300] [more ...]\n', dump)
        self.assertEqual([], self.log.records)

    def test_as_many_as_the_command_takes(self):
        for count in range(1, 9):
            self.assertAnswers(b'dumped a\n', dump, *(count * ['a']))

    @only_if_signatures_are_known
    def test_too_many_for_a_callable_object(self):
        answer, _ = call('shout', Shouter(), ['a', 'b'])
        self.assertEqual(b'Error: too many positional arguments.'
                         b' Usage: shout [word=hey]\n', answer)


class TestErrors(CallCase):

    def test_what_the_client_did_wrong_is_no_traceback_in_the_log(self):

        def picky(connection, db=None):
            raise CommandError('There is\nno database.')

        self.assertAnswers(
            b'Error: There is no database. Usage: picky [db]\n', picky)
        self.assertEqual([], self.log.records)

    def test_an_exception_is_one_line_and_logged(self):

        def boom(connection, *args):
            raise ValueError('boom')

        self.assertAnswers(
            b'Error: boom failed with ValueError: boom.'
            b' Usage: boom [args ...]\n', boom, 'a')
        logged, = self.log.records
        self.assertEqual('ERROR', logged.levelname)
        self.assertEqual(
            "The monitor command 'boom' failed with arguments ['a'].",
            logged.getMessage())
        self.assertEqual('boom', str(logged.exc_info[1]))

    def test_a_type_error_of_the_command_itself_is_logged_as_well(self):

        def adder(connection):
            return 1 + 'x'

        answer, _ = call('adder', adder, [])
        self.assertTrue(answer.startswith(
            b'Error: adder failed with TypeError: unsupported operand'))
        self.assertEqual(1, len(self.log.records))

    def test_a_traceback_is_never_on_the_wire(self):

        def careless(connection):
            raise RuntimeError('Traceback:\n  File "/secret/a.py"\nOK\n')

        self.assertAnswers(
            b'Error: careless failed with RuntimeError: Traceback: File'
            b' "/secret/a.py" Ok . Usage: careless\n', careless)

    def test_what_was_written_before_is_sent(self):

        def halfway(connection):
            connection.write('one\n')
            raise KeyError('two')

        self.assertAnswers(
            b"one\nError: halfway failed with KeyError: 'two'."
            b' Usage: halfway\n', halfway)

    def test_how_it_is_called_is_told_after_a_long_message_as_well(self):

        def chatty(connection, db=''):
            raise CommandError(1000 * 'x')

        answer, _ = call('chatty', chatty, [])
        self.assertTrue(answer.endswith(b' Usage: chatty [db]\n'), answer)

    def test_messages_that_are_not_ascii(self):
        for message in (u'Gr\xfc\xdfe', 'Grüße'):

            def polite(connection, kind):
                raise kind(message)  # noqa: B023

            for kind, expected in (
                    (CommandError, b'Error: Gr\xc3\xbc\xc3\x9fe Usage:'
                                   b' polite KIND\n'),
                    (ValueError, b'Error: polite failed with ValueError:'
                                 b' Gr\xc3\xbc\xc3\x9fe. Usage:'
                                 b' polite KIND\n')):
                self.assertAnswers(expected, polite, kind)

    def test_an_exception_that_cannot_be_shown(self):

        class Mute(Exception):

            def __str__(self):
                raise ValueError('I have no words.')

        def mute(connection):
            raise Mute()

        self.assertAnswers(
            b'Error: mute failed with Mute: its message cannot be shown:'
            b' ValueError. Usage: mute\n', mute)

    def test_a_command_that_wants_to_exit(self):

        def script(connection):
            raise SystemExit('usage: script')

        self.assertAnswers(
            b'Error: script failed with SystemExit: usage: script.'
            b' Usage: script\n', script)

    @settings(database=None, deadline=None)
    @given(TEXT)
    def test_whatever_it_says_it_is_one_line_that_is_never_healthy(
            self, message):

        def careless(connection):
            raise RuntimeError(message)

        answer, _ = call('careless', careless, [])
        self.assertNotIn(b'OK', answer)
        self.assertTrue(answer.startswith(b'Error: '), answer)
        self.assertTrue(answer.endswith(b' Usage: careless\n'), answer)
        lines = answer.decode('utf-8', 'replace').splitlines()
        self.assertEqual(1, len(lines), answer)


class TestTheErrorLine(unittest.TestCase):

    def test_what_is_wrong_and_how_to_call_it(self):
        self.assertEqual(
            'Error: so not. Usage: dump PATH [db] [seconds=300] [more ...]\n',
            error_line('dump', dump, 'so\nnot.'))

    def test_it_is_a_str(self):
        for message in (u'\xfc', b'\xc3\xbc', 'ü', 2 * MAX_REASON * u'\xfc'):
            self.assertIs(str, type(error_line('calc', calc, message)))


class TestHowACommandIsCalled(unittest.TestCase):

    def test_its_parameters(self):
        self.assertEqual(
            ([('path', REQUIRED), ('db', ''), ('seconds', '300')], 'more'),
            parameters(dump))
        self.assertEqual(([], 'args'), parameters(calc))
        self.assertEqual(([], None), parameters(nodoc))

    def test_parameters_that_nobody_knows(self):
        self.assertEqual(([], 'arguments'), parameters(dict))

    @only_if_signatures_are_known
    def test_the_parameters_of_any_callable(self):
        self.assertEqual(([('word', 'hey')], None), parameters(Shouter()))
        self.assertEqual(
            ([('word', 'hey')], None), parameters(Shouter().__call__))
        self.assertEqual(([], 'args'), parameters(functools.partial(calc)))

    def test_its_usage(self):
        self.assertEqual('dump PATH [db] [seconds=300] [more ...]',
                         usage('dump', dump))
        self.assertEqual('monitor [seconds=100] [db]',
                         usage('monitor', monitor))
        self.assertEqual('nodoc', usage('nodoc', nodoc))
        self.assertEqual('other [arguments ...]', usage('other', dict))
