"""Commands of other packages."""

from ftw.monitor.compat import PY2
from tests.functional.case import FunctionalCase


#: With Plone 4.3 such a package knows zc.monitor, and nothing of us.
INTERFACES = 'zc.monitor.interfaces' if PY2 else 'ftw.monitor.interfaces'

MARKERS = 'zc.monitor' if PY2 else 'ftw.monitor.server.markers'

PLUGINS = """\
from %s import IMonitorPlugin
from %s import MORE_MARKER
from %s import QUIT_MARKER

class IMyPlugin(IMonitorPlugin):
    pass

def greet(connection, name, times='1'):
    '''Greet somebody

    As often as wanted.
    '''
    connection.write('Hello, %%s!\\n' %% name * int(times))

def adder(connection, *numbers):
    '''Add up the numbers of each line

    An empty line ends it.
    '''
    if not numbers:
        connection.write('Enough.\\n')
        return QUIT_MARKER
    connection.write('%%d\\n' %% sum(map(int, numbers)))
    return MORE_MARKER
""" % (INTERFACES, MARKERS, MARKERS)

ZCML = """\
  <utility name="greet" component="visitors.greet"
           provides="%s.IMonitorPlugin" />
  <utility name="adder" component="visitors.adder"
           provides="visitors.IMyPlugin" />
""" % INTERFACES


class TestPlugins(FunctionalCase):

    def setUp(self):
        self.served = self.instance()
        self.served.add_package(PLUGINS, ZCML)
        self.served.start()
        self.served.wait_for_health('OK')

    def test_they_are_listed_beside_ours(self):
        listed = self.served.say('help')
        self.assertIn('  greet -- Greet somebody\n', listed)
        self.assertIn('  adder -- Add up the numbers of each line\n', listed)
        self.assertIn('  health_check -- ', listed)
        self.assertIn('As often as wanted.', self.served.say('help greet'))

    def test_they_work(self):
        self.assertEqual('Hello, Jim!\n', self.served.say('greet Jim'))
        self.assertEqual('Hello, Jim!\nHello, Jim!\n',
                         self.served.say('greet Jim 2'))
        # Registered for an interface that is derived.
        self.assertEqual('3\n7\nEnough.\n',
                         self.served.say('adder 1 2\r\n3 4\r\n'))
        self.assertEqual(
            (0, 'Hello, Jim!\n', ''),
            self.served.run(self.served.ctl('monitor', 'greet', 'Jim')))

    def test_one_that_fails_does_no_harm_to_the_others(self):
        answer = self.served.say('greet Jim often')
        if PY2:
            # By zc.monitor, with a traceback.
            self.assertIn('ValueError', answer)
        else:
            self.assertRegex(
                answer, r'^Error: greet failed with ValueError: .*'
                        r' Usage: greet NAME \[times=1\]\n$')
        self.assertEqual('OK', self.served.health())
