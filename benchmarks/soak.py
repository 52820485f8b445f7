"""``python -m benchmarks.soak [PROBES [SEED]]``: does the monitor wear out?

A real instance meets 10^6 probes, or PROBES; 500 clients that are silent,
slow, or do not read; and 10^4 inputs that make no sense. After each of them,
the next good probe must be answered soon, threads and files must be as many as
before, and in the end memory must not have grown by much. Takes some minutes.
The exit status is 1 if it is not so.
"""

from benchmarks.figures import median
from benchmarks.figures import milliseconds
from benchmarks.fuzz import COMMANDS
from benchmarks.fuzz import faults
from benchmarks.fuzz import Fuzz
from benchmarks.fuzz import talk
from benchmarks.http_probe import say
from benchmarks.slow_clients import KINDS
from collections import Counter
from collections import namedtuple
from tests.functional.layers import ONE_SITE
from tests.functional.processes import Instance
from tests.functional.processes import REPOSITORY
from timeit import default_timer
import psutil
import random
import socket
import subprocess
import sys
import time


PROBES = 10 ** 6
SLOW_CLIENTS = 500
INPUTS = 10 ** 4

#: Processes that send probes.
PROBERS = 2

#: Seconds after which no more probes are sent.
MAX_SECONDS = 600

#: Seconds that the slow clients stay, and from one good probe to the next.
SLOW_SECONDS = 20
INTERVAL = 0.05

#: Seconds for threads and files to be as many as before.
PATIENCE = 30

#: The goals. Milliseconds of a good probe:
MAX_MILLISECONDS = 100

#: The share of good probes that may take longer while thousands of others
#: connect in each second: some of them wait for TCP to send again.
MAX_LATE = 0.02

#: MiB of growth in all.
MAX_GROWTH = 5

MIB = 1024.0 * 1024

Figures = namedtuple('Figures', 'threads files rss uss')


def main(probes=PROBES, seed=None):
    """Do all of it to an instance; return the exit status."""
    seed = random.randrange(10 ** 6) if seed is None else int(seed)
    ONE_SITE.setUp()
    try:
        instance = Instance(ONE_SITE.path, environment={
            'FTW_MONITOR_HOTSET': 'off'})
        try:
            instance.start()
            instance.wait_for_health('OK')
            soak = Soak(instance)
            soak.run(int(probes), seed)
        finally:
            instance.destroy()
    finally:
        ONE_SITE.tearDown()
    for problem in soak.problems:
        write('MISSED: %s\n' % problem)
    return 1 if soak.problems else 0


def write(text):
    """Show *text* at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


class Soak(object):
    """What is done to *instance*, and what comes of it.

    :ivar problems: the goals that were missed.
    """

    def __init__(self, instance):
        self._instance = instance
        self._process = biggest_process(instance)
        self.problems = []

    def run(self, probes, seed):
        """Send so many *probes*, and inputs made by *seed*; write a table."""
        # What is imported or allocated once is no growth.
        for command in COMMANDS:
            say(self._instance.monitor, command + b'\nquit\n')
        self._send_probes(1000)
        begin = self._figures()
        write('\nGood probes in ms, growth in MiB; %d threads, %d files,'
              ' RSS %d MiB, USS %d MiB; seed %d\n' % (
                  begin.threads, begin.files, begin.rss / MIB,
                  begin.uss / MIB, seed))
        write('%-28s %7s %7s %7s %7s %6s %6s %6s %6s\n' % (
            '', 'seconds', 'median', 'slowest', 'next', 'thread', 'files',
            'RSS', 'USS'))
        self._phase('%d probes' % probes, lambda: self._probe(probes))
        self._phase('%d slow clients' % SLOW_CLIENTS, self._be_slow)
        self._phase('%d fuzzed inputs' % INPUTS, lambda: self._fuzz(seed))
        growth = self._growth(begin)
        write('%-60s %+6d %+6d %+6.1f %+6.1f\n' % (('in all',) + growth))
        # USS also grows when another process ends that has mapped the same
        # libraries, so it is only shown.
        if growth.rss >= MAX_GROWTH:
            self.problems.append(
                'memory has grown by %.1f MiB, not less than %d.' % (
                    growth.rss, MAX_GROWTH))
        for text in ('The monitor failed', 'Exception in thread',
                     'Unhandled exception'):
            if text in self._instance.log():
                self.problems.append('%r in the log' % text)

    def _phase(self, name, work):
        before = self._figures()
        began = default_timer()
        middle, slowest, remark = work()
        seconds = default_timer() - began
        following = self._good_probe()
        growth = self._wait_for_the_rest(before)
        write('%-28s %7.1f %s %s %s %+6d %+6d %+6.1f %+6.1f\n' % (
            (name, seconds, milliseconds(middle), milliseconds(slowest),
             milliseconds(following)) + growth))
        write('  %s\n' % remark)
        if following * 1000 > MAX_MILLISECONDS:
            self.problems.append(
                '%s: the next good probe took %.1f ms, not %d.' % (
                    name, following * 1000, MAX_MILLISECONDS))
        for what in ('threads', 'files'):
            if getattr(growth, what) > 0:
                self.problems.append('%s: %d %s more, after %d s.' % (
                    name, getattr(growth, what), what, PATIENCE))

    # -- what is done to it; each returns the seconds of a median and of the
    #    slowest good probe meanwhile, and a remark

    def _probe(self, probes):
        began = default_timer()
        asked, failed, middle, slowest = self._send_probes(probes)
        seconds = default_timer() - began
        if asked < probes:
            self.problems.append('there were %d probes, not %d, in %d s.' % (
                asked, probes, MAX_SECONDS))
        if failed:
            self.problems.append('%d probes were not answered OK.' % failed)
        return middle, slowest, (
            '%d probes, each with a connection of its own, %d at a time:'
            ' %d per second; %d failed' % (
                asked, PROBERS, asked / seconds, failed))

    def _send_probes(self, probes):
        host, port = self._instance.monitor
        command = [sys.executable, '-m', 'benchmarks.probes', host, str(port),
                   str(probes // PROBERS), str(MAX_SECONDS)]
        probers = [
            subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY)
            for _ in range(PROBERS)]
        told = [prober.communicate()[0].decode('ascii').split()
                for prober in probers]
        return (sum(int(asked) for asked, _, _, _ in told),
                sum(int(failed) for _, failed, _, _ in told),
                max(float(middle) for _, _, middle, _ in told),
                max(float(slowest) for _, _, _, slowest in told))

    def _be_slow(self):
        good = []
        clients = []
        try:
            for number in range(SLOW_CLIENTS):
                clients.append(KINDS[number % len(KINDS)](
                    self._instance.monitor))
            end = default_timer() + SLOW_SECONDS
            while default_timer() < end:
                for client in clients:
                    client.go_on()
                good.append(self._good_probe())
                time.sleep(INTERVAL)
            self._check_slowest('slow clients', good)
        finally:
            for client in clients:
                client.close()
        return median(good), max(good), (
            '%d silent, with half a line, a byte per second, or not reading;'
            ' connected again %d times; %d good probes meanwhile' % (
                len(clients),
                sum(client.reconnections for client in clients), len(good)))

    def _fuzz(self, seed):
        good = []
        found = Counter()
        fuzz = Fuzz(seed)
        for _ in range(INPUTS):
            sent = fuzz()
            try:
                answer = talk(self._instance.monitor, fuzz.pieces(sent),
                              fuzz.stays())
            except socket.timeout:
                found['%r is not answered' % sent[-300:]] += 1
            else:
                found.update(faults(sent, answer))
            good.append(self._good_probe())
        self._check_slowest('fuzzed inputs', good)
        for fault, times in sorted(found.items()):
            self.problems.append('%s, %d times, seed %d.' % (
                fault, times, seed))
        return median(good), max(good), 'a good probe after each'

    def _check_slowest(self, name, good):
        late = [seconds for seconds in good
                if seconds * 1000 > MAX_MILLISECONDS]
        if len(late) > len(good) * MAX_LATE:
            self.problems.append(
                '%s: %d of %d good probes took more than %d ms, up to %.1f.'
                % (name, len(late), len(good), MAX_MILLISECONDS,
                   max(late) * 1000))

    def _good_probe(self):
        began = default_timer()
        answer = say(self._instance.monitor, b'health_check\n')
        if answer != b'OK\n':
            self.problems.append('a good probe was answered %r.' % answer)
        return default_timer() - began

    # -- what comes of it

    def _figures(self):
        memory = self._process.memory_full_info()
        return Figures(self._process.num_threads(), self._process.num_fds(),
                       memory.rss, memory.uss)

    def _growth(self, before):
        now = self._figures()
        return Figures(now.threads - before.threads, now.files - before.files,
                       (now.rss - before.rss) / MIB,
                       (now.uss - before.uss) / MIB)

    def _wait_for_the_rest(self, before):
        """Wait until threads and files are as before; return the growth."""
        end = default_timer() + PATIENCE
        while True:
            growth = self._growth(before)
            if (growth.threads <= 0 and growth.files <= 0
                    or default_timer() > end):
                return growth
            time.sleep(INTERVAL)


def biggest_process(instance):
    """The one that serves: others only start it."""
    first = psutil.Process(instance.process.pid)
    return max([first] + first.children(recursive=True),
               key=lambda process: process.memory_info().rss)


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
