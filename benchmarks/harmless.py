"""What the visitors of one instance notice while another one warms up.

Both are clients of one ZEO server. The visited one has a core of its own, so
that nobody else's work is in its way. For comparison, the other instance also
warms up from a database of its own.
"""

from benchmarks import many_objects
from benchmarks.cores import on_core
from benchmarks.figures import mean
from benchmarks.figures import milliseconds
from benchmarks.figures import percentile
from benchmarks.life import begin
from benchmarks.life import boot
from benchmarks.life import end
from benchmarks.network import fill_file
from benchmarks.network import zeo_server
from benchmarks.visitors import SITE
from benchmarks.visitors import visit_at_once
from benchmarks.visitors import visit_often
from contextlib import contextmanager
from itertools import cycle
from tests.functional.processes import Instance
import threading
import time


BOOTS = 6

#: Seconds that visitors are watched while nothing else happens, each time.
IDLE = 6

#: What they ask for, in turns: the front page, of which all is in the caches,
#: and a view that needs the server for nothing but that.
REQUESTS = (('front page', SITE), ('20 objects', '/@@load-some'))

#: Seconds from one request to the next.
INTERVAL = 0.1

#: The core of the visited instance and its visitors, and that of the server
#: and the other instances.
VISITED = 0
OTHERS = 1

#: Of the visited instance, so that each of its requests goes to the server.
CLIENT_CACHE = '1MB'

NOTHING = 'nothing else happens'
SAME_SERVER = 'another instance warms up'
SAME_SERVER_HOT_SET = '  and loads its hot set'
OWN_DATABASE = 'it does so from its own database'
OWN_DATABASE_HOT_SET = '  and loads its hot set from there'

#: What the log says.
BEGINS = 'Warmup begins'
HOT_SET = 'the hot set is loaded'
ENDS = 'Warmup ends'


def run(data, write):
    """Measure and write a table."""
    with on_core(OTHERS), \
            zeo_server(data, many_objects.store) as zeo, \
            another_instance(None, storage=zeo.storage) as same_server, \
            another_instance(data) as own_database, \
            on_core(VISITED), visited_instance(zeo) as visitor:
        spans = [(NOTHING, []), (SAME_SERVER, []), (SAME_SERVER_HOT_SET, []),
                 (OWN_DATABASE, []), (OWN_DATABASE_HOT_SET, [])]
        for _ in range(BOOTS):
            measured = [idle()] + warmup(same_server) + warmup(own_database)
            for (_, of_name), span in zip(spans, measured):
                of_name.append(span)
        write_table(visitor, spans, write)


def write_table(visitor, spans, write):
    write('\nRequests to an instance, one every %d ms; %d boots of another'
          ' one; in ms\n' % (INTERVAL * 1000, BOOTS))
    for request, _ in REQUESTS:
        write('%-36s %8s %8s %8s %8s %7s\n' % (
            request, 'requests', 'p50', 'p95', 'mean', 'ratio'))
        means = {}
        for name, of_name in spans:
            taken = visitor.taken(request, of_name)
            means[name] = mean(taken)
            write('%-36s %8d  %s  %s  %s %7.2f\n' % (
                '  ' + name, len(taken), milliseconds(percentile(taken, 50)),
                milliseconds(percentile(taken, 95)),
                milliseconds(means[name]), means[name] / means[NOTHING]))
        for title, same, own in (
                ('with the server to without it', SAME_SERVER, OWN_DATABASE),
                ('of that, while it loads its hot set', SAME_SERVER_HOT_SET,
                 OWN_DATABASE_HOT_SET)):
            write('%-71s %7.2f\n' % ('  ' + title, means[same] / means[own]))


def idle():
    """Wait; return when that began and ended."""
    began = time.time()
    time.sleep(IDLE)
    return began, time.time()


def warmup(instance):
    """Boot *instance*, and end it.

    Returns when its warm-up began and ended, and when loading its hot set
    did, which is the first part of it.
    """
    with on_core(OTHERS):
        begin(instance)
    times = []
    for text in (BEGINS, HOT_SET, ENDS):
        instance.wait_for_log(text)
        times.append(time.time())
    instance.wait_for_health('OK')
    end(instance)
    began, loaded, ended = times
    return [(began, ended), (began, loaded)]


@contextmanager
def visited_instance(zeo):
    """A ``Visitor`` of an instance of *zeo*."""
    instance = Instance(storage=zeo.storage.replace(
        'cache-size 128MB', 'cache-size ' + CLIENT_CACHE))
    try:
        many_objects.add_views(instance)
        boot(instance)
        visit_often(instance)
        visitor = Visitor(instance)
        visitor.start()
        try:
            yield visitor
        finally:
            visitor.stop()
    finally:
        instance.destroy()


@contextmanager
def another_instance(data, **options):
    """An instance whose caches have been full before."""
    instance = Instance(data, **options)
    try:
        if data:
            fill_file(instance.path('var', 'filestorage', 'Data.fs'),
                      many_objects.store)
        many_objects.add_views(instance)
        boot(instance)
        visit_often(instance)
        many_objects.load_all(instance)
        end(instance)
        yield instance
    finally:
        instance.destroy()


class Visitor(threading.Thread):
    """Requests one thing after the other, at a steady pace, until stopped."""

    def __init__(self, instance):
        super(Visitor, self).__init__()
        self._instance = instance
        self._stopped = threading.Event()
        self._requests = []

    def run(self):
        for name, path in cycle(REQUESTS):
            began = time.time()
            visit_at_once(self._instance, path, 1)
            ended = time.time()
            self._requests.append((name, began, ended))
            if self._stopped.wait(max(0, began + INTERVAL - ended)):
                return

    def stop(self):
        self._stopped.set()
        self.join()

    def taken(self, wanted, spans):
        """The seconds of each request of that name that began and ended in
        one of the *spans*, ``[(began, ended)]``."""
        return [ended - began for name, began, ended in list(self._requests)
                if name == wanted and any(
                    span[0] <= began and ended <= span[1] for span in spans)]
