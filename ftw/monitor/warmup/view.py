"""``@@warmup``: warm up this instance, or one of its Plone sites."""

from AccessControl import getSecurityManager
from ftw.monitor.interfaces import ILifecycle
from ftw.monitor.interfaces import IVirtualHosts
from ftw.monitor.warmup.run import find_sites
from ftw.monitor.warmup.run import warm_up
from ftw.monitor.warmup.run import WarmupFailed
from ftw.monitor.warmup.virtual_hosts import host_of
from ftw.monitor.wording import describe
from ftw.monitor.wording import one_line
from math import ceil
from Products.CMFCore.interfaces import ISiteRoot
from Products.Five.browser import BrowserView
from zope.component import getUtility
import logging
import transaction


LOG = logging.getLogger('ftw.monitor')

SUCCESS = 'Warmup successful'
IN_PROGRESS = 'Warmup in progress'


class WarmupView(BrowserView):
    """On the application root: all Plone sites. On a Plone site: this one.

    Public, and therefore harmless. A visitor gets a cold instance warm, once;
    only who may view the management screens can have a warm one warmed again,
    or a failed warm-up repeated before its pause is over.
    """

    def __call__(self):
        self.lifecycle = getUtility(ILifecycle)
        transaction.doom()
        self.request.response.setHeader('Content-Type', 'text/plain')
        self.request.response.setHeader('Cache-Control', 'no-store')
        if not self._may_repeat():
            if self._is_warm():
                return SUCCESS
            pause = self.lifecycle.warmup_retry_pause()
            failure = self.lifecycle.warmup_failure
            if pause and failure and not self.lifecycle.warmup_in_progress:
                self.request.response.setHeader(
                    'Retry-After', str(int(ceil(pause))))
                return self._unavailable('Warmup failed: %s' % failure)
        if not self.lifecycle.begin_warmup():
            return self._unavailable(IN_PROGRESS)
        return self._warm_up()

    def _may_repeat(self):
        return getSecurityManager().checkPermission(
            'View management screens', self.context)

    def _is_warm(self):
        return (self.lifecycle.warmup_done
                or self._own_path() in self.lifecycle.warm_sites)

    def _own_path(self):
        return '/'.join(self.context.getPhysicalPath())

    def _warm_up(self):
        """Do what has begun, and end it whatever happens."""
        app = self.request['PARENTS'][-1]
        # Nobody else may have come yet; it counts less than any visit.
        getUtility(IVirtualHosts).count(host_of(self.request), 0)
        reason = 'it was interrupted'
        try:
            all_sites = find_sites(app)
            sites = all_sites
            if ISiteRoot.providedBy(self.context):
                sites = [self._own_path()]
            warm_up(app, sites, self.lifecycle)
            reason = None
        except WarmupFailed as error:
            reason = str(error)
        except Exception as error:
            LOG.exception('Warmup failed.')
            reason = describe(error)
        finally:
            if reason is None:
                self.lifecycle.end_warmup(sites, all_sites)
            else:
                self.lifecycle.fail_warmup(reason)
        # The visits have used the transaction of this request for their own;
        # what comes now is a new one. It may fail if the database is lost.
        transaction.begin()
        transaction.doom()
        if reason is None:
            return SUCCESS
        return self._unavailable('Warmup failed: %s' % reason)

    def _unavailable(self, reason):
        self.request.response.setStatus(503)
        return one_line(reason)
