"""What ftw.monitor promises to those who extend it."""

from ftw.monitor.compat import PY2
from zope.interface import Attribute
from zope.interface import Interface


class IMonitorPlugin(Interface):
    """A command of the monitor: a named utility, a callable.

    The utility's name is the command's name. Its docstring is what ``help``
    shows: the first line in the list, all of it for ``help NAME``.
    """

    def __call__(connection, *args):
        """Answer a client.

        *args* are the words that followed the command's name, as text.
        Call ``connection.write(text)`` as often as needed; end every line
        with a newline.

        Return None, or a marker of ``ftw.monitor.server.markers``:
        ``MORE_MARKER`` to get the client's next lines as well, one call for
        each, or ``QUIT_MARKER`` to close the connection.

        On Python 3, raise ``CommandError`` for what the client did wrong; it
        becomes one line ``Error: ...``. So does any other exception, which is
        also logged. Every call runs in a thread of its own, so it may block.
        A command that also provides ``IQuickCommand`` does not have one.

        On Python 2 this is the interface of zc.monitor, which has one thread
        for all clients and sends the traceback of an exception: neither block
        nor raise.
        """


if PY2:
    # Plug-ins of packages that do not know us shall be found, too.
    from zc.monitor.interfaces import IMonitorPlugin  # noqa: F401


class IQuickCommand(Interface):
    """Marks a command that answers from memory.

    It is run by the very thread that accepts connections, and must not do
    I/O, wait for a lock that anything slow may hold, or use the ZODB.
    """


class CommandError(ValueError):
    """What a client of the monitor got wrong, in one sentence for it."""


class ILoopbackCommand(Interface):
    """Marks a command that is not for strangers: it changes something, or
    shows who does what. It answers to clients of the same host only, by
    loopback or by UNIX socket."""


class IDatabases(Interface):
    """The databases of this process; a utility once they are open."""

    def names():
        """The names of all databases of the multi-database, sorted."""

    def get(name):
        """The ``ZODB.DB`` called *name*; '' and '-' are the root database.

        Raises ``KeyError``.
        """


class IConflicts(Interface):
    """How many requests of this process ran into a write conflict."""

    total = Attribute('Attempts that ended in a conflict.')

    unresolved = Attribute('Those after which there was no further attempt.')


class IRunningRequests(Interface):
    """The requests that this process is publishing; a utility."""

    changes = Attribute('Another number when one has begun or ended.')

    def longest_first():
        """Those that are running: objects with ``ident`` (of the thread),
        ``method``, ``path`` (no query string, no user) and ``age()``."""


class ICheck(Interface):
    """Something that can be wrong; a named utility.

    Its name is what the verdict and the command ``checks`` call it. It is
    asked by a thread of its own, from the start of the instance to its end,
    and may block, but must not keep a ZODB connection.
    """

    required = Attribute(
        'True: the instance is not healthy while the check fails.')

    interval = Attribute('Seconds from the end of one call to the next.')

    timeout = Attribute('Seconds after which a call is said to hang.')

    def check():
        """Look, and return a result: that of ``ok(message)``,
        ``warning(message, detail)`` or ``error(message, detail)`` of
        ``ftw.monitor.checks``.

        An exception is an error, too. The message, and what an exception
        says, is for everybody who can reach the monitor's port; the detail is
        for the log.
        """


class IChecks(Interface):
    """All checks of this process; a utility once they are asked."""

    def watches():
        """The ``ftw.monitor.checks.watch.Watch`` of each check: first those
        of the databases, by name."""

    def of_database(name):
        """The ``Watch`` of the database called *name*, or None."""


class IWarmupPerformer(Interface):
    """Loads what the first visitors of one Plone site need.

    A multiadapter without a name for (Plone site, browser request). It is
    created and called once for each worker's ZODB connection, within a
    complete visit of an anonymous visitor: the site is the current one, skin
    and browser layers are set, and nothing it changes is ever committed.
    """

    def perform():
        """Warm up the site in the ZODB connection that it was loaded from.

        An exception makes the warm-up of this instance fail: it is tried
        again later, and until then the instance is not healthy.
        """

    # A performer may also have
    #
    # def perform_in_thread():
    #     """Warm up what is kept for each thread.
    #
    #     Called after ``perform()`` was called for all workers, in each worker
    #     thread but the one that has called it. Not with Plone 4.3.
    #     """


class IHotSetStore(Interface):
    """Where the hot set of this instance is kept; a utility, unless it is
    turned off."""

    path = Attribute('The path of the file that it is saved to.')

    def load():
        """The ``ftw.monitor.warmup.hotset.HotSet`` of an earlier boot.

        None if there is none that can be used. The log says which one it is,
        or why there is none.
        """

    def save(hot_set):
        """Replace it. Raises ``HotSetError``."""


class IVirtualHosts(Interface):
    """Under which URLs visitors come; one utility for each process."""

    def count(host, visits=1):
        """So many more pages were visited at *host*."""

    def most_visited():
        """The hosts that had most visits, the most visited one first."""

    def of_site(site_path):
        """Those under which the pages of a site should be rendered, the most
        important one first."""


class ILifecycle(Interface):
    """The state of this instance; one utility for each process.

    May be asked by any thread at any time. The answers come from memory.
    """

    draining = Attribute(
        'Set to True, and no new visitors shall come; nothing else changes.')

    warmup_done = Attribute(
        'True after a warm-up of every Plone site has succeeded.')

    progress = Attribute(
        'The ``ftw.monitor.progress.Progress`` of the last warm-up, or None.')

    warmup_warnings = Attribute(
        'What the last warm-up warned of: a list of sentences.')

    def verdict():
        """``'OK'``, or one line that says why no visitor should come here.

        A line that is not ``'OK'`` never contains these two letters.
        """

    def alive():
        """``'OK'``, or one line that says why this process is beyond help."""

    def warmup_state():
        """``(done, in_progress)``, two booleans."""

    def require(name, fault):
        """Have ``fault()`` asked for each verdict.

        It answers from memory, at once: None, or the reason why the check
        called *name* fails.
        """

    def warmup_time_is_up(rest):
        """Whether the time for the running warm-up is used up.

        To be asked before each step. If so, leave out the step; *rest* says
        in a few words what that was, for the log.
        """

    def warn_of_warmup(message, exc_info=None):
        """Log a warning and keep it with the state of the running warm-up.

        The log has the current traceback, too, if *exc_info* is true.
        """
