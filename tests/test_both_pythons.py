"""The same sources run with Python 2.7, on Plone 4.3, and with Python 3."""

from ftw.monitor.compat import PY2
from tests.functional.processes import REPOSITORY
import os
import subprocess
import sys
import unittest


#: The modules that one of the worlds cannot import, and what it lacks.
NOT_IMPORTED = {
    'ftw.monitor.instance.wsgi': 'PasteDeploy and waitress',
    'ftw.monitor.server.listener': 'selectors',
} if PY2 else {
    'ftw.monitor.instance.zserver': 'ZServer',
    'ftw.monitor.server.zcmonitor': 'zc.monitor',
}

COMPILE = """\
import sys
for name in sys.argv[1:]:
    with open(name, 'rb') as source:
        compile(source.read(), name, 'exec')
"""

IMPORT = """\
import sys
for name in sys.argv[1:]:
    try:
        __import__(name)
    except ImportError as error:
        print('%s %s' % (name, error))
"""


def run(*command):
    """Run *command* in the repository; return its exit status and output."""
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=dict(
            os.environ, PYTHONPATH=REPOSITORY, PYTHONDONTWRITEBYTECODE='1'))
    output, _ = process.communicate()
    return process.returncode, output.decode('utf-8')


def find_other_python():
    """The path of a Python of the other world that runs, or None."""
    if not PY2:
        status, output = run('sh', 'tools/find_python27.sh')
        return None if status else output.strip()
    for folder in os.environ['PATH'].split(os.pathsep):
        path = os.path.join(folder, 'python3')
        # What pyenv has on the PATH runs only if it is switched on.
        if os.access(path, os.X_OK) and run(path, '-c', '')[0] == 0:
            return path
    return None


OTHER_PYTHON = find_other_python()


def modules(*folders):
    """The paths of all modules in *folders*, relative to the repository."""
    return sorted(
        os.path.relpath(os.path.join(folder, name), REPOSITORY)
        for top in folders
        for folder, _, files in os.walk(os.path.join(REPOSITORY, top))
        for name in files if name.endswith('.py'))


class TestBothPythons(unittest.TestCase):

    @unittest.skipUnless(
        OTHER_PYTHON,
        'There is no %s here.' % ('python3' if PY2 else 'python2.7'))
    def test_every_module_compiles_with_the_other_python(self):
        names = modules('benchmarks', 'ftw', 'tests', 'tools')
        self.assertGreater(len(names), 60)
        self.assertEqual((0, u''), run(OTHER_PYTHON, '-c', COMPILE, *names))

    def test_every_module_is_imported_but_those_of_the_other_world(self):
        names = [path[:-len('.py')].replace(os.sep, '.')
                 for path in modules(os.path.join('ftw', 'monitor'))]
        self.assertGreater(len(names), 30)
        status, output = run(
            sys.executable, '-W', 'ignore', '-c', IMPORT, *names)
        self.assertEqual(0, status, output)
        self.assertEqual(
            sorted(NOT_IMPORTED),
            [line.split()[0] for line in output.splitlines()], output)
