"""What is installed: the requirements, and a part of the namespace ftw."""

from ftw.monitor.compat import PY2
from tests.functional.processes import REPOSITORY
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest


NATIVE = None
PKGUTIL = ('from pkgutil import extend_path\n'
           '__path__ = extend_path(__path__, __name__)\n')
PKG_RESOURCES = "__import__('pkg_resources').declare_namespace(__name__)\n"

#: Prints where the two packages come from.
WHERE = """\
import sys
# For Python 2, the site has one of its own, if the checkout is installed.
sys.modules.pop('ftw', None)
import ftw.monitor.address
import ftw.other
print(ftw.monitor.address.__file__)
print(ftw.other.__file__)
"""

#: The servers whose requirements belong to one of the worlds.
SERVERS = ('zc.monitor', 'zc.ngi', 'Zope2', 'Zope[wsgi]')


class SetupCase(unittest.TestCase):

    def setUp(self):
        self.directory = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def run_python(self, *args, **environ):
        """Run this Python; return what it prints."""
        process = subprocess.Popen(
            (sys.executable,) + args, cwd=environ.pop('cwd', '/'),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=dict(os.environ, PYTHONDONTWRITEBYTECODE='1', **environ))
        output, errors = process.communicate()
        self.assertEqual(0, process.returncode, errors)
        return output.decode('utf-8')

    def run_setup(self, *args):
        self.run_python('setup.py', '-q', *args, cwd=REPOSITORY)


class TestRequirements(SetupCase):

    def test_each_world_requires_its_own_server(self):
        self.run_setup('egg_info', '--egg-base', self.directory)
        with open(self.path('ftw.monitor.egg-info', 'requires.txt')) as found:
            required = [re.split('[ <>=]', line)[0] for line in
                        found.read().split('\n\n')[0].splitlines()]
        self.assertIn('zope.component', required)
        self.assertEqual(
            ['Zope2', 'zc.monitor', 'zc.ngi'] if PY2 else ['Zope[wsgi]'],
            sorted(name for name in required if name in SERVERS))
        # The plug-ins of zc.z3monitor are ours by now.
        self.assertEqual([], [name for name in required
                              if name.startswith(('zope.app.', 'zc.z3'))])


class TestTheNamespace(SetupCase):
    """Other packages of the namespace, before and behind this one."""

    def build(self):
        """The folder with what would be installed."""
        self.run_setup('build_py', '--build-lib', self.path('installed'))
        return self.path('installed')

    def other(self, init):
        """A folder with a package ``ftw.other``."""
        folder = tempfile.mkdtemp(dir=self.directory)
        os.makedirs(os.path.join(folder, 'ftw', 'other'))
        open(os.path.join(folder, 'ftw', 'other', '__init__.py'), 'w').close()
        if init is not NATIVE:
            with open(os.path.join(folder, 'ftw', '__init__.py'), 'w') as ftw:
                ftw.write(init)
        return folder

    def find(self, *folders):
        """The folders that the two packages are imported from."""
        # Without the site's own folders: the checkout may be one of them, and
        # its regular package would win. On Python 2 the first one wins, and
        # pkg_resources is among them.
        options = () if PY2 else ('-S',)
        output = self.run_python(
            *options + ('-c', WHERE), PYTHONPATH=os.pathsep.join(folders))
        return [os.path.dirname(os.path.dirname(os.path.dirname(path)))
                for path in output.splitlines()]

    def assertBothImported(self, init):
        for ours in (REPOSITORY, self.build()):
            other = self.other(init)
            self.assertEqual([ours, other], self.find(ours, other))
            self.assertEqual([ours, other], self.find(other, ours))

    @unittest.skipIf(PY2, 'Python 2 knows no native namespaces.')
    def test_another_package_with_a_native_namespace(self):
        self.assertBothImported(NATIVE)

    def test_another_package_in_the_style_of_pkgutil(self):
        self.assertBothImported(PKGUTIL)

    @unittest.skipUnless(
        PY2, 'This style makes ours a native one for Python 3.')
    def test_another_package_in_the_style_of_pkg_resources(self):
        self.assertBothImported(PKG_RESOURCES)

    def test_only_python_2_needs_a_module_for_the_namespace(self):
        init = os.path.join(self.build(), 'ftw', '__init__.py')
        self.assertEqual(PY2, os.path.exists(init))
