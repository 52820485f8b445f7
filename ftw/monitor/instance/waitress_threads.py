"""Has something done by each worker thread of waitress."""

from ftw.monitor.compat import monotonic
import threading


#: Seconds until a thread that is busy with a visitor is left out.
PATIENCE = 2


def dispatcher():
    """The task dispatcher whose threads are the workers, or None.

    waitress keeps it to itself, but its threads run a method of it.
    """
    for thread in threading.enumerate():
        if thread.name.startswith('waitress-'):
            owner = getattr(getattr(thread, '_target', None), '__self__', None)
            if hasattr(owner, 'add_task') and hasattr(owner, 'threads'):
                return owner
    return None


def call_in_others(work, own, patience=PATIENCE):
    """Call *work* in all threads but this one, one after the other.

    :param own: whether this thread is one of them.

    Returns how many threads did not come in time. Raises what *work* has
    raised first, when all have called it.
    """
    workers = dispatcher()
    if workers is None:
        return 0
    wanted = len(workers.threads) - (1 if own else 0)
    if wanted <= 0:
        return 0
    gathering = Gathering(work, wanted)
    for _ in range(wanted):
        workers.add_task(gathering)
    return gathering.run(patience)


class Gathering(object):
    """A task for waitress, to be added once for each thread.

    A thread that is done takes the next task, so it has to be held until all
    others have taken theirs.
    """

    def __init__(self, work, wanted):
        self._work = work
        self._wanted = wanted
        self._here = 0
        self._left = 0
        self._begun = False
        self._errors = []
        self._changed = threading.Condition()
        self._turn = threading.Lock()

    def run(self, patience):
        """Wait until all have come, and done it; see ``call_in_others``."""
        deadline = monotonic() + patience
        with self._changed:
            while self._here < self._wanted and monotonic() < deadline:
                self._changed.wait(max(0, deadline - monotonic()))
            self._begun = True
            self._changed.notify_all()
            while self._left < self._here:
                self._changed.wait()
        if self._errors:
            raise self._errors[0]
        return self._wanted - self._here

    # -- called by waitress, in the worker

    def service(self):
        with self._changed:
            if self._begun:
                # Too late.
                return
            self._here += 1
            self._changed.notify_all()
            while not self._begun:
                self._changed.wait()
        try:
            with self._turn:
                self._work()
        except Exception as error:
            self._errors.append(error)
        finally:
            with self._changed:
                self._left += 1
                self._changed.notify_all()

    def cancel(self):
        """waitress shuts down, and runs this no more."""
