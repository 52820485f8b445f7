"""health_check and warmup_state: what a load balancer asks for."""

from ftw.monitor.interfaces import ILifecycle
from ftw.monitor.interfaces import IMonitorPlugin
from ftw.monitor.interfaces import IQuickCommand
from zope.component import getUtility
from zope.interface import provider


@provider(IMonitorPlugin, IQuickCommand)
def health_check(connection):
    """Say whether this instance can serve a visitor now

    The answer is one line. It consists of the two capital letters that
    HAProxy's "tcp-check expect string" looks for, or it says why not. It comes
    from memory, at once, however busy the instance is.
    """
    connection.write(getUtility(ILifecycle).verdict() + '\n')


@provider(IMonitorPlugin, IQuickCommand)
def warmup_state(connection):
    """Say whether the warm-up is done, and whether one is in progress

    Two numbers, 0 or 1: "0 0" before the first warm-up, "0 1" while it is
    running, "1 0" after it has succeeded, "1 1" during a later one.
    """
    done, in_progress = getUtility(ILifecycle).warmup_state()
    connection.write('%d %d\n' % (done, in_progress))
