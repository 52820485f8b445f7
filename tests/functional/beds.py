"""An instance for each kind of storage, and how to hurt it.

A *bed* is an instance that is up, and what it stands on. Its faults are a
table: what is done, how it is undone, and the verdict in between.
"""

from collections import namedtuple
from ftw.monitor.compat import PY2
from tests.functional.configuration import FILE_STORAGE
from tests.functional.configuration import ZEO_STORAGE_IMPATIENT
from tests.functional.postgresql import FOLDER as POSTGRESQL
from tests.functional.postgresql import PostgreSQL
from tests.functional.processes import free_port
from tests.functional.processes import HAPROXY
from tests.functional.processes import HAProxy
from tests.functional.processes import Instance
from tests.functional.processes import wait_until
from tests.functional.processes import ZEOServer
from tests.functional.proxy import Proxy
import os
import re
import shutil
import signal
import threading
import time


class Fault(namedtuple('Fault', 'name begin end verdict')):
    """Something that goes wrong.

    :ivar begin: what does it: called with the bed.
    :ivar end: what undoes it, the same way.
    :ivar verdict: a regular expression for the verdict meanwhile; None if it
        has to stay ``OK``.
    """

    __slots__ = ()


class Bed(object):
    """What all of them have.

    :param data: a Data.fs with a Plone site.
    :cvar name: what it stands on, for tables.
    :cvar faults: what can be done to it.
    """

    threads = 2

    #: How many visitors may get an error after a fault has ended.
    unlucky = 0

    def __init__(self, data):
        self.data = data
        self._visitors = []
        self.haproxy = None
        self.instance = self.make_instance()
        try:
            self._start()
        except Exception:
            self.destroy()
            raise

    def _start(self):
        self.instance.add_package(VISITORS, VISITORS_ZCML)
        self.instance.start(environ={'TEST_HOME': self.instance.home})
        if HAPROXY:
            self.haproxy = HAProxy(HAPROXY_CHECK % {
                'frontend': free_port(), 'port': self.instance.port,
                'monitor': self.instance.port + 80})
            self.haproxy.start()
        self.instance.wait_for_health('OK')

    def make_instance(self):
        """The ``Instance``, not yet started."""
        raise NotImplementedError

    def new_instance(self, storage, zope_conf='', **environment):
        """An ``Instance`` of this bed."""
        environment = dict(('FTW_MONITOR_' + name, value)
                           for name, value in environment.items())
        return Instance(storage=storage, threads=self.threads,
                        environment=environment, zope_conf=zope_conf,
                        data=self.data if storage is FILE_STORAGE else None)

    def destroy(self):
        """End all of it."""
        self.instance.destroy()
        if self.haproxy is not None:
            self.haproxy.destroy()
        self.join_visitors()

    def wait_for_checks(self):
        """Wait until each check that is asked often has a new result."""
        began = time.time()
        wait_until(
            lambda: all(self.age_of(name) < time.time() - began
                        for name in ('http', 'workers', 'external')),
            self.checks)

    def checks(self):
        """What the command ``checks`` says."""
        return self.instance.say('checks')

    def age_of(self, name):
        """How many seconds old the result of a check is."""
        for line in self.checks().splitlines():
            words = line.split()
            if words[0] == name:
                return float(words[2])
        raise AssertionError('There is no check %s.' % name)

    # -- visitors that stay

    def hold(self, count):
        """Have *count* visitors whose pages do not end before ``let_go()``."""
        self._visitors = [threading.Thread(
            target=self.instance.get, args=('/@@hold',))
            for _ in range(count)]
        for visitor in self._visitors:
            visitor.daemon = True
            visitor.start()
        wait_until(lambda: len(self.instance.read('held')) == count,
                   self.instance.log)

    def let_go(self):
        """Let the pages of all visitors end."""
        self.instance.write('gate', '')
        self.join_visitors()
        for name in ('gate', 'held'):
            os.unlink(self.instance.path(name))

    def join_visitors(self):
        """Wait until all visitors have gone."""
        for visitor in self._visitors:
            visitor.join()

    # -- the thread that accepts visitors

    def block_main_thread(self):
        """Nobody is accepted any more."""
        os.kill(int(self.instance.read('pid')), signal.SIGUSR1)
        wait_until(lambda: self.instance.read('blocked'), self.instance.log)

    def release_main_thread(self):
        """It goes on."""
        self.instance.write('unblock', '')
        wait_until(lambda: not self.instance.read('blocked'),
                   self.instance.log)
        os.unlink(self.instance.path('unblock'))

    # -- the check of the package ``visitors``

    def tell_check(self, what):
        """Let the check ``external`` do *what*."""
        self.instance.write('external', what)


def telling(what):
    """What has the external check do *what*."""
    return lambda bed: bed.tell_check(what)


def moving(path, target):
    """What moves a file in the instance's folder."""
    return lambda bed: os.rename(bed.instance.path(*path.split('/')),
                                 bed.instance.path(*target.split('/')))


def cut(bed):
    """Let the network be gone, and say so."""
    bed.proxy.refuse()
    bed.proxy.cut()


class FileStorageBed(Bed):
    """An instance with a FileStorage."""

    name = 'FileStorage'

    def make_instance(self):
        return self.new_instance(FILE_STORAGE, STUCK_AFTER='2')

    def replace_file(self):
        """Put another file in its place, as who restores a backup."""
        path = self.instance.path('var', 'filestorage', 'Data.fs')
        os.link(path, path + '.kept')
        shutil.copy(path, path + '.new')
        os.rename(path + '.new', path)

    faults = (
        Fault('file removed',
              moving('var/filestorage/Data.fs', 'var/Data.fs.away'),
              moving('var/Data.fs.away', 'var/filestorage/Data.fs'),
              r"Error: Database 'main' has lost its file \(No such file or"
              r" directory\)\."),
        Fault('file replaced', replace_file,
              moving('var/filestorage/Data.fs.kept',
                     'var/filestorage/Data.fs'),
              r"Error: Database 'main' has another file than the one that is"
              r" open\."),
        Fault('folder for blobs removed',
              moving('var/blobstorage', 'var/blobs.away'),
              moving('var/blobs.away', 'var/blobstorage'),
              r"Error: Database 'main' has lost its folder for blobs\."),
        Fault('one of two workers stuck', lambda bed: bed.hold(1),
              Bed.let_go, None),
        Fault('all workers stuck', lambda bed: bed.hold(2), Bed.let_go,
              r'Error: workers: all 2 workers have been stuck for \d+ s'),
        Fault('HTTP port does not accept', Bed.block_main_thread,
              Bed.release_main_thread,
              r'Error: http: 127\.0\.0\.1:\d+ has not accepted a connection'
              r' within 2 s'),
        Fault('required check fails', telling('fail'), telling(''),
              'Error: external: out of order'),
        Fault('required check raises', telling('raise'), telling(''),
              'Error: external: ValueError: out of order'),
        Fault('required check hangs', telling('hang'), telling(''),
              r'Error: external: has not returned for \d+ s'),
        Fault('required check warns', telling('warn'), telling(''), None),
        Fault('other check fails', telling('other'), telling(''), None),
    )


DISCONNECTED = r"Error: Database 'main' disconnected\."

NO_ANSWER = r"Error: Database 'main' did not answer within 2 s\."


class ZEOBed(Bed):
    """An instance with two databases, of a ZEO server each; the way to that
    of the main database can be cut."""

    name = 'ZEO'

    def make_instance(self):
        self.zeo = ZEOServer(self.data).start()
        self.other = ZEOServer(self.data).start()
        self.proxy = Proxy(self.zeo.port)
        return self.new_instance(
            ZEO_STORAGE_IMPATIENT % {'port': self.proxy.port},
            OTHER_DATABASE % (ZEO_STORAGE_IMPATIENT % {
                'port': self.other.port}))

    def destroy(self):
        super(ZEOBed, self).destroy()
        self.proxy.close()
        self.zeo.destroy()
        self.other.destroy()

    def stop(self):
        """The server hangs."""
        self.zeo.send(signal.SIGSTOP)

    def go_on(self):
        """It goes on."""
        self.zeo.send(signal.SIGCONT)

    def kill_while_it_hangs(self):
        """It hangs, and that was seen, when it is killed."""
        self.stop()
        wait_until(lambda: re.match(NO_ANSWER, self.instance.health()),
                   self.instance.log)
        self.zeo.kill()

    def stall(self):
        """It hangs, but not for as long as the check waits."""
        self.stop()
        # The check is asked every half second: now it waits.
        wait_until(lambda: self.age_of('database:main') > 0.6, self.checks)
        self.go_on()

    faults = (
        Fault('server killed', lambda bed: bed.zeo.kill(),
              lambda bed: bed.zeo.start(), DISCONNECTED),
        Fault('server hangs', stop, go_on, NO_ANSWER),
        Fault('server hangs for a moment', stall, go_on, None),
        Fault('server hangs, then killed', kill_while_it_hangs,
              lambda bed: bed.zeo.start(), DISCONNECTED),
        Fault('network drops packets', lambda bed: bed.proxy.hold(),
              lambda bed: bed.proxy.release(), NO_ANSWER),
        Fault('connection reset and refused', cut,
              lambda bed: bed.proxy.accept(), DISCONNECTED),
        Fault('server of a mounted database killed',
              lambda bed: bed.other.kill(), lambda bed: bed.other.start(),
              r"Error: Database 'other' disconnected\."),
        Fault('server of a mounted database hangs',
              lambda bed: bed.other.send(signal.SIGSTOP),
              lambda bed: bed.other.send(signal.SIGCONT),
              r"Error: Database 'other' did not answer within 2 s\."),
    )


class RelStorageBed(Bed):
    """An instance with a RelStorage in PostgreSQL; the way to it can be
    cut."""

    name = 'RelStorage'

    # If PostgreSQL crashes, psycopg2 raises what RelStorage does not take for
    # the end of a connection, once for each of them.
    unlucky = Bed.threads

    def make_instance(self):
        self.server = PostgreSQL().start()
        self.server.fill(self.data)
        self.proxy = Proxy(self.server.port)
        return self.new_instance(self.server.storage_by(
            self.server.dsn(self.proxy.port)))

    def destroy(self):
        super(RelStorageBed, self).destroy()
        self.proxy.close()
        self.server.destroy()

    def allow_connections(self, allowed):
        """Let nobody connect, and end all connections; or let them."""
        self.server.execute('ALTER DATABASE zodb ALLOW_CONNECTIONS %s'
                            % allowed, 'postgres')
        self.server.cut_connections()

    def fail_over(self):
        """Be a standby, which does not write."""
        self.server.stop()
        self.server.write('cluster/standby.signal', '')
        self.server.start()
        wait_until(lambda: 'database:main warning' in self.checks(),
                   self.checks)

    def promote(self):
        """Write again."""
        self.server.execute('SELECT pg_promote()')
        wait_until(lambda: 'database:main ok' in self.checks(), self.checks)

    faults = (
        Fault('server stopped', lambda bed: bed.server.stop(),
              lambda bed: bed.server.start(), DISCONNECTED),
        Fault('server crashes', lambda bed: bed.server.stop('immediate'),
              lambda bed: bed.server.start(), DISCONNECTED),
        Fault('server killed', lambda bed: bed.server.kill(),
              lambda bed: bed.server.start(), DISCONNECTED),
        Fault('server hangs', lambda bed: bed.server.freeze(),
              lambda bed: bed.server.thaw(), NO_ANSWER),
        Fault('network drops packets', lambda bed: bed.proxy.hold(),
              lambda bed: bed.proxy.release(), NO_ANSWER),
        Fault('connection reset and refused', cut,
              lambda bed: bed.proxy.accept(), DISCONNECTED),
        Fault('database refuses connections',
              lambda bed: bed.allow_connections(False),
              lambda bed: bed.allow_connections(True), DISCONNECTED),
        Fault('all connections ended by the server',
              lambda bed: bed.server.cut_connections(), lambda bed: None,
              None),
        Fault('failed over to a standby', fail_over, promote, None),
    )


OTHER_DATABASE = """\
<zodb_db other>
%s
    mount-point /other
</zodb_db>
"""

HAPROXY_CHECK = """\
frontend www
    bind 127.0.0.1:%(frontend)d
    default_backend instances

backend instances
    option tcp-check
    tcp-check connect
    tcp-check send health_check\\r\\n
    tcp-check expect string OK
    server instance 127.0.0.1:%(port)d check port %(monitor)d inter 500 \
fall 2 rise 1
"""

#: A page that waits; a check that does what a file says; a handler of SIGUSR1
#: that holds up the main thread; and the second database is opened.
VISITORS = """\
import os
import signal
import time
from App.config import getConfiguration
from ftw.monitor.checks import Check, error, ok, warning
from Products.Five.browser import BrowserView

def path(name):
    return os.path.join(os.environ['TEST_HOME'], name)

def write(name, text):
    with open(path(name), 'a') as target:
        target.write(text)

def wait_for(name):
    while not os.path.exists(path(name)):
        time.sleep(0.02)

def told():
    try:
        with open(path('external')) as source:
            return source.read()
    except IOError:
        return ''

class HoldView(BrowserView):
    def __call__(self):
        write('held', 'x')
        wait_for('gate')
        return 'released'

class External(Check):
    interval = 0.1
    timeout = 1

    def check(self):
        if told() == 'fail':
            return error('out of order', 'for the log only')
        if told() == 'raise':
            raise ValueError('out of order')
        if told() == 'warn':
            return warning('a bit slow')
        while told() == 'hang':
            time.sleep(0.02)
        return ok('well')

class Other(Check):
    required = False
    interval = 0.1

    def check(self):
        return error('nobody cares') if told() == 'other' else ok()

def block(number, frame):
    write('blocked', 'x')
    wait_for('unblock')
    os.unlink(path('blocked'))

def start(event):
    # As the first visitor of a mount point.
    tab = getConfiguration().dbtab
    if 'other' in tab.listDatabaseNames():
        tab.getDatabase(name='other')
    write('pid', str(os.getpid()))
    signal.signal(signal.SIGUSR1, block)
"""

VISITORS_ZCML = """\
  <browser:page name="hold" for="*" class="visitors.HoldView"
                permission="zope.Public" />
  <utility name="external" factory="visitors.External" />
  <utility name="other" factory="visitors.Other" />
  <subscriber for="zope.processlifetime.IProcessStarting"
              handler="visitors.start" />
"""

#: All that there are on this machine.
BEDS = [FileStorageBed, ZEOBed] + ([RelStorageBed] if POSTGRESQL else [])

#: The world, for tables.
WORLD = 'Plone 4.3' if PY2 else 'Plone 6.2'
