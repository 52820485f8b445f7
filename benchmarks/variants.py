"""Ways to warm up an instance, to be compared."""


class Variant(object):
    """A way to warm up.

    :ivar name: for a table.
    :ivar environment: the settings of the instance.
    :ivar needs_past: whether the instance has been visited before.
    """

    needs_past = False

    def __init__(self, name, **settings):
        self.name = name
        self.environment = {'FTW_MONITOR_' + setting: value
                            for setting, value in settings.items()}

    def prepare(self, instance):
        """What has to be done before *instance* boots for the first time."""

    def warm_up(self, instance):
        """What has to be done when *instance* says ``OK``."""


class WithPast(Variant):
    """By what was in the caches before."""

    needs_past = True


class OneConnection(Variant):
    """As the original release: the catalog, in one connection.

    Not by a performer, since our warm-up does more for all performers than
    to call them.
    """

    def prepare(self, instance):
        instance.add_package(CATALOG_VIEW, CATALOG_ZCML)

    def warm_up(self, instance):
        answer = instance.get('/Plone/@@load-catalog')
        if answer != (200, 'Loaded'):
            raise AssertionError(answer)


CATALOG_VIEW = """\
from Products.Five.browser import BrowserView

class LoadCatalog(BrowserView):
    def __call__(self):
        catalog = self.context.portal_catalog._catalog
        for tree in (catalog.uids, catalog.paths, catalog.data):
            load(tree)
        for name in ('allowedRolesAndUsers', 'object_provides'):
            for value in load(catalog.indexes[name]._index):
                load(value)
        return 'Loaded'

def load(tree):
    if hasattr(tree, 'values'):
        return list(tree.values())
    # The documents of a term: a set, or the only one.
    return list(tree.keys()) if hasattr(tree, 'keys') else []
"""

CATALOG_ZCML = """\
  <browser:page name="load-catalog" for="*" class="visitors.LoadCatalog"
                permission="zope.Public" />
"""

NO_WARMUP = Variant('no warm-up', AUTOWARMUP='0')

ONE_CONNECTION = OneConnection('catalog, one connection', AUTOWARMUP='0')

FIRST_BOOT = Variant('ours, first boot', HOTSET='off')

OURS = WithPast('ours')
