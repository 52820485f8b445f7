"""A ZEO server that dies in the middle of warm-ups."""

from tests.functional.case import FunctionalCase
from tests.functional.processes import wait_until
from tests.functional.processes import ZEOServer
import random
import re
import threading
import time


#: Else most of the time would be waiting for the next try.
HURRY = """\
from ftw.monitor import lifecycle

lifecycle.RETRY_PAUSES = (0.2,)


def be_imported(event):
    pass
"""

IMPORT = """\
  <subscriber
      for="zope.processlifetime.IProcessStarting"
      handler="visitors.be_imported"
      />
"""

BOOTS = 3

#: How often the server dies during each boot.
OUTAGES = 5

#: Enough pages for a warm-up of some seconds.
PAGES = 'sitemap accessibility-info contact-info login @@search ' * 6

#: Seconds of the warm-up in which the server dies, at some moment.
SPAN = 1.5

WARM = re.compile('/Plone is warm after .*: (.*)[.]')


class Watch(threading.Thread):
    """Sees whether an instance is healthy before it is warm."""

    def __init__(self, instance):
        super(Watch, self).__init__()
        self.daemon = True
        self._instance = instance
        self._ended = threading.Event()
        self.verdicts = set()
        self.cold = 0

    def run(self):
        while not self._ended.is_set():
            verdict = self._instance.health()
            self.verdicts.add(verdict)
            # The log comes first.
            if verdict == 'OK' and not WARM.search(self._instance.log()):
                self.cold += 1

    def end(self):
        self._ended.set()
        self.join()


class TestOutages(FunctionalCase):

    def setUp(self):
        self.seed = random.randrange(10 ** 6)
        self.chance = random.Random(self.seed)
        self.zeo = ZEOServer(self.layer.path)
        self.addCleanup(self.zeo.destroy)
        self.zeo.start()

    def test_it_is_never_healthy_when_cold_and_never_stuck(self):
        interrupted = 0
        for _ in range(BOOTS):
            instance = self.instance(
                storage=self.zeo.impatient_storage,
                environment={'FTW_MONITOR_WARMUP_PATHS': PAGES})
            instance.add_package(HURRY, IMPORT)
            watch = Watch(instance)
            instance.start()
            watch.start()
            try:
                for _ in range(OUTAGES):
                    self.kill_the_server_during_a_warmup(instance)
                instance.wait_for_health('OK')
            finally:
                watch.end()
            self.assertEqual(0, watch.cold, 'seed %d' % self.seed)
            self.assert_warm(instance)
            interrupted += instance.log().count('Warmup failed: ')
            instance.kill()
        # Else this would show nothing.
        self.assertGreater(interrupted, BOOTS * OUTAGES // 2)

    def kill_the_server_during_a_warmup(self, instance):
        tries = instance.log().count('Warmup begins')
        wait_until(
            lambda: instance.log().count('Warmup begins') > tries
            or instance.health() == 'OK',
            lambda: 'seed %d\n%s' % (self.seed, instance.log()[-8000:]))
        moment = time.time() + self.chance.random() * SPAN
        wait_until(lambda: time.time() > moment, 'a moment')
        self.zeo.kill()
        instance.wait_for_health("Error: Database 'main' disconnected.")
        self.zeo.start()

    def assert_warm(self, instance):
        objects = WARM.findall(instance.log())[-1].split(', ')
        self.assertEqual(4, len(objects), objects)
        self.assertGreater(min(map(int, objects)), 200)
        before = int(instance.say('dbinfo').split()[0])
        self.assertEqual(200, instance.get('/Plone')[0])
        wait_until(lambda: instance.say('monitor').startswith('0\n'),
                   'the connection is closed')
        self.assertLess(int(instance.say('dbinfo').split()[0]) - before, 100)
