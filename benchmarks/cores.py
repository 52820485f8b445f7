"""Which core of this machine runs what."""

from contextlib import contextmanager
import psutil


#: The cores that we may use. Not every system lets one choose.
CORES = (psutil.Process().cpu_affinity()
         if hasattr(psutil.Process, 'cpu_affinity') else [])


@contextmanager
def on_core(number):
    """Have this thread, and what it starts meanwhile, run on that core only.

    From 0 on. Where there are not so many, or they can't be chosen, nothing
    happens.
    """
    if number >= len(CORES):
        yield
        return
    process = psutil.Process()
    before = process.cpu_affinity()
    process.cpu_affinity([CORES[number]])
    try:
        yield
    finally:
        process.cpu_affinity(before)
