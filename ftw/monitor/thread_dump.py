"""What all threads of this process are doing now."""

import os
import sys
import threading


def thread_dump(running):
    """Text: for each thread its name, its request if it has one, and where it
    is: functions with their lines, the innermost last.

    Without the paths of files, which are nobody else's business.

    :param running: the ``IRunningRequests``.
    """
    names = dict((thread.ident, thread.name)
                 for thread in threading.enumerate())
    requests = dict((request.ident, request)
                    for request in running.longest_first())
    lines = []
    for ident, frame in sorted(
            sys._current_frames().items(),
            key=lambda item: names.get(item[0], '')):
        title = 'Thread %s' % names.get(ident, ident)
        if ident in requests:
            request = requests[ident]
            title += ', for %.1f s: %s %s' % (
                request.age(), request.method, request.path)
        lines.append(title)
        lines.extend(reversed(list(_calls(frame))))
    return '\n'.join(lines)


def _calls(frame):
    while frame is not None:
        code = frame.f_code
        # A page template or a script has no module.
        where = (frame.f_globals.get('__name__')
                 or os.path.basename(code.co_filename))
        yield '  %s.%s, line %d' % (where, code.co_name, frame.f_lineno)
        frame = frame.f_back
