# -*- coding: utf-8 -*-
from ftw.monitor.wording import describe
from ftw.monitor.wording import MAX_REASON
from ftw.monitor.wording import message_of
from ftw.monitor.wording import one_line
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from tests.texts import seen
from tests.texts import TEXT
import unittest


#: The same word, as text and as what a Python 2 program often has.
ANY_GREETING = (u'Gr\xfc\xdfe', b'Gr\xc3\xbc\xc3\x9fe')


class Unprintable(object):

    def __init__(self, error):
        self.error = error

    def __str__(self):
        raise self.error

    __unicode__ = __str__


class WordingCase(unittest.TestCase):

    def assertSays(self, expected, text):
        """*text* is a ``str``, and a reader sees what is *expected*."""
        self.assertIs(str, type(text))
        self.assertEqual(expected, seen(text))


class TestOneLine(WordingCase):

    def test_a_harmless_line_is_left_as_it_is(self):
        for text in (u'', u'KeyError: 1', u'Gr\xfc\xdfe', u'Ok ok oK'):
            self.assertSays(text, one_line(text))

    def test_bytes_are_taken_for_utf_8(self):
        for text in ANY_GREETING:
            self.assertSays(u'Gr\xfc\xdfe', one_line(text))

    def test_bytes_that_are_something_else_are_shown_all_the_same(self):
        self.assertSays(u'Gr\ufffd\ufffde', one_line(b'Gr\xfc\xdfe'))

    def test_what_is_no_text_at_all_is_shown_as_it_shows_itself(self):
        self.assertSays(u"(1, 'a')", one_line((1, 'a')))

    def test_several_lines_become_one(self):
        self.assertSays(u'a b c d', one_line(u' a\r\n\tb\u2028c\x0bd '))
        self.assertSays(u'a b c', one_line(b' a\r\n\tb\nc '))

    def test_the_two_letters_are_taken_out(self):
        self.assertSays(u'Ok', one_line('OK'))
        self.assertSays(u'Ok', one_line(b'OK'))
        self.assertSays(u'BOOkS OOkK', one_line(u'BOOKS OOKK'))

    def test_a_long_line_is_cut(self):
        self.assertSays(MAX_REASON * u'x', one_line(MAX_REASON * u'x'))
        self.assertSays((MAX_REASON - 1) * u'x' + u'\u2026',
                        one_line((MAX_REASON + 1) * u'x'))

    def test_a_long_line_is_cut_between_two_letters(self):
        # In UTF-8 each has two bytes.
        for text in (MAX_REASON * u'\xfc', MAX_REASON * b'\xc3\xbc'):
            self.assertSays(MAX_REASON * u'\xfc', one_line(text))
            self.assertSays((MAX_REASON - 1) * u'\xfc' + u'\u2026',
                            one_line(text + text))

    @settings(database=None, deadline=None)
    @given(st.one_of(TEXT, st.binary(), TEXT.map(
        lambda text: text.encode('utf-8', 'replace'))))
    def test_whatever_it_is_it_is_one_line_that_is_never_healthy(self, text):
        line = one_line(text)
        self.assertIs(str, type(line))
        self.assertNotIn('OK', line)
        self.assertLessEqual(len(seen(line).splitlines()), 1)
        self.assertLessEqual(len(seen(line)), MAX_REASON)


class TestWhatAnExceptionSays(WordingCase):

    def test_its_class_and_its_message(self):
        self.assertSays(u'ValueError: no way', describe(ValueError('no way')))
        self.assertSays(u"KeyError: 'a'", describe(KeyError('a')))
        self.assertSays(u'ValueError: ', describe(ValueError()))

    def test_only_its_message(self):
        self.assertSays(u'no way', message_of(ValueError('no way')))

    def test_a_message_that_is_not_ascii(self):
        error = Exception(u'Gr\xfc\xdfe')
        self.assertSays(u'Gr\xfc\xdfe', message_of(error))
        self.assertSays(u'Exception: Gr\xfc\xdfe', describe(error))
        # Bytes on Python 2.
        error = Exception('Grüße')
        self.assertSays(u'Gr\xfc\xdfe', message_of(error))
        self.assertSays(u'Exception: Gr\xfc\xdfe', describe(error))

    def test_a_message_of_several_parts(self):
        self.assertSays(u"('a', 1)", message_of(Exception('a', 1)))
        self.assertSays(u'[Errno 2] no such file: %s' % u"'/a'",
                        message_of(IOError(2, 'no such file', '/a')))

    def test_a_message_that_an_object_makes(self):

        class Fault(Exception):

            def __str__(self):
                return 'fault %d' % self.args

        self.assertSays(u'Fault: fault 7', describe(Fault(7)))

    def test_a_message_that_cannot_be_shown(self):
        for error, name in ((ValueError('no words'), u'ValueError'),
                            (RuntimeError('no words'), u'RuntimeError')):
            self.assertSays(
                u'its message cannot be shown: ' + name,
                message_of(Exception(Unprintable(error))))

    def test_a_message_whose_letters_cannot_be_shown(self):
        # Nor those of what it is made of. On Python 2, whoever mixes bytes
        # with text has this.
        error = UnicodeDecodeError('ascii', b'\xc3', 0, 1, 'not in range')
        self.assertSays(u'its message cannot be shown: UnicodeDecodeError',
                        message_of(Exception(Unprintable(error))))

    @settings(database=None, deadline=None)
    @given(st.one_of(TEXT, st.binary(), st.integers(), st.none()),
           st.sampled_from([Exception, KeyError, UnicodeError, IOError]))
    def test_whatever_it_says_it_is_a_str(self, message, kind):
        described = describe(kind(message))
        self.assertIs(str, type(described))
        self.assertTrue(
            described.startswith(kind.__name__ + ': '), described)
        self.assertIs(str, type(describe(kind(message, message))))
