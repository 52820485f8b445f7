"""Start bin/instance and wait until its monitor says OK: ``make start``."""

from ftw.monitor.address import AddressTaken
from ftw.monitor.address import PORT_OFFSET
from ftw.monitor.address import TCPAddress
from ftw.monitor.ctl import ask
import configparser
import os
import psutil
import re
import subprocess
import sys
import time


WSGI_INI = 'parts/instance/etc/wsgi.ini'
LOG = 'var/log/instance.log'
LOG_LINES = 25

#: Seconds to wait for the process, for OK, and between two questions.
START_TIMEOUT = 20
PATIENCE = 180
INTERVAL = 0.1

OK = 'OK'
REFUSED = 'refused'
#: What an instance says that is on its way to OK.
BOOTING = (REFUSED, 'Instance is booting', 'Warmup in progress')


def main():
    http = http_address()
    monitor = TCPAddress(http.host, http.port + PORT_OFFSET)
    pid = running()
    if pid is None:
        check_free(http, monitor)
        say('==> creating a Plone site, if there is none')
        quietly('bin/instance', 'run', 'tools/create_site.py')
        say('==> starting Plone on {}'.format(http))
        begun = time.monotonic()
        logged = os.path.getsize(LOG)
        start()
        pid = running()
        verdict = follow(
            monitor, pid, begun, lambda verdict: verdict == OK)
        if verdict != OK:
            give_up(pid, logged)
    else:
        say('Plone is running already, process %d.' % pid)
        follow(monitor, pid, time.monotonic(),
               lambda verdict: verdict not in BOOTING)
    say(WHAT_NEXT.format(http=http, monitor=monitor))


WHAT_NEXT = """
The site: http://{http}/Plone  (admin:admin)
Next:
  echo health_check | nc -N {monitor.host} {monitor.port}
  bin/instance monitor help
  make stop"""


def say(line):
    sys.stdout.write(line + '\n')
    sys.stdout.flush()


def quietly(*command):
    """Run the command; exit if it fails, having shown what it said."""
    status = subprocess.call(('sh', 'tools/quietly.sh') + command)
    if status:
        sys.exit(status)


def http_address():
    """Where the instance serves, according to what buildout wrote."""
    parser = configparser.RawConfigParser()
    with open(WSGI_INI) as ini:
        parser.read_file(ini)
    host, port = parser.get('server:main', 'fast-listen').rsplit(':', 1)
    return TCPAddress(host, int(port))


def running():
    """The process id of the instance, or None."""
    status = subprocess.check_output(['bin/instance', 'status'], text=True)
    found = re.search(r'program running; pid=(\d+)', status)
    return int(found.group(1)) if found else None


def start():
    try:
        subprocess.run(
            ['bin/instance', 'start'], stdout=subprocess.DEVNULL,
            timeout=START_TIMEOUT)
    except subprocess.TimeoutExpired:
        # It waits, maybe for ever, to see a process that ends at once.
        pass


def check_free(*addresses):
    """Exit with one line if somebody else listens on one of them."""
    for address in addresses:
        try:
            for listening in address.listen():
                listening.close()
        except AddressTaken:
            sys.exit('%s is taken by %s. Stop that, or change http-address in'
                     ' development.cfg.' % (address, owner(address.port)))


def owner(port):
    """Which process listens on the port, as far as we may know."""
    for connection in psutil.net_connections('tcp'):
        if (connection.status == psutil.CONN_LISTEN and connection.pid
                and connection.laddr.port == port):
            process = psutil.Process(connection.pid)
            return 'process %d (%s)' % (process.pid, process.name())
    return 'another process'


def follow(monitor, pid, begun, enough):
    """Show what the monitor says, each time it changes; return the last.

    Ends when that is *enough*, when the process is gone, or after PATIENCE.
    """
    shown = None
    while True:
        verdict = ask_verdict(monitor)
        seconds = time.monotonic() - begun
        if verdict != shown:
            say('%8.1f s  %s' % (seconds, verdict))
            shown = verdict
        if enough(verdict) or seconds > PATIENCE or not alive(pid):
            return verdict
        time.sleep(INTERVAL)


def alive(pid):
    return pid is not None and psutil.pid_exists(pid)


def ask_verdict(monitor):
    try:
        return ask(monitor, 'health_check').decode().strip()
    except ConnectionRefusedError:
        return REFUSED
    except OSError as error:
        return str(error)


def give_up(pid, logged):
    """Exit, with the end of what is in the log since *logged*, an offset."""
    with open(LOG, errors='replace') as log:
        log.seek(logged)
        lines = log.readlines()[-LOG_LINES:]
    say('\nThe end of %s:' % LOG)
    for line in lines:
        say('  ' + line.rstrip())
    if alive(pid):
        sys.exit('Plone runs, but was not OK within %d s. "make stop" stops'
                 ' it.' % PATIENCE)
    # Or the daemon would start it over and over.
    quietly('bin/instance', 'stop')
    sys.exit('Plone ended by itself. "bin/instance fg" shows more.')


if __name__ == '__main__':
    try:
        main()
    except KeyboardInterrupt:
        sys.exit('\nLeft alone. "make start" looks at it again, "make stop"'
                 ' stops it.')
