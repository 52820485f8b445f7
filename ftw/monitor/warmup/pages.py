"""Which pages of a site the first visitors ask for."""

from AccessControl import getSecurityManager
from Acquisition import aq_base
from ftw.monitor.compat import native
from ftw.monitor.compat import unquote
from Products.CMFCore.utils import getToolByName
from zope.component import queryMultiAdapter
from zope.traversing.interfaces import ITraversable


#: How many entries of the navigation's first level are looked at.
NAVIGATION = 10

#: How many items of each of them are looked at, for types not seen yet.
ITEMS = 3

#: What a visitor gets at the URL of such an item is a file, not a page.
NO_PAGES = ('File', 'Image', 'Link')

#: What a Volto front end asks first: the site root, and around it. The
#: expanders are those of plone.restapi that it needs on every page; without
#: ``types``, for which an anonymous visitor would get nothing but a 401.
REST_API = ('++api++?expand=actions,breadcrumbs,navigation,navroot'
            '&expand.navigation.depth=1')


def search(site, request):
    """The path of the search form, in a list."""
    view = queryMultiAdapter((site, request), name='search')
    return [] if view is None else ['@@search']


def navigation(site, request):
    """The paths of the navigation's first level, relative to *site*."""
    view = queryMultiAdapter((site, request), name='portal_tabs_view')
    if view is None:
        return []
    beginning = site.absolute_url() + '/'
    paths = [_unquoted(native(tab['url'][len(beginning):]))
             for tab in view.topLevelTabs()[:NAVIGATION]
             if tab['url'].startswith(beginning)]
    # The front page is known.
    return [path for path in paths if path]


def _unquoted(url):
    """What a server gets of a relative URL: its path is not quoted any more,
    its query string still is."""
    path, mark, query = url.partition('#')[0].partition('?')
    return unquote(path) + mark + query


def samples(site, folders):
    """The path of one item of each content type found in the *folders* (their
    paths), if the current user can see it.

    Without the catalog: on a large site, a query loads more than all these
    pages together.
    """
    paths = []
    seen = set(NO_PAGES)
    for path in folders:
        path = path.partition('?')[0]
        folder = site.unrestrictedTraverse(path, None)
        if not hasattr(aq_base(folder), 'objectIds'):
            continue
        for name in list(folder.objectIds()[:ITEMS]):
            item = folder._getOb(name)
            kind = getattr(aq_base(item), 'portal_type', None)
            if (kind and kind not in seen
                    and getSecurityManager().checkPermission('View', item)):
                seen.add(kind)
                paths.append('%s/%s' % (path, name))
    return paths


def has_rest_api(site, request):
    """Whether plone.restapi is installed in *site*.

    Those of before 2022 may not know ``++api++``.
    """
    if queryMultiAdapter((site, request), ITraversable, name='api') is None:
        return False
    setup = getToolByName(site, 'portal_setup', None)
    return (setup is not None and setup.getLastVersionForProfile(
        'plone.restapi:default') != 'unknown')
