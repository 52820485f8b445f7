"""help, interactive and quit: as zc.monitor has them."""

from ftw.monitor.interfaces import CommandError
from ftw.monitor.interfaces import IMonitorPlugin
from ftw.monitor.interfaces import IQuickCommand
from ftw.monitor.server.markers import INTERACTIVE_MARKER
from ftw.monitor.server.markers import QUIT_MARKER
from zope.component import getUtilitiesFor
from zope.component import queryUtility
from zope.interface import provider


@provider(IMonitorPlugin, IQuickCommand)
def help(connection, command=''):
    """Get help about server commands

    By default, a list of commands and summaries is printed.  Provide
    a command name to get detailed documentation for a command.
    """
    if not command:
        connection.write('Supported commands:\n')
        for name, plugin in sorted(getUtilitiesFor(IMonitorPlugin)):
            summary = (plugin.__doc__ or '?').split('\n', 1)[0]
            # On Python 2 names are text, and docstrings mostly bytes.
            connection.write('  %s -- %s\n' % (str(name), summary))
        return
    plugin = queryUtility(IMonitorPlugin, command)
    if plugin is None:
        raise CommandError("There is no command %r." % command)
    connection.write('Help for %s:\n\n%s\n' % (command, plugin.__doc__))


@provider(IMonitorPlugin, IQuickCommand)
def interactive(connection):
    """Turn on monitor's interactive mode

    Normally, the monitor releases the connection after a single command.
    By entering the interactive mode, the monitor will not end the connection
    until you enter the "quit" command.

    In interactive mode, an empty line repeats the last command.
    """
    connection.write('Interactive mode on.  Use "quit" To exit.\n')
    return INTERACTIVE_MARKER


@provider(IMonitorPlugin, IQuickCommand)
def quit(connection):
    """Quit the monitor

    This is only really useful in interactive mode (see the "interactive"
    command).
    """
    connection.write('Goodbye.\n')
    return QUIT_MARKER
