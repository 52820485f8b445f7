"""The options of ``bin/instance``, as far as they matter."""

from ftw.monitor.compat import PY2
from tests.zope_conf import read_zope_conf
import os


class DummyConfigRoot(object):
    """What is in zope.conf."""

    def __init__(self, environment):
        self.environment = environment


class DummyOptions(object):
    """An instance in *directory*.

    :param http: where it serves HTTP, as text; None: on no port.
    :param environment: dict, the ``<environment>`` in its zope.conf.
    """

    def __init__(self, directory, http=None, environment=None):
        if PY2:
            self.configfile = os.path.join(directory, 'zope.conf')
            self.configroot = read_zope_conf(
                '<http-server>\n  address %s\n</http-server>\n' % http
                if http else '')
            self.configroot.environment = environment
        else:
            self.wsgi = os.path.join(directory, 'wsgi.ini')
            with open(self.wsgi, 'w') as ini:
                ini.write('[server:main]\nuse = egg:waitress#main\n%s\n' % (
                    'listen = ' + http if http
                    else 'unix_socket = /run/http'))
            self.configroot = DummyConfigRoot(environment)
