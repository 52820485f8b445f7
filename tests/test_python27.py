"""Plone 4.3 will run the same sources, with Python 2.7."""

from tests.functional.processes import find_program
from tests.functional.processes import REPOSITORY
import glob
import os
import subprocess
import unittest


def find_python27():
    """The path of a Python 2.7 that runs, or None."""
    for path in [find_program('python2.7')] + glob.glob(
            os.path.expanduser('~/.pyenv/versions/2.7.*/bin/python2.7')):
        # What pyenv has on the PATH runs only if it is switched on.
        if path and not subprocess.call(
                [path, '-c', ''], stderr=subprocess.PIPE):
            return path
    return None


PYTHON27 = find_python27()

COMPILE = """\
import sys
for name in sys.argv[1:]:
    with open(name) as source:
        compile(source.read(), name, 'exec')
"""


class TestPython27(unittest.TestCase):

    @unittest.skipUnless(PYTHON27, 'there is no python2.7')
    def test_every_module_compiles(self):
        names = sorted(
            os.path.join(folder, name)
            for top in ('benchmarks', 'ftw', 'tests')
            for folder, _, files in os.walk(os.path.join(REPOSITORY, top))
            for name in files if name.endswith('.py'))
        self.assertGreater(len(names), 50)
        process = subprocess.Popen(
            [PYTHON27, '-c', COMPILE] + names,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = process.communicate()
        self.assertEqual(b'', output)
        self.assertEqual(0, process.returncode)
