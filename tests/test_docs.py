"""The guides, as a reader's browser gets them."""

from contextlib import closing
from docutils.core import publish_string
from ftw.monitor.interfaces import ICheck
from ftw.monitor.server.call import call
from tests.examples import example
from tests.functional.processes import REPOSITORY
from zope.component import getGlobalSiteManager
from zope.configuration import xmlconfig
import glob
import io
import os
import socket
import sys
import threading
import types
import unittest
import zope.component


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


class TestTheCheckInTheGuide(unittest.TestCase):

    def setUp(self):
        module = types.ModuleType('my_policy_checks')
        exec(example('from contextlib import closing', 'docs/health.rst'),
             vars(module))
        self.check_class = module.SolrCheck
        sys.modules['my_policy_checks'] = module
        self.addCleanup(sys.modules.pop, 'my_policy_checks')

    def answer_of(self, solr):
        """What the check finds out about a server that says *solr*."""
        with closing(socket.socket()) as listening:
            listening.bind(('127.0.0.1', 0))
            listening.listen(1)
            check = self.check_class()
            check.address = listening.getsockname()
            thread = threading.Thread(target=serve, args=(listening, solr))
            thread.start()
            try:
                return check.check()
            finally:
                thread.join()

    def test_it_is_registered_by_its_line(self):
        line = example(
            '<utility name="solr" factory="my.policy.checks.SolrCheck" />',
            'docs/health.rst')
        xmlconfig.string(
            '<configure xmlns="http://namespaces.zope.org/zope">%s'
            '</configure>' % line.replace('my.policy.', 'my_policy_'),
            xmlconfig.file('meta.zcml', zope.component))
        registry = getGlobalSiteManager()
        check = registry.getUtility(ICheck, 'solr')
        self.addCleanup(registry.unregisterUtility, check, ICheck, 'solr')
        self.assertIsInstance(check, self.check_class)
        self.assertFalse(check.required)

    def test_it_finds_a_server_that_answers(self):
        self.assertEqual(
            ('ok', 'answers', ''),
            tuple(self.answer_of(b'HTTP/1.1 200 Good\r\n\r\n')))

    def test_it_finds_a_server_that_cannot_search(self):
        self.assertEqual(
            ('error', 'cannot search'),
            self.answer_of(b'HTTP/1.1 503 No\r\n\r\n')[:2])

    def test_it_finds_that_there_is_no_server(self):
        with closing(socket.socket()) as unused:
            unused.bind(('127.0.0.1', 0))
            check = self.check_class()
            check.address = unused.getsockname()
            self.assertEqual(('error', 'does not answer'), check.check()[:2])


def serve(listening, answer):
    """Give *answer* to the next client of *listening*."""
    connection, _ = listening.accept()
    with closing(connection):
        connection.recv(1000)
        connection.sendall(answer)
