"""Run zope-testrunner, with one more line at the end: N passed, N failed.

Takes the arguments of zope-testrunner, and ends with its exit status.
"""

import os
import re
import subprocess
import sys


#: "Ran" ends each layer, "Total" the whole run if there were several layers.
SUMMARY = re.compile(
    br'^(?:  Ran|Total:) (\d+) tests(?: with|,) (\d+) failures, (\d+) errors'
    br'(?:,| and) (\d+) skipped', re.MULTILINE)
COLORS = re.compile(br'\x1b\[[0-9;]*m')


def main(arguments):
    runner = os.path.join(os.path.dirname(sys.executable), 'zope-testrunner')
    process = subprocess.Popen([runner] + arguments, stdout=subprocess.PIPE)
    output = copy(process.stdout, getattr(sys.stdout, 'buffer', sys.stdout))
    status = process.wait()
    passed, failed = count(output)
    if status and not failed:
        # It stopped before it could count.
        failed = 1
    sys.stdout.write('%d passed, %d failed\n' % (passed, failed))
    return status


def copy(source, target):
    """Copy as it comes, for prompts of a debugger too; return all of it."""
    parts = []
    while True:
        part = os.read(source.fileno(), 65536)
        if not part:
            return b''.join(parts)
        parts.append(part)
        target.write(part)
        target.flush()


def count(output):
    """How many tests passed and failed; errors are failures."""
    summaries = SUMMARY.findall(COLORS.sub(b'', output))
    if not summaries:
        return 0, 0
    tests, failures, errors, skipped = map(int, summaries[-1])
    failed = failures + errors
    # A module that cannot be imported is an error, but no test.
    return max(0, tests - failed - skipped), failed


if __name__ == '__main__':
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
