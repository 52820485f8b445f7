"""Where this instance has its hot set, and what the log says of that."""

from ftw.monitor.interfaces import IHotSetStore
from ftw.monitor.warmup import hotset_file
from ftw.monitor.warmup.hotset import HotSetError
from ftw.monitor.wording import message_of
from zope.interface import implementer
import logging
import os
import time


LOG = logging.getLogger('ftw.monitor')


@implementer(IHotSetStore)
class HotSetStore(object):
    """The file at *path*, and the one at *seed* as long as there is no good
    one at *path*. *seed* may be None; it is never written.
    """

    def __init__(self, path, seed=None):
        self.path = path
        self.seed = seed

    def check_folder(self):
        """Warn if the hot set cannot be saved where it should be."""
        folder = os.path.dirname(self.path)
        problem = None
        if not os.path.isdir(folder):
            problem = 'is no folder'
        elif not os.access(folder, os.W_OK | os.X_OK):
            problem = 'cannot be written by this process'
        if problem:
            LOG.warning(
                'No hot set can be saved: %s %s. Make it one, or set'
                ' FTW_MONITOR_HOTSET to a file elsewhere, or to off.',
                folder, problem)

    def load(self):
        """See ``IHotSetStore``."""
        hot_set = self._load_own()
        if hot_set is None and self.seed is not None:
            hot_set = self._load_seed()
        return hot_set

    def save(self, hot_set):
        """See ``IHotSetStore``."""
        hotset_file.write(self.path, hot_set)

    def _load_own(self):
        try:
            return self._read(self.path)
        except hotset_file.HotSetMissing:
            if self.seed is None:
                LOG.info('No hot set yet: %s does not exist. It is saved when'
                         ' this instance is warm.', self.path)
        except HotSetError as error:
            LOG.warning('No hot set: %s. It is replaced when the next one is'
                        ' saved.', message_of(error))
        return None

    def _load_seed(self):
        try:
            return self._read(self.seed)
        except HotSetError as error:
            LOG.warning(
                'No hot set to start from: %s. Set FTW_MONITOR_HOTSET_SEED to'
                ' a copy of the hot set of a warm instance, which this process'
                ' can read, or to nothing.', message_of(error))
        return None

    @staticmethod
    def _read(path):
        hot_set = hotset_file.read(path)
        LOG.info('Hot set of %d objects, saved %s, from %s.',
                 hot_set.count(), time.strftime(
                     '%Y-%m-%d %H:%M:%S', time.localtime(hot_set.saved)), path)
        return hot_set
