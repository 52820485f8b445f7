"""Under which URLs visitors come, so that the warm-up can come the same way.

Plone keeps some of its results for each URL: the compiled theme, with Plone
6.2 even for each thread; with Plone 4.3 also transformed texts and what is
kept in ``plone.memoize.ram``. A page that was rendered for another host is
only half warm.
"""

from collections import OrderedDict
from ftw.monitor.instance.visitor import is_our_visit
from ftw.monitor.interfaces import IVirtualHosts
from zope.component import getUtility
from zope.component.hooks import getSite
from zope.interface import implementer
import re
import threading


#: The host of those who come without the VirtualHostMonster and are unknown.
LOCALHOST = 'localhost'

#: As https://zope.readthedocs.io/en/latest/zopebook/VirtualHosting.html has
#: it; the group is the path of the object that is the root of the host.
REWRITTEN = re.compile(
    '/VirtualHostBase/[^/]+/[^/]+((?:/[^/]+)*?)/VirtualHostRoot'
    '(?:/_vh_[^/]*)*(?=/|$)')

#: What is taken for a host. Visitors send what they like.
PLAIN = re.compile(r'[!-~]{1,500}\Z')

#: How many hosts are kept in mind. Whoever sends made-up Host headers only
#: drives out those that hardly anybody uses.
KEPT = 200

#: How many of them are saved with the hot set.
SAVED = 20

#: How many of them are rendered for each site.
RENDERED = 3


@implementer(IVirtualHosts)
class VirtualHosts(object):
    """Counts the pages that visitors get, by virtual host.

    A virtual host is a ``str``: the beginning of a path that was rewritten
    for the VirtualHostMonster, up to its root
    (``/VirtualHostBase/https/www.example.org:443/Plone/VirtualHostRoot``), or
    else the Host header (``localhost:8080``).
    """

    def __init__(self):
        self._lock = threading.Lock()
        # In the order of their first visits, which decides among equals.
        self._visits = OrderedDict()

    def count(self, host, visits=1):
        """So many more pages were visited at *host*, if it can be one."""
        if not PLAIN.match(host):
            return
        with self._lock:
            self._visits[host] = self._visits.get(host, 0) + visits
            if len(self._visits) > KEPT:
                self._forget()

    def _forget(self):
        # The counts of all others are halved, so that a host that is new has
        # a chance, and one that is not used any more is forgotten some day.
        ranked = sorted(self._visits, key=self._visits.get, reverse=True)
        self._visits = OrderedDict((host, self._visits[host] // 2)
                                   for host in ranked[:KEPT // 2])

    def most_visited(self):
        """See ``IVirtualHosts``."""
        return [host for host in self._ranked()[:SAVED]
                if self._visits.get(host)]

    def _ranked(self):
        with self._lock:
            return sorted(self._visits, key=self._visits.get, reverse=True)

    def of_site(self, site_path):
        """See ``IVirtualHosts``."""
        hosts = [host for host in self._ranked()
                 if path_at(host, site_path, '') is not None][:RENDERED]
        if (LOCALHOST not in hosts
                and not any(REWRITTEN.match(host) for host in hosts)):
            hosts.append(LOCALHOST)
        return hosts


def host_of(request):
    """The virtual host that *request* has come to."""
    match = REWRITTEN.match(request.environ.get('PATH_INFO', ''))
    if match:
        return match.group()
    return request.environ.get('HTTP_HOST', LOCALHOST)


def header_of(host):
    """The Host header by which a virtual host is visited."""
    return LOCALHOST if REWRITTEN.match(host) else host


def path_at(host, site_path, page):
    """The path by which the *page* of a site is visited at *host*.

    *page* is a path relative to the site; '' is its front page. None if the
    site is not seen at that host. Of a host whose root is within the site
    only the front page is known.
    """
    match = REWRITTEN.match(host)
    if not match:
        return '%s/%s' % (site_path, page)
    root = match.group(1)
    if (site_path + '/').startswith(root + '/'):
        return '%s%s/%s' % (host, site_path[len(root):], page)
    if root.startswith(site_path + '/') and not page:
        return host + '/'
    return None


def count_visit(event):
    """Subscriber for ``IPubSuccess``: count the pages of Plone sites."""
    request = event.request
    response = request.response
    content_type = response.getHeader('Content-Type') or ''
    if (getSite() is not None and response.getStatus() == 200
            and content_type.startswith('text/html')
            and not is_our_visit(request)):
        getUtility(IVirtualHosts).count(host_of(request))
