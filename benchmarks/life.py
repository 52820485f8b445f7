"""The life of an instance: a boot, and an orderly end."""

from benchmarks.visitors import visit_often
from ftw.monitor.compat import PY2
from tests.functional.processes import wait_until
import os
import re
import signal


#: What the log says when visitors are let in.
SERVES = 'Ready to handle requests' if PY2 else 'Serving on'

WARMUP_ENDS = re.compile(r'Warmup ends after ([0-9.]+) s')


def begin(instance):
    """Start *instance*, with new log files."""
    for name in (instance.log_name, 'output.log'):
        if os.path.exists(instance.path(name)):
            os.remove(instance.path(name))
    instance.start()


def boot(instance):
    """Start *instance*, and return when it says ``OK`` and serves."""
    begin(instance)
    instance.wait_for_health('OK')
    instance.wait_for_log(SERVES)


def end(instance):
    """End *instance* as an operator does: it saves its hot set."""
    group = instance.process.pid
    instance.send(signal.SIGTERM)
    instance.process.wait()
    # Whatever it has started itself may take a moment longer.
    wait_until(lambda: not exists(group), 'the instance ends')
    instance.process = None


def exists(group):
    """Whether a process of this process group is left."""
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True


def warmup_seconds(instance):
    """How long its warm-up has taken, as its log says; None without one."""
    match = WARMUP_ENDS.search(instance.log())
    return float(match.group(1)) if match else None


def live_once(instance):
    """Boot *instance*, have it visited, and end it."""
    boot(instance)
    visit_often(instance)
    end(instance)
