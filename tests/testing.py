"""The layers: a Plone site with ftw.monitor, and a fresh lifecycle."""

from ftw.monitor.interfaces import ILifecycle
from ftw.monitor.lifecycle import Lifecycle
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


class MonitorFixture(PloneSandboxLayer):
    """Plone with Dexterity and the ZCML of ftw.monitor."""

    defaultBases = (PLONE_FIXTURE,)

    def setUpZope(self, app, configurationContext):
        if dexterity is not None:
            # In Plone 4.3 it is an add-on.
            self.loadZCML(package=dexterity)
        self.loadZCML(package=ftw.monitor)


MONITOR_FIXTURE = MonitorFixture()


class LifecycleFixture(Layer):
    """A lifecycle for each test, that of an instance which just boots.

    The resource ``lifecycle``. No warm-up has been wanted, begun or done.
    """

    defaultBases = (MONITOR_FIXTURE,)

    def testSetUp(self):
        self._replaced = getUtility(ILifecycle)
        self['lifecycle'] = Lifecycle()
        provideUtility(self['lifecycle'], ILifecycle)

    def testTearDown(self):
        provideUtility(self._replaced, ILifecycle)
        del self._replaced
        del self['lifecycle']


LIFECYCLE_FIXTURE = LifecycleFixture()

#: For tests that neither commit nor visit: a visit begins a transaction.
MONITOR_INTEGRATION_TESTING = IntegrationTesting(
    bases=(LIFECYCLE_FIXTURE,), name='ftw.monitor:Integration')

#: A database for each test, which has a connection pool of its own.
MONITOR_FUNCTIONAL_TESTING = FunctionalTesting(
    bases=(LIFECYCLE_FIXTURE,), name='ftw.monitor:Functional')
