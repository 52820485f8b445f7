"""Every ``FTW_MONITOR_*`` environment variable, read and checked."""

from ftw.monitor import address
import os


FALSE = ('0', 'false', 'no', 'off')
TRUE = ('1', 'true', 'yes', 'on')


class Settings(object):
    """What the operator set, or the default where that makes no sense.

    :ivar address: ``None`` (from the HTTP port), ``'off'``, or an address as
        ``ftw.monitor.address.parse`` returns it.
    :ivar autowarmup: whether a booting instance warms itself up.
    :ivar warmup_timeout: how long a warm-up may take, in seconds.
    :ivar warmup_required: whether the instance is unhealthy until it is warm.
    :ivar warmup_paths: further pages to render, relative to each Plone site.
    :ivar warmup_wait: for how many seconds the autowarmup waits, at most,
        while another instance of this host warms up; 0: not at all.
    :ivar hotset: the file of the hot set: ``None`` (in the instance's var
        folder), ``'off'`` or a path.
    :ivar hotset_seed: the file that a new instance, which has no hot set of
        its own, starts from; ``None`` for none.
    :ivar database_grace: for how many seconds a database may be away before
        the instance is unhealthy.
    :ivar stuck_after: after how many seconds, in which no worker thread has
        got anything done, they are said to be stuck; 0: never.
    :ivar problems: one sentence for each variable that could not be used.
    """

    def __init__(self, environ):
        self._environ = environ
        self.problems = []
        self.address = self._read(
            'FTW_MONITOR_ADDRESS', None, self._address)
        self.autowarmup = self._read(
            'FTW_MONITOR_AUTOWARMUP', True, self._switch)
        self.warmup_timeout = self._read(
            'FTW_MONITOR_WARMUP_TIMEOUT', 1800, self._seconds)
        self.warmup_required = self._read(
            'FTW_MONITOR_WARMUP_REQUIRED', True, self._switch)
        self.warmup_paths = self._read(
            'FTW_MONITOR_WARMUP_PATHS', [], self._paths)
        self.warmup_wait = self._read(
            'FTW_MONITOR_WARMUP_WAIT', 0, self._seconds_or_none)
        self.database_grace = self._read(
            'FTW_MONITOR_DATABASE_GRACE', 0, self._seconds_or_none)
        self.stuck_after = self._read(
            'FTW_MONITOR_STUCK_AFTER', 300, self._seconds_or_none)
        self.hotset = self._read('FTW_MONITOR_HOTSET', None, self._hotset)
        self.hotset_seed = self._read(
            'FTW_MONITOR_HOTSET_SEED', None, self._file)

    def _read(self, name, default, convert):
        value = self._environ.get(name, '').strip()
        if not value:
            return default
        try:
            return convert(value)
        except ValueError as error:
            self.problems.append(
                '%s is ignored: %s. The default is used.' % (name, error))
            return default

    @staticmethod
    def _address(value):
        if value.lower() == address.OFF:
            return address.OFF
        return address.parse(value)

    @staticmethod
    def _switch(value):
        if value.lower() in FALSE:
            return False
        if value.lower() in TRUE:
            return True
        raise ValueError('%r is neither of %s nor of %s' % (
            value, ', '.join(TRUE), ', '.join(FALSE)))

    @staticmethod
    def _seconds(value):
        try:
            seconds = float(value)
        except ValueError:
            seconds = 0
        if not 0 < seconds < float('inf'):
            raise ValueError('%r is not a number of seconds above 0' % value)
        return int(seconds) if seconds == int(seconds) else seconds

    def _seconds_or_none(self, value):
        return 0 if value.lower() in FALSE else self._seconds(value)

    @staticmethod
    def _paths(value):
        paths = [path.strip('/') for path in value.replace(',', ' ').split()]
        return [path for path in paths if path]

    def _hotset(self, value):
        return address.OFF if value.lower() in FALSE else self._file(value)

    @staticmethod
    def _file(value):
        # The working directory depends on how the instance is started.
        if not os.path.isabs(value):
            raise ValueError('%r is no absolute path' % value)
        return value


def read():
    """The settings in the environment of this process, as it is now.

    Not to be called at import time: Zope puts the ``<environment>`` section
    of zope.conf into ``os.environ`` only when it starts.
    """
    return Settings(os.environ)
