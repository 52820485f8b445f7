"""checks: how all checks stand."""

from ftw.monitor.commands import arguments
from ftw.monitor.interfaces import IMonitorPlugin
from ftw.monitor.interfaces import IQuickCommand
from ftw.monitor.wording import one_line
from zope.interface import provider


@provider(IMonitorPlugin, IQuickCommand)
def checks(connection):
    """Tell how the checks stand

    One line for each check: its name, its state, the age of its result in
    seconds, and a message. The state is "ok", "warning" or "error"; "pending"
    before there is a result; "hanging" if the check has not returned within
    its time limit; "stale" if it has not been asked for far too long. If a
    check is in one of the states "error", "hanging" and "stale", this instance
    is not healthy, unless its message ends with "(not required)".
    """
    for watch in arguments.checks().watches():
        state, age, message = watch.look()
        words = [one_line(watch.name), state, '%.1f' % age, one_line(message)]
        if not watch.required:
            words.append('(not required)')
        connection.write(' '.join(filter(None, words)) + '\n')
