"""How long the first visitors wait after a boot, against later ones.

One at a time, and four at once on four workers; with the warm-up and without.
The database is behind a ZEO server, and every boot begins with an empty
client cache.
"""

from benchmarks.figures import median
from benchmarks.figures import milliseconds
from ftw.monitor.compat import PY2
from tests.functional.processes import Instance
from tests.functional.processes import ZEOServer
import threading
import time


BOOTS = 5
STEADY_ROUNDS = 15
WORKERS = 4

#: What the log says when visitors are let in.
SERVES = 'Ready to handle requests' if PY2 else 'Serving on'


def run(data, write):
    """Measure and write a table."""
    zeo = ZEOServer(data)
    try:
        zeo.start()
        write('\nFront page in ms, median of %d boots; of four visitors at'
              ' once, the slowest\n' % BOOTS)
        write('%-28s %9s %9s %7s\n' % ('', 'first', 'steady', 'ratio'))
        for visitors in (1, WORKERS):
            for warmup in ('0', '1'):
                firsts, steadies = [], []
                for _ in range(BOOTS):
                    first, steady = boot(zeo, warmup, visitors)
                    firsts.append(first)
                    steadies.append(steady)
                ratio = median([first / steady for first, steady
                                in zip(firsts, steadies)])
                write('%-28s   %s   %s %7.2f\n' % (
                    '%d at once, %s' % (
                        visitors, 'warm' if warmup == '1' else 'cold'),
                    milliseconds(median(firsts)),
                    milliseconds(median(steadies)), ratio))
    finally:
        zeo.destroy()


def boot(zeo, warmup, visitors):
    """Boot once: (seconds of the first visit, median of the later ones)."""
    instance = Instance(
        storage=zeo.storage, threads=WORKERS,
        environment={'FTW_MONITOR_AUTOWARMUP': warmup})
    try:
        instance.start()
        instance.wait_for_health('OK')
        instance.wait_for_log(SERVES)
        first = visit(instance, visitors)
        return first, median([visit(instance, visitors)
                              for _ in range(STEADY_ROUNDS)])
    finally:
        instance.destroy()


def visit(instance, visitors):
    """*visitors* request the front page at once: seconds of the slowest."""
    taken = []
    together = threading.Event()

    def request():
        together.wait()
        began = time.time()
        status, _ = instance.get('/Plone')
        if status != 200:
            raise AssertionError(status)
        taken.append(time.time() - began)

    threads = [threading.Thread(target=request) for _ in range(visitors)]
    for thread in threads:
        thread.start()
    together.set()
    for thread in threads:
        thread.join()
    return max(taken)
