"""Start an instance and wait until its monitor says OK: ``make start``.

``python tools/start.py [FOLDER]``, from the root of the repository, with the
Python of the instance, 2.7 or 3. FOLDER is where buildout has built it.
"""

from ftw.monitor.address import AddressTaken
from ftw.monitor.address import parse
from ftw.monitor.address import PORT_OFFSET
from ftw.monitor.address import TCPAddress
from ftw.monitor.ctl import ask
import errno
import os
import psutil
import re
import subprocess
import sys
import time


FOLDER = sys.argv[1] if len(sys.argv) > 1 else ''
INSTANCE = os.path.join(FOLDER, 'bin/instance')
BUILDOUT = os.path.join(FOLDER, 'buildout.cfg')
INSTALLED = os.path.join(FOLDER, '.installed.cfg')
LOG = os.path.join(FOLDER, 'var/log/instance.log')
LOG_LINES = 25

#: The command: Zope 2.13 refuses to run as root.
CTL = (INSTANCE,)
if sys.version_info[0] == 2:
    CTL = ('sh', 'tools/unprivileged.sh') + CTL

#: What the targets of the Makefile end with: make start, make start-plone43.
SUFFIX = '-' + FOLDER if FOLDER else ''

#: Seconds to wait for the process, for OK, and between two questions.
START_TIMEOUT = 20
PATIENCE = 180
INTERVAL = 0.1

OK = 'OK'
REFUSED = 'refused'
#: What an instance says that is on its way to OK.
BOOTING = (REFUSED, 'Instance is booting', 'Warmup in progress')

# Python 2 has no monotonic clock, and writes bytes to stdout.
now = getattr(time, 'monotonic', time.time)
stdout = getattr(sys.stdout, 'buffer', sys.stdout)


def main():
    http = http_address()
    monitor = TCPAddress(http.host, http.port + PORT_OFFSET)
    pid = running()
    if pid is None:
        check_free(http, monitor)
        say('==> creating a Plone site, if there is none')
        quietly(*CTL + ('run', 'tools/create_site.py'))
        say('==> starting Plone on {}'.format(http))
        logged = os.path.getsize(LOG) if os.path.exists(LOG) else 0
        process = Started()
        verdict = follow(monitor, process, lambda verdict: verdict == OK)
        if verdict != OK:
            give_up(process, logged)
        process.wait()
    else:
        say('Plone is running already, process %d.' % pid)
        follow(monitor, Running(pid), lambda verdict: verdict not in BOOTING)
    say(WHAT_NEXT.format(http=http, monitor=monitor, instance=INSTANCE,
                         suffix=SUFFIX))


WHAT_NEXT = """
The site: http://{http}/Plone  (admin:admin)
Next:
  echo health_check | nc -N {monitor.host} {monitor.port}
  {instance} monitor help
  make stop{suffix}"""


def say(line):
    if not isinstance(line, bytes):
        line = line.encode('utf-8')
    stdout.write(line + b'\n')
    stdout.flush()


def quietly(*command):
    """Run the command; exit if it fails, having shown what it said."""
    status = subprocess.call(('sh', 'tools/quietly.sh') + command)
    if status:
        sys.exit(status)


def http_address():
    """Where the instance serves, according to what buildout has built."""
    with open(INSTALLED) as installed:
        found = re.search(
            '^http-address = (.*)$', installed.read(), re.MULTILINE)
    address = parse(found.group(1))
    # A mere port is one on all addresses.
    return TCPAddress(address.host or '0.0.0.0', address.port)


def running():
    """The process id of the instance, or None."""
    status = subprocess.check_output(CTL + ('status',))
    found = re.search(br'program running; pid=(\d+)', status)
    return int(found.group(1)) if found else None


class Running(object):
    """The process of the instance."""

    def __init__(self, pid):
        self.pid = pid

    def alive(self):
        return self.pid is not None and psutil.pid_exists(self.pid)


class Started(Running):
    """The process of the instance, which is just being started."""

    def __init__(self):
        super(Started, self).__init__(None)
        self._control = subprocess.Popen(
            CTL + ('start',), stdout=subprocess.PIPE)
        self._deadline = now() + START_TIMEOUT

    def alive(self):
        if self._control is None:
            return super(Started, self).alive()
        if self._control.poll() is None:
            if now() > self._deadline:
                # It waits, maybe for ever, to see a process that ends at once.
                self._control.kill()
            return True
        found = re.search(br'pid=(\d+)', self._control.stdout.read())
        self._control = None
        self.pid = int(found.group(1)) if found else running()
        return super(Started, self).alive()

    def wait(self):
        """Until bin/instance has seen that it runs, which is soon."""
        while self._control is not None:
            self.alive()
            time.sleep(INTERVAL)


def check_free(*addresses):
    """Exit with one line if somebody else listens on one of them."""
    for address in addresses:
        try:
            for listening in address.listen():
                listening.close()
        except AddressTaken:
            sys.exit('%s is taken by %s. Stop that, or change http-address in'
                     ' %s.' % (address, owner(address.port), BUILDOUT))


def owner(port):
    """Which process listens on the port, as far as we may know."""
    for connection in psutil.net_connections('tcp'):
        if (connection.status == psutil.CONN_LISTEN and connection.pid
                and connection.laddr.port == port):
            process = psutil.Process(connection.pid)
            return 'process %d (%s)' % (process.pid, process.name())
    return 'another process'


def follow(monitor, process, enough):
    """Show what the monitor says, each time it changes; return the last.

    Ends when that is *enough*, when the process is gone, or after PATIENCE.
    """
    shown = None
    begun = now()
    while True:
        alive = process.alive()
        verdict = ask_verdict(monitor)
        seconds = now() - begun
        if verdict != shown:
            say('%8.1f s  %s' % (seconds, verdict))
            shown = verdict
        if enough(verdict) or seconds > PATIENCE or not alive:
            return verdict
        time.sleep(INTERVAL)


def ask_verdict(monitor):
    try:
        return ask(monitor, 'health_check').decode('utf-8').strip()
    except EnvironmentError as error:
        if error.errno == errno.ECONNREFUSED:
            return REFUSED
        return str(error)


def give_up(process, logged):
    """Exit, with the end of what is in the log since *logged*, an offset."""
    with open(LOG, 'rb') as log:
        log.seek(logged)
        lines = log.readlines()[-LOG_LINES:]
    if lines:
        say('\nThe end of %s:' % LOG)
    for line in lines:
        say(b'  ' + line.rstrip())
    if process.alive():
        sys.exit('Plone runs, but was not OK within %d s. "make stop%s" stops'
                 ' it.' % (PATIENCE, SUFFIX))
    # Or the daemon would start it over and over.
    quietly('sh', 'tools/stop.sh', FOLDER)
    sys.exit('Plone ended by itself. "%s" shows more.'
             % ' '.join(CTL + ('fg',)))


if __name__ == '__main__':
    try:
        main()
    except KeyboardInterrupt:
        sys.exit('\nLeft alone. "make start%s" looks at it again, "make'
                 ' stop%s" stops it.' % (SUFFIX, SUFFIX))
