"""The same conversation in both worlds, but for the figures.

conversation.txt has what the client sends, after ``>`` and with ``|`` between
the lines, and the answers. What differs all the same is in docs/plone43.rst.
"""

from ftw.monitor.compat import PY2
from tests.functional.case import FunctionalCase
from tests.functional.processes import wait_until
from tests.functional.processes import ZEOServer
import io
import os
import re


RECORDED = os.path.join(os.path.dirname(__file__), 'conversation.txt')

#: Zope 2.13 creates what is mounted there, and opens the database when that
#: is visited.
OTHER_DATABASE = """\
<zodb_db temporary>
    <filestorage>
        path $CLIENTHOME/filestorage/temporary.fs
    </filestorage>
    mount-point /temp_folder
    %s
</zodb_db>
""" % ('container-class Products.TemporaryFolder.TemporaryContainer' if PY2
       else '')

CLIENT = re.compile('^> (.*)$', re.MULTILINE)

#: The lines that have them: of dbinfo and the like, of monitor, JSON, warmup.
FIGURES = re.compile(
    r'^(?:\d|Vm|\{|objects: |seconds: |warnings: ).*$', re.MULTILINE)


class TestConversation(FunctionalCase):

    def assert_recorded(self, title, instance):
        recorded = section(title)
        lines = CLIENT.findall(recorded)
        self.assertGreater(len(lines), 5)
        spoken = []
        for line in lines:
            answer = instance.say(line.replace('|', '\r\n'))
            spoken.append('> %s\n%s' % (line, without_figures(answer)))
        self.assertMultiLineEqual(recorded, ''.join(spoken))

    def test_with_a_file_storage(self):
        instance = self.instance(zope_conf=OTHER_DATABASE)
        instance.start()
        instance.wait_for_health('OK')
        self.assert_recorded('FileStorage', instance)

    def test_with_zeo(self):
        zeo = ZEOServer(self.layer.path)
        self.addCleanup(zeo.destroy)
        zeo.start()
        instance = self.instance(storage=zeo.storage)
        instance.start()
        instance.wait_for_health('OK')
        self.assert_recorded('ZEO', instance)
        zeo.kill()
        wait_until(lambda: instance.say('zeostatus') == 'False\n', 'lost')
        self.assert_recorded('ZEO, lost', instance)


def section(title):
    """The part of the recorded conversation under ``== title``."""
    with io.open(RECORDED, encoding='utf-8') as source:
        sections = re.split('^== (.*)\n', source.read(), flags=re.MULTILINE)
    return sections[sections.index(title) + 1]


def without_figures(answer):
    """Numbers as N in the lines that consist of figures, and all lines without
    their indentation, which Python 3.13 takes away from docstrings."""
    answer = re.sub(r'^ +', '', answer, flags=re.MULTILINE)
    if answer == '1 0\n':
        # It is a state.
        return answer
    return FIGURES.sub(
        lambda line: re.sub(r'(\t *)?-?\b\d+', hide, line.group()), answer)


def hide(number):
    """N instead of *number*, and no matter how wide it was."""
    return '\tN' if number.group(1) else 'N'
