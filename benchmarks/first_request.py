"""How long the first visitors wait after a boot, against later ones.

One at a time, and as many at once as there are workers; without a warm-up,
with that of the original release, and with ours. Every boot begins with an
empty client cache.
"""

from benchmarks import variants
from benchmarks.figures import median
from benchmarks.figures import milliseconds
from benchmarks.life import boot
from benchmarks.life import end
from benchmarks.life import live_once
from benchmarks.life import warmup_seconds
from benchmarks.network import DELAY
from benchmarks.network import delayed
from benchmarks.network import zeo_server
from benchmarks.visitors import PAGES
from benchmarks.visitors import visit
from contextlib import contextmanager
from tests.functional.configuration import FILE_STORAGE
from tests.functional.configuration import ZEO_STORAGE
from tests.functional.processes import Instance


BOOTS = 5
STEADY_ROUNDS = 3
WORKERS = 4

ON_ZEO = (variants.NO_WARMUP, variants.ONE_CONNECTION, variants.FIRST_BOOT,
          variants.OURS)
ON_FILE_STORAGE = (variants.NO_WARMUP, variants.OURS)


def run(data, write):
    """Measure and write tables."""
    write('\nFirst requests after a boot, median of %d boots\n' % BOOTS)
    with zeo_server(data) as zeo, delayed(zeo.port) as port:
        measure(None, ZEO_STORAGE % {'port': port}, ON_ZEO,
                'ZEO, %.1f ms each way' % (DELAY * 1000), write)
    measure(data, FILE_STORAGE, ON_FILE_STORAGE, 'FileStorage', write)


def measure(data, storage, choice, title, write):
    """Measure the *choice* of variants, and write two tables.

    :param data: the Data.fs of the instances, or None.
    :param storage: the storage section of the instances.
    """
    with prepared(data, storage, choice) as instances:
        for visitors in (1, WORKERS):
            boots = dict((variant, []) for variant in choice)
            for number in range(BOOTS):
                # In turns, so that a slow minute is nobody's alone.
                for variant in choice:
                    boots[variant].append(Boot(
                        variant, instances[variant], visitors, number))
            write('\n%s, %s; in ms\n' % (
                title, 'one request at a time' if visitors == 1
                else '%d at once, the slowest of them' % visitors))
            write('%-38s %8s %8s %7s\n' % ('', 'first', 'steady', 'ratio'))
            for variant in choice:
                write_variant(variant, boots[variant], write)


def write_variant(variant, boots, write):
    """Write the rows of the table for the *boots* with *variant*."""
    steady = dict(
        (page, median([seconds for boot in boots
                       for seconds in boot.steady[page]]))
        for page, _ in PAGES)
    for page, _ in PAGES:
        write_row('%s, %s' % (variant.name, page), [
            (boot.first[page], steady[page]) for boot in boots], write)
    write_row('%s, first of all' % variant.name, [
        (boot.first[boot.first_page], steady[boot.first_page])
        for boot in boots], write)
    seconds = [boot.warmup_seconds for boot in boots]
    if None not in seconds:
        write('%-38s  %s\n' % ('%s, the warm-up itself' % variant.name,
                               milliseconds(median(seconds))))


def write_row(name, pairs, write):
    """:param pairs: ``[(first, steady)]``, one for each boot."""
    write('%-38s  %s  %s %7.2f\n' % (
        name, milliseconds(median([first for first, _ in pairs])),
        milliseconds(median([steady for _, steady in pairs])),
        median([first / steady for first, steady in pairs])))


@contextmanager
def prepared(data, storage, choice):
    """``{variant: instance}``, ready to be booted."""
    instances = {}
    try:
        for variant in choice:
            instance = instances[variant] = Instance(
                data, storage=storage, threads=WORKERS,
                environment=variant.environment)
            variant.prepare(instance)
            if variant.needs_past:
                live_once(instance)
        yield instances
    finally:
        for instance in instances.values():
            instance.destroy()


class Boot(object):
    """One boot, and what its visitors see.

    :param number: the boots with different numbers begin with different
        pages.
    :ivar first_page: the name of that page.
    :ivar first: ``{name of a page: seconds of the first request}``
    :ivar steady: ``{name of a page: [seconds of the later ones]}``
    :ivar warmup_seconds: how long the warm-up has taken; None without one.
    """

    def __init__(self, variant, instance, visitors, number):
        boot(instance)
        variant.warm_up(instance)
        begin = number % len(PAGES)
        pages = PAGES[begin:] + PAGES[:begin]
        self.first_page = pages[0][0]
        self.first = dict([
            (name, visit(instance, path, visitors)) for name, path in pages])
        self.steady = dict((name, []) for name, _ in pages)
        for _ in range(STEADY_ROUNDS):
            for name, path in pages:
                self.steady[name].append(visit(instance, path, visitors))
        self.warmup_seconds = warmup_seconds(instance)
        end(instance)
