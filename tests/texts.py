"""Texts for Hypothesis, and what a reader sees of a ``str``."""

from hypothesis import strategies as st


#: What could break a line, or look healthy, is frequent here.
TEXT = st.lists(st.one_of(
    st.sampled_from([u'OK', u'O', u'K', u'Ok'] + list(
        u' \t\r\n\x00\x0b\x0c\x1c\x1e\x85\u2028\u2029\xdf')),
    st.characters())).map(u''.join)


def seen(text):
    """*text* as somebody sees it: on Python 2, a ``str`` is bytes."""
    return text.decode('utf-8') if isinstance(text, bytes) else text
