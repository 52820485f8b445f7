from ftw.monitor.checks import Check
from ftw.monitor.checks import error
from ftw.monitor.checks import ok
from ftw.monitor.checks import Result
from ftw.monitor.checks import warning
from ftw.monitor.interfaces import ICheck
from zope.interface.verify import verifyObject
import unittest


class TestTheResults(unittest.TestCase):

    def test_all_is_well(self):
        self.assertEqual(Result('ok', '', ''), ok())
        self.assertEqual(Result('ok', '3 of 4', ''), ok('3 of 4'))

    def test_something_should_be_seen_to(self):
        self.assertEqual(Result('warning', 'full', ''), warning('full'))
        self.assertEqual(
            Result('warning', 'full', '/var'), warning('full', '/var'))

    def test_visitors_cannot_be_served(self):
        self.assertEqual(Result('error', 'away', ''), error('away'))
        self.assertEqual(
            Result('error', 'away', '/var'), error('away', '/var'))


class TestACheckOfAnIntegrator(unittest.TestCase):

    def test_the_interface_is_kept(self):
        self.assertTrue(verifyObject(ICheck, Check()))

    def test_it_is_required_unless_it_says_otherwise(self):
        self.assertIs(True, Check().required)

    def test_one_that_does_not_check_is_named(self):

        class Solr(Check):
            """Its author has forgotten something."""

        with self.assertRaises(NotImplementedError) as caught:
            Solr().check()
        self.assertIn('Solr', str(caught.exception))
