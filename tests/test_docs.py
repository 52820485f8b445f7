"""The guides, as a reader's browser gets them."""

from docutils.core import publish_string
from ftw.monitor.server.call import call
from tests.examples import example
from tests.functional.processes import REPOSITORY
import glob
import io
import os
import unittest


class TestDocs(unittest.TestCase):

    def test_every_guide_is_valid(self):
        names = [name for pattern in ('*.rst', '*/*.rst')
                 for name in glob.glob(os.path.join(REPOSITORY, pattern))
                 if os.path.basename(os.path.dirname(name)) != 'var']
        self.assertGreater(len(names), 5)
        for name in names:
            warnings = io.StringIO()
            with io.open(name, encoding='utf-8') as source:
                publish_string(source.read(), name, settings_overrides={
                    'warning_stream': warnings, 'report_level': 2})
            self.assertEqual('', warnings.getvalue())

    def test_the_command_in_the_guide_works(self):
        module = {}
        exec(example('from ftw.monitor.interfaces import CommandError',
                     'docs/commands.rst'), module)
        greet = module['greet']
        self.assertEqual((b'Hello, Jim!\nHello, Jim!\n', None),
                         call('greet', greet, ['Jim', '2']))
        self.assertEqual(
            (b"Error: 'x' is not a number. Usage: greet NAME [times=1]\n",
             None),
            call('greet', greet, ['Jim', 'x']))
