"""health_check and warmup_state: what a load balancer asks for; and warmup,
which tells all about it."""

from ftw.monitor.interfaces import ILifecycle
from ftw.monitor.interfaces import IMonitorPlugin
from ftw.monitor.interfaces import IQuickCommand
from ftw.monitor.progress import Progress
from ftw.monitor.wording import one_line
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
def alive_check(connection):
    """Say whether this process is alive

    The answer is what "health_check" says of a healthy instance, or why this
    process should be restarted. Nothing outside the process counts, and no
    warm-up: only that all workers are stuck. A service manager may restart the
    instance for it; a load balancer should ask "health_check".
    """
    connection.write(getUtility(ILifecycle).alive() + '\n')


@provider(IMonitorPlugin, IQuickCommand)
def warmup_state(connection):
    """Say whether the warm-up is done, and whether one is in progress

    Two numbers, 0 or 1: "0 0" before the first warm-up, "0 1" while it is
    running, "1 0" after it has succeeded, "1 1" during a later one.
    """
    done, in_progress = getUtility(ILifecycle).warmup_state()
    connection.write('%d %d\n' % (done, in_progress))


@provider(IMonitorPlugin, IQuickCommand)
def warmup(connection):
    """Tell how far the warm-up is

    All about the warm-up in progress, else about the last one: in each line a
    key, a colon and a value.

    "state" is "not wanted", "booting", "waiting" (for other instances), "in
    progress", "failed" or "done". "warm" says whether one of all sites has
    succeeded since the start. "step" counts those that are done, of all; a
    step is to do one thing in the connection of one worker. "objects" are
    those of the stage. "next try" and "previous boot" are in seconds.
    """
    for pair in warmup_figures(getUtility(ILifecycle)):
        connection.write('%s: %s\n' % pair)


def warmup_figures(lifecycle):
    """``[(key, value), ...]``: what *lifecycle* knows of its warm-up."""
    state = warmup_activity(lifecycle)
    progress = lifecycle.progress
    if progress is None:
        progress = Progress()
        progress.stage = 'none'
    return [
        ('state', state),
        ('warm', 'yes' if lifecycle.warmup_done else 'no'),
        ('waiting for', one_line(
            state == 'waiting' and lifecycle.warmup_waiting_for or 'none')),
        ('stage', one_line(progress.stage)),
        ('site', progress.site or 'none'),
        ('worker', '%d of %d' % (progress.worker, progress.workers)),
        ('step', '%d of %d' % (progress.step, progress.steps)),
        ('objects', '%d of %d' % (progress.loaded, progress.planned)
         if progress.planned else '%d' % progress.loaded),
        ('seconds', '%.1f' % progress.seconds()),
        ('warnings', len(lifecycle.warmup_warnings)),
        ('last error', one_line(lifecycle.warmup_last_error or 'none')),
        ('next try', '%.1f' % lifecycle.warmup_retry_pause()
         if state == 'failed' and lifecycle.autowarmup_runs else 'none'),
        ('previous boot', _seconds(lifecycle.previous_warmup_seconds)),
    ]


def warmup_activity(lifecycle):
    """What *lifecycle* is doing about its warm-up, in a word or two."""
    # Read in this order: what a warm-up leaves behind is set before it is no
    # longer in progress.
    if lifecycle.warmup_in_progress:
        return 'in progress'
    if lifecycle.warmup_waiting_for and not lifecycle.warmup_done:
        return 'waiting'
    if lifecycle.warmup_failure:
        return 'failed'
    if lifecycle.warmup_done:
        return 'done'
    if lifecycle.warmup_wanted or lifecycle.autowarmup_runs:
        return 'booting'
    return 'not wanted'


def _seconds(number):
    return 'unknown' if number is None else '%.1f' % number
