"""What is in the memory of an instance that is warm.

With Plone's usual cache size, and with a small one. There are more objects
than either holds.
"""

from benchmarks import many_objects
from benchmarks.life import boot
from benchmarks.life import end
from benchmarks.network import zeo_server
from benchmarks.visitors import visit_often
from tests.functional.processes import Instance
import re


CACHE_SIZES = (30000, 1000)

#: The value of cache-size in the configuration of an instance.
CACHE_SIZE = re.compile(r'(?<=\n    cache-size )30000')


def run(data, write):
    """Measure and write a table."""
    write('\nMemory of an instance with 4 workers\n')
    write('%-36s %30s %9s\n' % ('', 'objects in their caches', 'RSS, MB'))
    with zeo_server(data, many_objects.store) as zeo:
        for size in CACHE_SIZES:
            measure(zeo, size, write)


def measure(zeo, size, write):
    """Have an instance boot twice, and write rows of the table.

    :param size: how many objects the cache of each connection holds.
    """
    instance = Instance(storage=zeo.storage)
    try:
        set_cache_size(instance, size)
        many_objects.add_views(instance)
        boot(instance)
        write_row(instance, 'cache-size %d: first boot' % size, write)
        visit_often(instance)
        many_objects.load_all(instance)
        write_row(instance, '  after all has been visited', write)
        end(instance)
        boot(instance)
        write_row(instance, '  next boot', write)
        visit_often(instance)
        write_row(instance, '  after a few visits', write)
    finally:
        instance.destroy()


def write_row(instance, name, write):
    _, objects = instance.get('/@@cached-objects')
    kilobytes = re.search(r'VmRSS:\s*(\d+)', instance.say('monitor')).group(1)
    write('%-36s %30s %9d\n' % (name, objects, int(kilobytes) // 1024))


def set_cache_size(instance, size):
    """Have the caches of *instance* hold so many objects each."""
    path = instance.part('etc/zope.conf')
    text, changes = CACHE_SIZE.subn(str(size), instance.read(path))
    if changes != 1:
        raise AssertionError(text)
    instance.write(path, text)
