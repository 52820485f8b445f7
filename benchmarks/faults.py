"""How long it takes until a fault is seen, and until it is seen to be over.

All faults of ``tests.functional.beds``, with a probe every ``INTERVAL``. The
time to red is that from when a fault has been made; that to green from when it
has been undone, so the time a server takes to start does not count.
"""

from tests.functional.beds import BEDS
from tests.functional.beds import WORLD
from tests.functional.processes import DEADLINE
import re
import time


#: Seconds from one probe to the next.
INTERVAL = 0.01


def run(data, write):
    """Measure and write a table."""
    write('\nFaults of %s: the verdict, and seconds until it is red, and until'
          ' it is green again\n' % WORLD)
    for make_bed in BEDS:
        bed = make_bed(data)
        try:
            write('%s\n' % make_bed.name)
            for fault in make_bed.faults:
                measure(bed, fault, write)
        finally:
            bed.destroy()


def measure(bed, fault, write):
    """Have *fault*, and write its row."""
    wait(bed, 'OK')
    fault.begin(bed)
    if fault.verdict is None:
        verdict, red = bed.instance.health(), '-'
    else:
        verdict, red = wait(bed, fault.verdict)
    fault.end(bed)
    _, green = wait(bed, 'OK')
    write('  %-38s %5s %5s  %s\n' % (
        fault.name, red, '-' if fault.verdict is None else green, verdict))


def wait(bed, expected):
    """Probe until the verdict is the *expected* one: that, and how many
    seconds it took."""
    began = time.time()
    while time.time() - began < DEADLINE:
        verdict = bed.instance.health()
        if re.match(expected + '$', verdict):
            return verdict, '%.1f' % (time.time() - began)
        time.sleep(INTERVAL)
    raise AssertionError('%s, not %s\n%s' % (
        verdict, expected, bed.instance.log()[-4000:]))
