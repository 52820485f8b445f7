"""What the functional tests have in common."""

from ftw.monitor.compat import PY2
from tests.functional.layers import ONE_SITE
from tests.functional.processes import Instance
import unittest


class FunctionalCase(unittest.TestCase):

    layer = ONE_SITE

    if PY2:
        assertRegex = unittest.TestCase.assertRegexpMatches

    def instance(self, **options):
        """An ``Instance`` with the site of the layer, until the test ends."""
        instance = Instance(self.layer.path, **options)
        self.addCleanup(instance.destroy)
        return instance
