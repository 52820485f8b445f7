"""Real processes for the tests: Zope instances, a ZEO server, HAProxy.

All of them listen on loopback, on free ports, and end with the test.
"""

from contextlib import closing
from ftw.monitor.compat import PY2
from tests.foreground import begin_session
from tests.functional.configuration import FAST_LISTEN
from tests.functional.configuration import FILE_STORAGE
from tests.functional.configuration import files_of_instance
from tests.functional.configuration import ZEO_CONF
from tests.functional.configuration import ZEO_STORAGE
from tests.functional.configuration import ZEO_STORAGE_IMPATIENT
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time


try:
    from urllib.request import build_opener
    from urllib.request import HTTPError
    from urllib.request import ProxyHandler
except ImportError:
    # Python 2
    from urllib2 import build_opener
    from urllib2 import HTTPError
    from urllib2 import ProxyHandler


REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))

#: The folder of the buildout.
BUILDOUT = os.path.join(REPOSITORY, 'plone43') if PY2 else REPOSITORY

#: Compiled page templates: they would take a second of every boot.
TEMPLATE_CACHE = os.path.join(BUILDOUT, 'var', 'cache')

#: Where the scripts of the packages are: runwsgi, runzeo, zconsole.
SCRIPTS = os.path.dirname(sys.executable)

#: Seconds. For things that take a moment; a test that meets it has failed.
DEADLINE = 90

REFUSED = 'refused'


def find_program(name):
    """The path of a program, or None. Daemons live beyond a user's PATH."""
    for folder in os.environ['PATH'].split(os.pathsep) + ['/usr/sbin']:
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK):
            return path
    return None


HAPROXY = find_program('haproxy')

NC = find_program('nc')


def wait_until(condition, what, deadline=DEADLINE):
    """Poll until *condition* is true, and return what it returned."""
    end = time.time() + deadline
    while True:
        result = condition()
        if result:
            return result
        if time.time() > end:
            what = what() if callable(what) else what
            raise AssertionError('not within %s s: %s' % (deadline, what))
        time.sleep(0.02)


def free_port(host='127.0.0.1'):
    """A port of *host* that is free, and free 80 ports further, too."""
    while True:
        with closing(socket.socket()) as first:
            first.bind((host, 0))
            port = first.getsockname()[1]
            if port + 80 > 65535:
                continue
            with closing(socket.socket()) as second:
                try:
                    second.bind((host, port + 80))
                except socket.error:
                    continue
                return port


def listens(port):
    """Whether somebody accepts connections on *port*."""
    with closing(socket.socket()) as connection:
        return connection.connect_ex(('127.0.0.1', port)) == 0


def say(address, line, timeout=10):
    """Send *line* to the monitor at *address*; return the whole answer.

    ``REFUSED`` if nobody listens. *address* is (host, port) or a path.
    """
    family = (socket.AF_UNIX if isinstance(address, str)
              else socket.AF_INET6 if ':' in address[0] else socket.AF_INET)
    with closing(socket.socket(family, socket.SOCK_STREAM)) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(address)
        except socket.error:
            return REFUSED
        connection.sendall(line.encode('utf-8') + b'\r\n')
        answer = b''
        while True:
            data = connection.recv(65536)
            if not data:
                return answer.decode('utf-8')
            answer += data


class Process(object):
    """A child process with its own folder, and all that it starts itself."""

    def __init__(self):
        # Short, since the path of a UNIX socket has to be.
        self.home = tempfile.mkdtemp(prefix='ftwm-')
        self.process = None

    def path(self, *names):
        return os.path.join(self.home, *names)

    def write(self, name, text):
        """Write *text* to the file *name* in the folder; return its path."""
        path = self.path(*name.split('/'))
        if not os.path.isdir(os.path.dirname(path)):
            os.makedirs(os.path.dirname(path))
        with open(path, 'w') as target:
            target.write(text)
        return path

    def read(self, name):
        try:
            with open(self.path(*name.split('/'))) as source:
                return source.read()
        except IOError:
            return ''

    def spawn(self, command, environ=None, output='output.log'):
        environment = dict(os.environ, **(environ or {}))
        with open(self.path(output), 'ab') as target:
            with open(os.devnull) as nothing:
                self.process = subprocess.Popen(
                    command, stdin=nothing, stdout=target,
                    stderr=subprocess.STDOUT, cwd=self.home, env=environment,
                    preexec_fn=begin_session)

    def send(self, number):
        """Send a signal to the process and all that it has started."""
        try:
            os.killpg(self.process.pid, number)
        except OSError:
            # All of them have ended.
            pass

    def kill(self):
        """End it at once, as a power failure would."""
        if self.process is not None:
            self.send(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def destroy(self):
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)


class Instance(Process):
    """A Zope instance, configured as the buildout of this repository does it.

    :ivar host, port: where it serves HTTP; the monitor is 80 ports further.
    """

    name = 'instance'

    def __init__(self, data=None, host='127.0.0.1', port=None, name=None,
                 server=None, threads=4, storage=None, environment=None,
                 zope_conf=''):
        super(Instance, self).__init__()
        self.name = name or self.name
        self.host = host
        self.port = port or free_port(host)
        self.log_name = 'var/log/instance.log'
        for folder in ('var/log', 'var/filestorage', 'var/blobstorage'):
            os.makedirs(self.path(*folder.split('/')))
        if not os.path.isdir(TEMPLATE_CACHE):
            os.makedirs(TEMPLATE_CACHE)
        if data:
            shutil.copy(data, self.path('var', 'filestorage', 'Data.fs'))
        self._copy_recipe_files()
        for path, text in files_of_instance(
                self.home, self.path('parts', self.name), TEMPLATE_CACHE,
                server or FAST_LISTEN, self.host, self.port, threads,
                storage or FILE_STORAGE, environment or {},
                zope_conf).items():
            self.write(os.path.relpath(path, self.home), text)

    def part(self, name):
        return 'parts/%s/%s' % (self.name, name)

    def _copy_recipe_files(self):
        """Take what plone.recipe.zope2instance has made, with our paths."""
        here = self.path('parts', self.name)
        for source, target in (
                ('bin/instance', 'bin/instance'),
                ('parts/instance/bin/interpreter', self.part(
                    'bin/interpreter')),
                ('parts/instance/etc/site.zcml', self.part('etc/site.zcml'))):
            with open(os.path.join(BUILDOUT, *source.split('/'))) as made:
                text = made.read().replace(
                    os.path.join(BUILDOUT, 'parts', 'instance'), here)
            os.chmod(self.write(target, text), 0o755)

    # -- what is in it

    def add_package(self, source, zcml='', overrides=''):
        """Add a Python module ``visitors`` and the ZCML for it."""
        self.write('lib/visitors.py', source)
        for kind, text in (('configure', zcml), ('overrides', overrides)):
            if text:
                self.write(self.part(
                    'etc/package-includes/001-visitors-%s.zcml' % kind),
                    ZCML % text)

    # -- its life

    @property
    def monitor(self):
        """The address of the monitor."""
        return self.host, self.port + 80

    def ctl(self, *words):
        """The command line of ``bin/instance``."""
        return self.script(self.path('bin', 'instance'), *words)

    @staticmethod
    def script(path, *words):
        """The command line of a Python script that starts Zope."""
        command = [sys.executable, path] + list(words)
        if PY2:
            # Zope 2.13 does not serve as root.
            command[:0] = ['sh', os.path.join(
                REPOSITORY, 'tools', 'unprivileged.sh')]
        return command

    def wsgi_ini(self):
        return self.path(*self.part('etc/wsgi.ini').split('/'))

    def zope_conf(self):
        return self.path(*self.part('etc/zope.conf').split('/'))

    def start(self, command=None, environ=None):
        """Start it, by default by ``bin/instance console``."""
        environment = {'PYTHONPATH': self.path('lib')}
        environment.update(environ or {})
        self.spawn(command or self.ctl('console'), environment)
        return self

    def run(self, command, environ=None, stdin=''):
        """Run *command* to its end: (exit status, stdout, stderr)."""
        environment = dict(os.environ, PYTHONPATH=self.path('lib'),
                           **(environ or {}))
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, cwd=self.home, env=environment)
        output, errors = process.communicate(stdin.encode('utf-8'))
        return (process.returncode, output.decode('utf-8'),
                errors.decode('utf-8'))

    # -- what others see of it

    def log(self):
        """Its event log, and what it printed."""
        return self.read(self.log_name) + self.read('output.log')

    def say(self, line, timeout=10):
        return say(self.monitor, line, timeout)

    def health(self):
        """The verdict, or ``REFUSED``."""
        return self.say('health_check').rstrip('\n')

    def wait_for_health(self, verdict, deadline=DEADLINE):
        """Poll until the verdict is *verdict*; return all there were."""
        seen = []

        def look():
            if self.process.poll():
                raise AssertionError('The instance has ended:\n' + self.log())
            health = self.health()
            if not seen or seen[-1] != health:
                seen.append(health)
            return health == verdict

        wait_until(look, lambda: '%r; seen %r\n%s' % (
            verdict, seen, self.log()[-8000:]), deadline)
        return seen

    def wait_for_log(self, text, deadline=DEADLINE):
        """Poll until *text* is in the log; return its line."""
        wait_until(lambda: text in self.log(), lambda: '%r in the log:\n%s' % (
            text, self.log()[-8000:]), deadline)
        return [line for line in self.log().splitlines() if text in line][0]

    def get(self, path='/', timeout=DEADLINE):
        """(status, body) of a page, past every proxy setting."""
        url = 'http://%s:%d%s' % (self.host, self.port, path)
        try:
            with closing(build_opener(ProxyHandler({})).open(
                    url, timeout=timeout)) as response:
                return response.getcode(), response.read().decode(
                    'utf-8', 'replace')
        except HTTPError as error:
            return error.code, error.read().decode('utf-8')

    def wait_for_http(self):
        def serves():
            try:
                return self.get('/')
            except EnvironmentError:
                return None

        return wait_until(serves, lambda: 'HTTP\n' + self.log()[-8000:])


class ZEOServer(Process):
    """A ZEO server with a copy of *data*, on a port that it keeps."""

    def __init__(self, data):
        super(ZEOServer, self).__init__()
        self.port = free_port()
        os.makedirs(self.path('blobs'))
        shutil.copy(data, self.path('Data.fs'))
        self.write('zeo.conf', ZEO_CONF % {
            'port': self.port, 'home': self.home})

    @property
    def storage(self):
        """The storage section of an instance."""
        return ZEO_STORAGE % {'port': self.port}

    @property
    def impatient_storage(self):
        """The same, but it does not wait long for a server that is lost."""
        return ZEO_STORAGE_IMPATIENT % {'port': self.port}

    def start(self):
        self.spawn([os.path.join(SCRIPTS, 'runzeo'),
                    '-C', self.path('zeo.conf')])
        wait_until(lambda: listens(self.port),
                   lambda: 'ZEO\n' + self.read('output.log'))
        return self


class HAProxy(Process):
    """HAProxy with a configuration; its runtime API tells states."""

    def __init__(self, configuration):
        super(HAProxy, self).__init__()
        self.socket = self.path('stats')
        self.write('haproxy.cfg', HAPROXY_CFG % {
            'socket': self.socket} + configuration)

    def start(self):
        self.spawn([HAPROXY, '-db', '-f', self.path('haproxy.cfg')])
        wait_until(lambda: os.path.exists(self.socket),
                   lambda: 'HAProxy\n' + self.read('output.log'))
        return self

    def server_states(self):
        """{name: 'UP', 'DOWN', ...} of all servers, by their first word."""
        rows = [line.split(',') for line in
                say(self.socket, 'show stat').splitlines()
                if line and not line.startswith('#')]
        # Columns as in section 9.1 of HAProxy's management guide.
        return {row[1]: row[17].split(' ')[0] for row in rows
                if row[1] not in ('FRONTEND', 'BACKEND')}

    def wait_for_state(self, name, state, deadline=DEADLINE):
        wait_until(lambda: self.server_states().get(name) == state,
                   lambda: '%s is %s, but %r' % (
                       name, state, self.server_states()), deadline)


HAPROXY_CFG = """\
global
    stats socket %(socket)s mode 600 level admin

defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout check 5s

"""

ZCML = """\
<configure
    xmlns="http://namespaces.zope.org/zope"
    xmlns:browser="http://namespaces.zope.org/browser">
%s
</configure>
"""
