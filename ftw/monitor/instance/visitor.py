"""Who visits during a warm-up, for both kinds of request."""

from ftw.monitor.compat import path_info
import re


USER_AGENT = 'ftw.monitor'

#: A name, an IPv4 address or an IPv6 address in brackets, and maybe a port.
HOST = re.compile(r'(.*?)(?::(\d+))?$')


def environ_of_visitor(path, host, accept):
    """The CGI environment of an anonymous visitor.

    :param path: what is visited, quoted or not, with a query string if there
        is one.
    :param host: the Host header. A name, best: plone.app.theming switches
        itself off for 127.0.0.1.
    :param accept: the Accept header.
    """
    path, _, query = path.partition('?')
    name, port = HOST.match(host).groups()
    return {
        'HTTP_ACCEPT': accept,
        'HTTP_HOST': host,
        'HTTP_USER_AGENT': USER_AGENT,
        'PATH_INFO': path_info(path),
        'QUERY_STRING': query,
        'REMOTE_ADDR': '127.0.0.1',
        'REQUEST_METHOD': 'GET',
        'SCRIPT_NAME': '',
        'SERVER_NAME': name,
        'SERVER_PORT': port or '80',
        'SERVER_PROTOCOL': 'HTTP/1.1',
    }


def is_our_visit(request):
    """Whether *request* is one of the warm-up."""
    return request.environ.get('HTTP_USER_AGENT') == USER_AGENT
