"""How far a warm-up has come."""

from ftw.monitor.compat import monotonic


class Progress(object):
    """Written by the one thread that warms up, read by any other.

    A *step* is one visit of a worker's connection: to replay the hot set in
    it, or to have one site's performer called.

    :ivar stage: what is being done, in a few words.
    :ivar site: the path of the site that is being warmed, or None.
    :ivar worker: the number of the worker, from 1 on; 0 before the first.
    :ivar workers: how many workers there are.
    :ivar step: how many steps are done, of *steps*.
    :ivar loaded: how many objects are loaded, of *planned*, in this stage.
        *planned* is 0 where nobody can know.
    """

    def __init__(self):
        self._began = monotonic()
        self._ended = None
        self.stage = 'begins'
        self.site = None
        self.worker = 0
        self.workers = 0
        self.step = 0
        self.steps = 0
        self.loaded = 0
        self.planned = 0

    def begin_stage(self, stage, planned=0):
        """Begin a stage in which *planned* objects are to be loaded."""
        self.stage = stage
        self.loaded = 0
        self.planned = planned

    def count(self, loaded):
        """So many more objects are loaded."""
        self.loaded += loaded

    def end(self):
        """Nothing more happens."""
        if self._ended is None:
            self._ended = monotonic()

    def seconds(self):
        """How long it has taken so far, or in all."""
        ended = self._ended
        return (monotonic() if ended is None else ended) - self._began
