"""How long a load balancer waits for the verdict, idle and under load.

Compared, in the same run, with an HTTP probe that has a thread for each
request, and with the least that can be asked through Zope.
"""

from benchmarks import http_probe
from benchmarks.figures import milliseconds
from benchmarks.figures import percentile
from contextlib import contextmanager
from ftw.monitor.compat import PY2
from tests.functional.processes import Instance
from tests.functional.processes import REPOSITORY
from tests.functional.processes import wait_until
from timeit import default_timer
import subprocess
import sys
import time


CLIENTS = 16
WORKERS = 4
PROBES = 1000

#: A probe through Zope takes long under load, and is a load itself: one for
#: so many others.
FEWER = 5

#: Without any object of the site: Plone's view, or a pixel of Zope 2.13.
PAGE = '/p_/sp' if PY2 else '/@@ok'

#: Seconds between two probes.
INTERVAL = 0.02

MONITOR = 'monitor'
HTTP = 'HTTP, thread for each'
ZOPE = PAGE + ' of Zope'


def run(data, write):
    """Measure and write a table."""
    instance = Instance(data, threads=WORKERS)
    try:
        http = http_probe.add_to(instance)
        instance.start()
        instance.wait_for_health('OK')
        probes = [
            (MONITOR, Probe(instance.monitor, b'health_check\r\n', b'OK\n')),
            (HTTP, Probe(http, http_probe.REQUEST, b'\r\n\r\nOK\n')),
            (ZOPE, lambda: probe_zope(instance)),
        ]
        write('\nVerdict latency in ms, %d probes of a kind (%d of Zope) in'
              ' turns; load: %d clients, %d workers\n' % (
                  PROBES, PROBES // FEWER, CLIENTS, WORKERS))
        write('%-36s %7s %7s %7s\n' % ('', 'p50', 'p99', 'max'))
        for state, load in (('idle', idle()), ('under load', busy(instance))):
            with load:
                taken = timings(probes)
            for name, _ in probes:
                write_row(write, '%s, %s' % (name, state), taken[name])
            for name in (HTTP, ZOPE):
                write('%-36s %7.2f %7.2f\n' % (
                    'ratio to %s' % name,
                    percentile(taken[MONITOR], 50)
                    / percentile(taken[name], 50),
                    percentile(taken[MONITOR], 99)
                    / percentile(taken[name], 99)))
    finally:
        instance.destroy()


class Probe(object):
    """Sends *sent* to *address*, and wants an answer that ends so."""

    def __init__(self, address, sent, end):
        self._address = address
        self._sent = sent
        self._end = end

    def __call__(self):
        answer = http_probe.say(self._address, self._sent)
        if not answer.endswith(self._end):
            raise AssertionError(answer)


def probe_zope(instance):
    if instance.get(PAGE)[0] != 200:
        raise AssertionError(instance.log())


def timings(probes):
    """``{name: [seconds, ...]}`` of *probes*, ``[(name, callable)]``.

    They take turns, so that all of them meet the same load.
    """
    taken = dict((name, []) for name, _ in probes)
    for number in range(PROBES):
        for name, probe in probes:
            if name == ZOPE and number % FEWER:
                continue
            began = default_timer()
            probe()
            taken[name].append(default_timer() - began)
            # Else a quick probe would see no more than a moment of the load.
            time.sleep(INTERVAL)
    return taken


def write_row(write, name, taken):
    write('%-36s %s %s %s\n' % (
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
