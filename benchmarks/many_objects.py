"""Objects of a large site, and views that load them.

With those of a small Plone site, they fill a connection's cache.
"""

from benchmarks.visitors import visit_at_once
from persistent.mapping import PersistentMapping
import transaction


#: Objects, and bytes of each.
STORED = 28000
SIZE = 500

#: Objects that ``@@load-some`` loads.
SOME = 20


def store(connection):
    """Store them in the database of *connection*."""
    objects = [PersistentMapping({'text': SIZE * 'x'}) for _ in range(STORED)]
    for item in objects:
        connection.add(item)
    connection.root()['many_objects'] = PersistentMapping({
        'oids': [item._p_oid for item in objects]})
    transaction.commit()


def add_views(instance):
    """Give *instance* the views."""
    instance.add_package(VIEWS % SOME, ZCML)


def load_all(instance, visitors=4):
    """Have so many connections of *instance* load all of them."""
    visit_at_once(instance, '/@@load-all', visitors)


VIEWS = """\
from itertools import count
from Products.Five.browser import BrowserView

numbers = count()

class LoadSome(BrowserView):
    # Other ones each time, and keeps none of them.
    def __call__(self):
        connection = self.context._p_jar
        oids = connection.root()['many_objects']['oids']
        for _ in range(%d):
            item = connection.get(oids[next(numbers) %% len(oids)])
            item._p_activate()
            item._p_deactivate()
        return 'Loaded'

class LoadAll(BrowserView):
    def __call__(self):
        connection = self.context._p_jar
        for oid in connection.root()['many_objects']['oids']:
            connection.get(oid)._p_activate()
        return 'Loaded'

class CachedObjects(BrowserView):
    # In the cache of each connection.
    def __call__(self):
        caches = self.context._p_jar.db().cacheDetailSize()
        return ', '.join(map(str, sorted(
            cache['ngsize'] for cache in caches)))
"""

ZCML = """\
  <browser:page name="load-some" for="*" class="visitors.LoadSome"
                permission="zope.Public" />
  <browser:page name="load-all" for="*" class="visitors.LoadAll"
                permission="zope.Public" />
  <browser:page name="cached-objects" for="*" class="visitors.CachedObjects"
                permission="zope.Public" />
"""
