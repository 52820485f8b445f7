"""A real PostgreSQL server, in which RelStorage has a site.

It listens on loopback, on a free port, lets in everybody who comes from there,
and ends with the test. Only for Plone 6.2.
"""

from ftw.monitor.compat import PY2
from tests.functional.configuration import RELSTORAGE
from tests.functional.configuration import ZODBCONVERT_CONF
from tests.functional.layers import ONE_SITE
from tests.functional.processes import find_program
from tests.functional.processes import free_port
from tests.functional.processes import Process
from tests.functional.processes import SCRIPTS
from tests.functional.processes import wait_until
import glob
import os
import psutil
import pwd
import re
import signal
import subprocess
import unittest


def find_folder():
    """The folder with the programs of PostgreSQL, of its newest version; or
    None."""
    # Where Debian has them.
    folders = sorted(
        glob.glob('/usr/lib/postgresql/*/bin'),
        key=lambda folder: [int(digits) for digits in
                            re.findall(r'\d+', folder)])
    for folder in reversed(folders):
        if os.access(os.path.join(folder, 'initdb'), os.X_OK):
            return folder
    program = find_program('initdb')
    return program and os.path.dirname(program)


FOLDER = None if PY2 else find_folder()


def needs_postgresql(case):
    """Skip the tests of *case* where there is no PostgreSQL."""
    if PY2:
        reason = 'Plone 4.3 is not tested with PostgreSQL.'
    else:
        reason = ('PostgreSQL is missing; on Debian:'
                  ' apt-get install postgresql')
    return unittest.skipUnless(FOLDER, reason)(case)


#: The name of the one database, and that of the one user.
DATABASE = 'zodb'
USER = 'zope'

#: The account that the server runs as if we are root, since it refuses that.
ACCOUNT = 'nobody'

#: What counts is that a test does not wait. None of them lets the machine
#: crash.
OPTIONS = {
    'listen_addresses': '127.0.0.1',
    'fsync': 'off',
    'full_page_writes': 'off',
    'synchronous_commit': 'off',
    'shared_buffers': '32MB',
    'max_connections': '50',
}

#: Who is let in: nobody but clients on 127.0.0.1.
PG_HBA = 'host all all 127.0.0.1/32 trust\n'

#: How it is told to end: it waits for nobody; it does not even tidy up, and
#: has to recover when it starts the next time.
STOP_SIGNALS = {'fast': signal.SIGINT, 'immediate': signal.SIGQUIT}


class PostgreSQL(Process):
    """A PostgreSQL server, on a port that it keeps.

    :param template: another one, not running, whose cluster it gets a copy
        of. Without one, it has a new cluster with an empty database.
    """

    def __init__(self, template=None):
        super(PostgreSQL, self).__init__()
        self.port = free_port()
        self.cluster = self.path('cluster')
        # The way to the cluster. Nobody else may see what is in there.
        os.chmod(self.home, 0o711)
        if template is not None:
            self._run(['cp', '-a', template.cluster, self.cluster])
        else:
            self._create_cluster()

    def _create_cluster(self):
        os.mkdir(self.cluster, 0o700)
        if os.getuid() == 0:
            account = pwd.getpwnam(ACCOUNT)
            os.chown(self.cluster, account.pw_uid, account.pw_gid)
        self._run(self._server_command(
            'initdb', '-D', self.cluster, '-U', USER, '--no-sync',
            '--auth=trust', '--encoding=UTF8', '--locale=C',
            # Of 1 MB: less to copy.
            '--wal-segsize=1'))
        self.write('cluster/pg_hba.conf', PG_HBA)
        self.start()
        try:
            self.execute('CREATE DATABASE %s' % DATABASE, 'postgres')
        finally:
            self.stop()

    # -- its life

    def start(self):
        options = dict(OPTIONS, unix_socket_directories=self.cluster)
        command = self._server_command(
            'postgres', '-D', self.cluster, '-p', str(self.port))
        for item in sorted(options.items()):
            command += ['-c', '%s=%s' % item]
        self.spawn(command)
        wait_until(self._is_ready,
                   lambda: 'PostgreSQL\n' + self.read('output.log'))
        return self

    def _is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(
                'PostgreSQL has ended:\n' + self.read('output.log'))
        # While it recovers it listens already.
        with open(os.devnull, 'w') as nothing:
            return subprocess.call(
                self._client_command('pg_isready', 'postgres'),
                stdout=nothing) == 0

    def stop(self, mode='fast'):
        """Have it end; *mode* is ``fast`` or ``immediate``."""
        process = self.process
        process.send_signal(STOP_SIGNALS[mode])
        wait_until(lambda: process.poll() is not None,
                   lambda: 'the end\n' + self.read('output.log'))
        self.process = None

    def restart(self, mode='fast'):
        self.stop(mode)
        return self.start()

    def freeze(self):
        """Let it do nothing any more, but leave all connections open.

        Who connects now is let in by the kernel, and then gets no answer.
        """
        self._freeze_postmaster()
        for backend in self._backends():
            backend.suspend()

    def thaw(self):
        """Let it go on."""
        self.send(signal.SIGCONT)

    def kill(self):
        """End it at once, as a power failure would."""
        if self.process is None:
            return
        backends = []
        if self.process.poll() is None:
            self._freeze_postmaster()
            backends = self._backends()
        self.send(signal.SIGKILL)
        self.process.wait()
        # The next server cannot use the cluster while one of them is left.
        wait_until(lambda: not any(map(is_alive, backends)),
                   lambda: 'the end of %r' % backends)
        self.process = None

    def send(self, number):
        """Send a signal to the server and all of its processes.

        Each of them leads a session, so there is no group for all.
        """
        for backend in self._backends():
            try:
                backend.send_signal(number)
            except psutil.NoSuchProcess:
                # Its client has left.
                pass
        if self.process is not None:
            self.process.send_signal(number)

    def _freeze_postmaster(self):
        """So that there will be no more backends."""
        postmaster = psutil.Process(self.process.pid)
        postmaster.suspend()
        wait_until(lambda: postmaster.status() == psutil.STATUS_STOPPED,
                   'PostgreSQL is stopped')

    def _backends(self):
        """All processes that the server has started."""
        if self.process is None or self.process.poll() is not None:
            return []
        return psutil.Process(self.process.pid).children(recursive=True)

    # -- what is in it

    def execute(self, sql, database=DATABASE):
        """Execute *sql*; return the rows as text, a line for each, its columns
        separated by ``|``."""
        return self._run(self._client_command(
            'psql', database, '--no-psqlrc', '--quiet', '--no-align',
            '--tuples-only', '--set=ON_ERROR_STOP=1', '--command=' + sql))

    def cut_connections(self):
        """End all connections; return how many there were."""
        return int(self.execute(
            'SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity'
            " WHERE backend_type = 'client backend'"
            ' AND pid <> pg_backend_pid()', 'postgres'))

    def fill(self, data, keep_history=True):
        """Copy all of *data*, a Data.fs, into its database."""
        configuration = self.write('zodbconvert.conf', ZODBCONVERT_CONF % {
            'data': data, 'dsn': self.dsn(),
            'keep_history': str(keep_history).lower()})
        self._run([os.path.join(SCRIPTS, 'zodbconvert'), configuration])

    # -- how to get there

    def dsn(self, port=None, **more):
        """The data source name. *port* may be that of a proxy, and *more* are
        further words: ``connect_timeout=2``."""
        words = dict(more, dbname=DATABASE, user=USER, host='127.0.0.1',
                     port=port or self.port)
        return ' '.join("%s='%s'" % item for item in sorted(words.items()))

    @property
    def storage(self):
        """The storage section of an instance."""
        return self.storage_by(self.dsn())

    def storage_by(self, dsn, keep_history=True):
        """The storage section of an instance that gets there by *dsn*."""
        return RELSTORAGE % {
            'dsn': dsn, 'keep_history': str(keep_history).lower()}

    # -- its programs

    @staticmethod
    def _server_command(name, *words):
        """The command line of a program that refuses to run as root."""
        command = [os.path.join(FOLDER, name)] + list(words)
        if os.getuid() == 0:
            account = pwd.getpwnam(ACCOUNT)
            # It runs the program in its own place, so signals get there.
            command[:0] = [
                'setpriv', '--reuid=%d' % account.pw_uid,
                '--regid=%d' % account.pw_gid, '--clear-groups']
        return command

    def _client_command(self, name, database, *words):
        """The command line of a program that connects to *database*."""
        return [os.path.join(FOLDER, name), '--host=127.0.0.1',
                '--port=%d' % self.port, '--username=' + USER,
                '--dbname=' + database] + list(words)

    def _run(self, command):
        """Run *command* to its end; return what it prints."""
        with open(os.devnull) as nothing:
            process = subprocess.Popen(
                command, stdin=nothing, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, cwd=self.home)
        output = process.communicate()[0].decode('utf-8')
        if process.returncode:
            raise AssertionError('%s: %s' % (' '.join(command), output))
        return output.strip()


def is_alive(process):
    """Whether a ``psutil.Process`` has not ended yet."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Cluster(object):
    """Makes a cluster with the site of the layer *data*, once for all tests of
    this layer; each of them takes a copy."""

    #: No Data.fs.
    path = None

    def __init__(self, name, data):
        self.__name__ = name
        self.__module__ = __name__
        self.__bases__ = (data,)
        self.data = data

    def setUp(self):
        # Also if all tests are skipped.
        self.template = None
        if FOLDER:
            self.template = PostgreSQL()
            try:
                self.template.start()
                self.template.fill(self.data.path)
                self.template.stop()
            except Exception:
                self.template.destroy()
                raise

    def tearDown(self):
        if self.template is not None:
            self.template.destroy()


ONE_SITE_IN_POSTGRESQL = Cluster('ONE_SITE_IN_POSTGRESQL', ONE_SITE)
