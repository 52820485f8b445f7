"""``python -m benchmarks [NAME...]``: run all benchmarks, or some."""

from benchmarks import faults
from benchmarks import first_request
from benchmarks import growth
from benchmarks import harmless
from benchmarks import hotset_cost
from benchmarks import loading
from benchmarks import memory
from benchmarks import verdict_latency
from benchmarks.data import NOTHING
from benchmarks.data import SITE
from tests.functional.layers import ONE_SITE
import sys


#: What runs each, and the layer of the database that it begins with.
BENCHMARKS = {
    'faults': (faults.run, ONE_SITE),
    'first_request': (first_request.run, SITE),
    'growth': (growth.run, NOTHING),
    'harmless': (harmless.run, SITE),
    'hotset_cost': (hotset_cost.run, NOTHING),
    'loading': (loading.run, NOTHING),
    'memory': (memory.run, SITE),
    'verdict_latency': (verdict_latency.run, ONE_SITE),
}


def main(names):
    for name in names:
        if name not in BENCHMARKS:
            sys.exit('There is no benchmark %r, only: %s.' % (
                name, ', '.join(sorted(BENCHMARKS))))
    made = []
    try:
        for name in names or sorted(BENCHMARKS):
            run, layer = BENCHMARKS[name]
            if layer not in made:
                layer.setUp()
                made.append(layer)
            run(layer.path, write)
    finally:
        for layer in made:
            layer.tearDown()


def write(text):
    """Show *text* at once: a benchmark takes minutes."""
    sys.stdout.write(text)
    sys.stdout.flush()


main(sys.argv[1:])
