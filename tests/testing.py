"""The layers: a Plone site with ftw.monitor, and a fresh lifecycle."""

from ftw.monitor.interfaces import ILifecycle
from ftw.monitor.interfaces import IVirtualHosts
from ftw.monitor.lifecycle import Lifecycle
from ftw.monitor.warmup.virtual_hosts import VirtualHosts
from plone.app.testing import FunctionalTesting
from plone.app.testing import IntegrationTesting
from plone.app.testing import PLONE_FIXTURE
from plone.app.testing import PloneSandboxLayer
from plone.testing import Layer
from zope.component import getUtility
from zope.component import provideUtility
import ftw.monitor


try:
    import plone.app.dexterity as dexterity
except ImportError:
    # Plone 4.3 may be without Dexterity.
    dexterity = None

try:
    import plone.restapi as restapi
except ImportError:
    # Plone 4.3
    restapi = None


class MonitorFixture(PloneSandboxLayer):
    """Plone with Dexterity and the ZCML of ftw.monitor."""

    defaultBases = (PLONE_FIXTURE,)

    def setUpZope(self, app, configurationContext):
        if dexterity is not None:
            # In Plone 4.3 it is an add-on.
            self.loadZCML(package=dexterity)
        self.loadZCML(package=ftw.monitor)


MONITOR_FIXTURE = MonitorFixture()


class RestAPIFixture(PloneSandboxLayer):
    """The same with plone.restapi, which no site has installed yet."""

    defaultBases = (MONITOR_FIXTURE,)

    def setUpZope(self, app, configurationContext):
        if restapi is not None:
            self.loadZCML(package=restapi)


REST_API_FIXTURE = RestAPIFixture()


class LifecycleFixture(Layer):
    """For each test the state of an instance which just boots.

    The resource ``lifecycle``: no warm-up has been wanted, begun or done. The
    resource ``virtual_hosts``: nobody has come yet.
    """

    defaultBases = (MONITOR_FIXTURE,)

    def testSetUp(self):
        self._replaced = [(interface, getUtility(interface))
                          for interface in (ILifecycle, IVirtualHosts)]
        self['lifecycle'] = Lifecycle()
        provideUtility(self['lifecycle'], ILifecycle)
        self['virtual_hosts'] = VirtualHosts()
        provideUtility(self['virtual_hosts'], IVirtualHosts)

    def testTearDown(self):
        for interface, utility in self._replaced:
            provideUtility(utility, interface)
        del self._replaced
        del self['lifecycle']
        del self['virtual_hosts']


LIFECYCLE_FIXTURE = LifecycleFixture()

#: For tests that neither commit nor visit: a visit begins a transaction.
MONITOR_INTEGRATION_TESTING = IntegrationTesting(
    bases=(LIFECYCLE_FIXTURE,), name='ftw.monitor:Integration')

#: A database for each test, which has a connection pool of its own.
MONITOR_FUNCTIONAL_TESTING = FunctionalTesting(
    bases=(LIFECYCLE_FIXTURE,), name='ftw.monitor:Functional')

#: The same for tests of what a Volto front end asks.
REST_API_TESTING = FunctionalTesting(
    bases=(LIFECYCLE_FIXTURE, REST_API_FIXTURE), name='ftw.monitor:RestAPI')
