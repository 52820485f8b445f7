"""How a shell starts a program that its user waits for."""

import os
import signal


def begin_session():
    """To be called in a child process, before it runs its program.

    It leads a session and a process group of its own, and Ctrl-C is a signal
    for it, though whoever runs the tests may have been told to ignore that.
    """
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
