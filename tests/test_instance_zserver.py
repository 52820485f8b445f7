"""Plone 4.3: where ZServer listens, and what its publisher would do."""

from AccessControl.SecurityManagement import getSecurityManager
from AccessControl.SecurityManagement import setSecurityManager
from App.config import getConfiguration
from contextlib import closing
from ftw.monitor.compat import PY2
from tests.instance_options import DummyOptions
from tests.patch import patch
from tests.recorded_log import RecordedLog
from tests.warmup_case import Problem
from tests.warmup_case import WarmupCase
from tests.worlds import only_with_zserver
from tests.zope_conf import read_zope_conf
from zExceptions import BadRequest
from zExceptions import NotFound
from zExceptions import Redirect
from zExceptions import Unauthorized
from ZODB.POSException import ConflictError
from zope.component.hooks import getSite
from zope.component.hooks import setSite
from zope.globalrequest import getRequest
from zope.globalrequest import setRequest
from zope.security.management import endInteraction
from ZPublisher.interfaces import IPubAfterTraversal
from ZPublisher.interfaces import IPubBeforeCommit
from ZPublisher.interfaces import IPubEvent
from ZPublisher.interfaces import IPubFailure
from ZPublisher.interfaces import IPubStart
from ZPublisher.interfaces import IPubSuccess
import logging
import shutil
import socket
import tempfile
import transaction
import unittest


if PY2:
    from ftw.monitor.instance.zserver import accepts_without_workers
    from ftw.monitor.instance.zserver import call_in_other_workers
    from ftw.monitor.instance.zserver import configuration_file
    from ftw.monitor.instance.zserver import controlled_addresses
    from ftw.monitor.instance.zserver import detect
    from ftw.monitor.instance.zserver import new_request
    from ftw.monitor.instance.zserver import publish
    from ftw.monitor.instance.zserver import worker_threads
    from ftw.monitor.instance.zserver import workers
    from ZServer import PubCore
    from ZServer.HTTPServer import zhttp_server


EVENTS = (IPubStart, IPubAfterTraversal, IPubBeforeCommit, IPubSuccess,
          IPubFailure)

#: For servers that are never created.
ADDRESSES = {'HTTP': '127.0.0.1:8080', 'OTHER': '127.0.0.1:9090'}

HTTP = '<http-server>\n  address %(HTTP)s\n</http-server>\n'
OTHER_HTTP = '<http-server>\n  address %(OTHER)s\n</http-server>\n'
WEBDAV = ('<webdav-source-server>\n  address %(WEBDAV)s\n'
          '</webdav-source-server>\n')
FTP = '<ftp-server>\n  address %(FTP)s\n</ftp-server>\n'
ICP = '<icp-server>\n  address %(ICP)s\n</icp-server>\n'
CLOCK = ('<clock-server>\n  method /Plone/tick\n  period 3600\n'
         '</clock-server>\n')


def free_port():
    with closing(socket.socket()) as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class DummyRendezvous(object):
    """Where ZServer's workers wait for requests."""

    def __init__(self, busy, queue, ready):
        self._lists = busy, queue, ready

    def handle(self, *args):
        """What a request is given to."""


@only_with_zserver
class TestHowBusyTheWorkersAre(unittest.TestCase):

    def test_they_are_idle_before_the_first_request(self):
        patch(self, PubCore, '_handle', None)
        patch(self, getConfiguration(), 'zserver_threads', 3)
        self.assertEqual((0, 3, 0), tuple(workers()))

    def test_how_busy_they_are(self):
        for lists, expected in (
                (([], [], ['a', 'b']), (0, 2, 0)),
                ((['a'], [], ['b']), (1, 2, 0)),
                ((['a', 'b'], ['request'] * 7, []), (2, 2, 7))):
            patch(self, PubCore, '_handle', DummyRendezvous(*lists).handle)
            self.assertEqual(expected, tuple(workers()))

    def test_none_of_them_accepts_connections(self):
        self.assertTrue(accepts_without_workers())


@only_with_zserver
class TestTheServersOfAProcess(unittest.TestCase):

    def setUp(self):
        self.ports = dict((name, free_port()) for name in (
            'HTTP', 'OTHER', 'WEBDAV', 'FTP', 'ICP'))
        # The servers introduce themselves to whoever reads the screen.
        patch(self, zhttp_server, 'log_info', lambda *args: None)
        self.log = RecordedLog.installed(self, logging.INFO)

    def configure(self, *sections):
        """The factories of the servers in *sections* of a zope.conf."""
        text = ''.join(sections) % dict(
            (name, '127.0.0.1:%d' % port)
            for name, port in self.ports.items())
        self.configured = read_zope_conf(text).servers
        patch(self, getConfiguration(), 'servers', self.configured)

    def serve(self, *sections):
        """Have Zope run the servers in *sections* of its zope.conf."""
        self.configure(*sections)
        running = []
        for factory in self.configured:
            factory.prepare(module='Zope2')
            server = factory.create()
            self.addCleanup(server.close)
            running.append(server)
        getConfiguration().servers = running

    def assertServes(self, *names):
        serves, server, addresses = detect()
        self.assertIs(True, serves)
        self.assertEqual('ZServer', server)
        self.assertEqual(
            ['127.0.0.1:%d' % self.ports[name] for name in names],
            [str(address) for address in addresses])

    def test_the_http_server(self):
        self.serve(HTTP)
        self.assertServes('HTTP')
        self.assertEqual([], self.log.messages)

    def test_the_http_server_among_others(self):
        # WebDAV is HTTP, but no page comes from there.
        self.serve(FTP, ICP, WEBDAV, CLOCK, HTTP)
        self.assertServes('HTTP')
        self.assertEqual([], self.log.messages)

    def test_an_http_server_that_does_not_listen_before_zope_is_up(self):
        self.serve(HTTP.replace('\n</', '\n  fast-listen off\n</'))
        self.assertServes('HTTP')

    def test_the_first_of_several_http_servers(self):
        self.serve(WEBDAV, OTHER_HTTP, FTP, HTTP)
        self.assertServes('OTHER')
        self.assertEqual(
            [('INFO', 'There are 2 HTTP servers. The monitor goes by the'
                      ' first one, 127.0.0.1:%d.' % self.ports['OTHER'])],
            self.log.messages)

    def test_an_http_server_on_all_addresses(self):
        self.serve(HTTP.replace('%(HTTP)s', str(self.ports['HTTP'])))
        serves, _, addresses = detect()
        self.assertIs(True, serves)
        self.assertEqual(['0.0.0.0:%d' % self.ports['HTTP']],
                         [str(address) for address in addresses])

    def test_none_that_serves_http(self):
        self.serve(FTP, WEBDAV)
        self.assertEqual(
            (True, 'ZServer without an <http-server>', []), detect())

    def test_a_script_has_only_their_configuration(self):
        # As bin/instance run and debug: nothing of it was created.
        self.configure(FTP, HTTP)
        self.assertEqual((None, 'no ZServer', None), detect())

    def test_a_process_without_servers(self):
        self.configure()
        self.assertEqual((None, 'no ZServer', None), detect())

    def test_a_process_whose_configuration_knows_no_servers(self):
        # That of a test runner.
        self.assertNotIn('servers', vars(getConfiguration()))
        self.assertEqual((None, 'no ZServer', None), detect())


@only_with_zserver
class TestTheWorkers(unittest.TestCase):

    def test_as_many_as_zope_conf_says(self):
        patch(self, getConfiguration(), 'zserver_threads',
              read_zope_conf('zserver-threads 7\n').zserver_threads)
        self.assertEqual(7, worker_threads())

    def test_nothing_is_done_in_each_of_them(self):
        patch(self, getConfiguration(), 'zserver_threads', 7)
        self.assertEqual(0, call_in_other_workers(self.fail))


@only_with_zserver
class TestWhereAnInstanceListensThatIsControlled(unittest.TestCase):

    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)

    def assertListens(self, expected, *lines):
        options = DummyOptions(self.directory)
        options.configroot = read_zope_conf(''.join(lines) % {
            'HTTP': '8080', 'OTHER': '127.0.0.1:9090',
            'WEBDAV': '1980', 'FTP': '8021', 'ICP': '8888'})
        self.assertEqual(
            expected,
            [str(address) for address in controlled_addresses(options)])

    def test_where_the_http_server_does(self):
        self.assertListens(['*:8080'], HTTP)

    def test_on_the_host_of_the_http_server(self):
        self.assertListens(['127.0.0.1:9090'], OTHER_HTTP)

    def test_on_the_ip_address_that_is_for_all_servers(self):
        self.assertListens(['127.0.0.2:8080'], 'ip-address 127.0.0.2\n', HTTP)
        self.assertListens(
            ['127.0.0.1:9090'], 'ip-address 127.0.0.2\n', OTHER_HTTP)

    def test_further_by_the_port_base(self):
        self.assertListens(['*:8180'], 'port-base 100\n', HTTP)

    def test_where_the_first_of_several_does(self):
        self.assertListens(['127.0.0.1:9090'], OTHER_HTTP, HTTP)
        self.assertListens(['*:8080'], HTTP, OTHER_HTTP)

    def test_another_server_before_it_is_skipped(self):
        self.assertListens(['*:8080'], WEBDAV, FTP, ICP, CLOCK, HTTP)

    def test_nowhere_without_an_http_server(self):
        self.assertListens([])
        self.assertListens([], FTP, WEBDAV)

    def test_the_file_that_says_so(self):
        options = DummyOptions(self.directory)
        self.assertEqual(options.configfile, configuration_file(options))


@only_with_zserver
class TestPublishing(WarmupCase):

    def setUp(self):
        super(TestPublishing, self).setUp()
        # Publishing changes these.
        self.addCleanup(setSecurityManager, getSecurityManager())
        self.addCleanup(setSite, getSite())
        self.addCleanup(setRequest, getRequest())
        endInteraction()
        self.events = []
        self.register_handler(self.events.append, IPubEvent)

    def page(self, action):
        """Let *action*, called with (site, request), be the page."""
        self.register_page('page', action)

    def publish(self, path='/plone/@@page'):
        return self.publish_from(self.app, path)

    def publish_from(self, app, path='/plone/@@page'):
        request = new_request(path)
        self.addCleanup(request.close)
        try:
            return publish(request, app)
        finally:
            endInteraction()

    def raising(self, error):

        def page(context, request):
            raise error

        self.page(page)

    def notified(self):
        """The interfaces of the events, in order."""
        return [interface for event in self.events for interface in EVENTS
                if interface.providedBy(event)]

    def test_a_page(self):
        self.page(lambda context, request: 'Hello')
        response = self.publish()
        self.assertEqual(200, response.getStatus())
        self.assertEqual('Hello', response.body)

    def test_a_page_that_answers_with_a_status_of_its_own(self):

        def page(context, request):
            request.response.setStatus(503)
            return 'Later'

        self.page(page)
        self.assertEqual(503, self.publish().getStatus())

    def test_a_redirect_that_is_returned(self):
        self.page(lambda context, request:
                  request.response.redirect('http://localhost/there'))
        response = self.publish()
        self.assertEqual(302, response.getStatus())
        self.assertEqual('http://localhost/there',
                         response.getHeader('Location'))

    def test_a_redirect_that_is_raised(self):
        self.raising(Redirect('http://localhost/there'))
        response = self.publish()
        self.assertEqual(302, response.getStatus())
        self.assertEqual('http://localhost/there',
                         response.getHeader('Location'))

    def test_what_is_not_there(self):
        self.assertEqual(404, self.publish('/plone/nowhere').getStatus())
        self.raising(NotFound('page'))
        self.assertEqual(404, self.publish().getStatus())

    def test_what_a_visitor_may_not_see(self):
        self.assertEqual(401, self.publish('/manage_main').getStatus())
        self.raising(Unauthorized('page'))
        self.assertEqual(401, self.publish().getStatus())

    def test_what_a_visitor_has_asked_wrongly(self):
        self.raising(BadRequest('page'))
        self.assertEqual(400, self.publish().getStatus())

    def test_a_page_that_fails_raises_what_it_has_raised(self):
        self.raising(Problem('no more tea'))
        with self.assertRaises(Problem) as caught:
            self.publish()
        self.assertEqual('no more tea', str(caught.exception))

    def test_a_page_that_fails_is_raised_whatever_handles_the_event(self):

        def handle(event):
            try:
                raise KeyError('handled')
            except KeyError:
                pass

        self.register_handler(handle, IPubFailure)
        self.raising(Problem('no more tea'))
        self.assertRaises(Problem, self.publish)

    def test_a_conflict_is_raised(self):
        self.raising(ConflictError())
        self.assertRaises(ConflictError, self.publish)

    def test_the_events_of_a_page(self):
        self.page(lambda context, request: 'Hello')
        self.publish()
        self.assertEqual(
            [IPubStart, IPubAfterTraversal, IPubBeforeCommit, IPubSuccess],
            self.notified())

    def test_the_events_of_a_page_that_fails(self):
        self.raising(Problem('no more tea'))
        self.assertRaises(Problem, self.publish)
        self.assertEqual(
            [IPubStart, IPubAfterTraversal, IPubFailure], self.notified())
        failure = self.events[-1]
        self.assertIs(Problem, failure.exc_info[0])
        self.assertFalse(failure.retry)

    def test_the_events_of_a_page_that_is_not_there(self):
        self.publish('/plone/nowhere')
        self.assertEqual([IPubStart, IPubFailure], self.notified())

    def test_nothing_is_committed(self):
        title = self.portal.title

        def page(context, request):
            context.title = u'Changed'
            return 'Hello'

        self.page(page)
        self.publish()
        transaction.commit()
        self.assertEqual(title, self.portal.title)
        self.assertEqual(title, self.stored_title())

    def test_nothing_is_committed_of_a_page_that_fails(self):
        title = self.portal.title

        def page(context, request):
            context.title = u'Changed'
            raise Problem('no more tea')

        self.page(page)
        self.assertRaises(Problem, self.publish)
        transaction.commit()
        self.assertEqual(title, self.stored_title())

    def test_the_connection_is_that_of_the_application_root(self):
        app = self.open().root()['Application']
        connections = []
        self.page(lambda context, request:
                  connections.append(context._p_jar))
        self.publish_from(app)
        self.assertEqual([app._p_jar], connections)
