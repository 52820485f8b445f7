"""Who visits during a warm-up, for both kinds of request."""


def environ_of_visitor(path):
    """The CGI environment of an anonymous visitor who comes for *path*.

    Its host is a name, since plone.app.theming switches itself off for
    127.0.0.1.
    """
    return {
        'HTTP_ACCEPT': 'text/html',
        'HTTP_HOST': 'localhost',
        'HTTP_USER_AGENT': 'ftw.monitor',
        'PATH_INFO': path,
        'QUERY_STRING': '',
        'REMOTE_ADDR': '127.0.0.1',
        'REQUEST_METHOD': 'GET',
        'SCRIPT_NAME': '',
        'SERVER_NAME': 'localhost',
        'SERVER_PORT': '80',
        'SERVER_PROTOCOL': 'HTTP/1.1',
    }
