"""The request of a warm-up's visitor, with ZServer and with WSGI."""

from ftw.monitor.instance import new_request
from ftw.monitor.instance.visitor import is_our_visit
import unittest


class TestVisitor(unittest.TestCase):

    def request(self, *args):
        request = new_request(*args)
        self.addCleanup(request.close)
        request.processInputs()
        return request

    def test_he_comes_to_localhost_for_a_page(self):
        request = self.request('/plone/news')
        self.assertEqual('http://localhost', request['SERVER_URL'])
        self.assertEqual('/plone/news', request['PATH_INFO'])
        self.assertEqual({}, request.form)
        self.assertEqual('text/html', request.get_header('Accept'))

    def test_he_comes_to_any_host_and_port(self):
        for host, port in (('www.example.org', '80'),
                           ('www.example.org:8080', '8080'),
                           ('[::1]', '80'),
                           ('[::1]:8080', '8080')):
            request = self.request('/plone', host)
            self.assertEqual('http://' + host, request['SERVER_URL'])
            self.assertEqual(host, request['HTTP_HOST'])
            self.assertEqual(port, request['SERVER_PORT'])

    def test_he_asks_a_question(self):
        request = self.request('/plone/@@search?SearchableText=tea+time&b=1')
        self.assertEqual('/plone/@@search', request['PATH_INFO'])
        self.assertEqual({'SearchableText': 'tea time', 'b': '1'},
                         request.form)

    def test_he_wants_another_format(self):
        request = self.request('/plone', 'localhost', 'application/json')
        self.assertEqual('application/json', request.get_header('Accept'))

    def test_he_is_known_as_one_of_us(self):
        request = self.request('/plone')
        self.assertTrue(is_our_visit(request))
        request.environ['HTTP_USER_AGENT'] = 'Mozilla/5.0'
        self.assertFalse(is_our_visit(request))
        del request.environ['HTTP_USER_AGENT']
        self.assertFalse(is_our_visit(request))
