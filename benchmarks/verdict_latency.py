"""How long a load balancer waits for the verdict, idle and under load.

Compared with the least that can be asked through Zope, in the same run.
"""

from benchmarks.figures import milliseconds
from benchmarks.figures import percentile
from contextlib import contextmanager
from ftw.monitor.compat import PY2
from tests.functional.processes import Instance
from tests.functional.processes import REPOSITORY
from tests.functional.processes import say
from tests.functional.processes import wait_until
import subprocess
import sys
import time


CLIENTS = 16
WORKERS = 4
PROBES = 300

#: Without any object of the site: Plone's view, or a pixel of Zope 2.13.
PAGE = '/p_/sp' if PY2 else '/@@ok'

#: Seconds between two probes.
INTERVAL = 0.02


def run(data, write):
    """Measure and write a table."""
    instance = Instance(data, threads=WORKERS)
    try:
        instance.start()
        instance.wait_for_health('OK')
        write('\nVerdict latency in ms, %d probes one after the other;'
              ' load: %d clients, %d workers\n' % (
                  PROBES, CLIENTS, WORKERS))
        write('%-24s %7s %7s %7s\n' % ('', 'p50', 'p99', 'max'))
        for state, load in (('idle', idle()), ('under load', busy(instance))):
            with load:
                monitor = timings(lambda: probe_monitor(instance))
                through_zope = timings(lambda: probe_zope(instance))
            row(write, 'monitor, ' + state, monitor)
            row(write, PAGE + ', ' + state, through_zope)
            write('%-24s %7.2f %7.2f\n' % (
                'ratio, ' + state,
                percentile(monitor, 50) / percentile(through_zope, 50),
                percentile(monitor, 99) / percentile(through_zope, 99)))
    finally:
        instance.destroy()


def probe_monitor(instance):
    if say(instance.monitor, 'health_check', 60) != 'OK\n':
        raise AssertionError(instance.log())


def probe_zope(instance):
    if instance.get(PAGE)[0] != 200:
        raise AssertionError(instance.log())


def timings(probe):
    """How many seconds each of ``PROBES`` calls of *probe* has taken."""
    taken = []
    for _ in range(PROBES):
        began = time.time()
        probe()
        taken.append(time.time() - began)
        # Else a quick probe would see no more than a moment of the load.
        time.sleep(INTERVAL)
    return taken


def row(write, name, taken):
    write('%-24s %s %s %s\n' % (
        name, milliseconds(percentile(taken, 50)),
        milliseconds(percentile(taken, 99)), milliseconds(max(taken))))


@contextmanager
def idle():
    """Nobody else."""
    yield


@contextmanager
def busy(instance):
    """``CLIENTS`` visitors who keep all workers busy."""
    load = subprocess.Popen(
        [sys.executable, '-m', 'benchmarks.load', instance.host,
         str(instance.port), '/Plone', str(CLIENTS)],
        stdin=subprocess.PIPE, cwd=REPOSITORY)
    try:
        wait_until(lambda: instance.say('monitor').startswith(
            '%d\n' % WORKERS), 'all workers are busy')
        yield
    finally:
        load.kill()
        load.wait()
        load.stdin.close()
