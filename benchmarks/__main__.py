"""``python -m benchmarks [NAME...]``: run all benchmarks, or some."""

from benchmarks import bulk_load
from benchmarks import first_request
from benchmarks import verdict_latency
from tests.functional.layers import ONE_SITE
import sys


BENCHMARKS = {
    'bulk_load': bulk_load.run,
    'first_request': first_request.run,
    'verdict_latency': verdict_latency.run,
}


def main(names):
    for name in names:
        if name not in BENCHMARKS:
            sys.exit('There is no benchmark %r, only: %s.' % (
                name, ', '.join(sorted(BENCHMARKS))))
    ONE_SITE.setUp()
    try:
        for name in names or sorted(BENCHMARKS):
            BENCHMARKS[name](ONE_SITE.path, sys.stdout.write)
    finally:
        ONE_SITE.tearDown()


main(sys.argv[1:])
