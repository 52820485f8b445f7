"""``warmup --follow``: show how a warm-up goes on, until it ends."""

from __future__ import division

from ftw.monitor.compat import monotonic
from ftw.monitor.wording import message_of
import fcntl
import re
import struct
import termios
import time


#: Seconds between two questions.
INTERVAL = 0.3

#: Seconds to wait for a monitor that is not there yet: the instance boots.
BOOT_PATIENCE = 120

#: Seconds to wait for one that was there and does not answer any more.
PATIENCE = 15

#: The exit status of a program that Ctrl-C has ended, as a shell has it.
INTERRUPTED = 130

#: Of a terminal that does not tell its width.
DEFAULT_COLUMNS = 80

#: What a terminal would obey.
CONTROL = re.compile(u'[\x00-\x1f\x7f-\x9f]')


class NoWarmup(Exception):
    """The answer is none to the command ``warmup``."""


def follow(ask, output, errors):
    """Show the warm-up on *output* until it has ended.

    A bar on a terminal, else a line for each change. A failed warm-up is
    followed as long as it will be tried again.

    :param ask: returns what the monitor answers to ``warmup``, as bytes.
        Raises ``OSError`` (``IOError`` on Python 2) if nobody answers.

    Returns the exit status: 0 if the instance is warm or is to stay cold, 1
    if the warm-up has failed for good or nobody answers, 130 after Ctrl-C. If
    nobody answers, *errors* gets a line.
    """
    display = Bar(output) if output.isatty() else Lines(output)
    try:
        return _follow(ask, display, errors)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        display.close()


def _follow(ask, display, errors):
    heard = monotonic()
    patience = BOOT_PATIENCE
    while True:
        try:
            figures = parse(ask())
        except EnvironmentError as error:
            if monotonic() - heard > patience:
                display.close()
                errors.write('No monitor answers at %s. Is the instance'
                             ' running?\n' % message_of(error))
                return 1
            display.say('waiting for the monitor at %s' % message_of(error))
        except NoWarmup as error:
            display.close()
            errors.write('The monitor does not tell about a warm-up, but'
                         ' answers: %s\n' % message_of(error))
            return 1
        else:
            heard = monotonic()
            patience = PATIENCE
            display.show(figures)
            status = status_of(figures)
            if status is not None:
                return status
        time.sleep(INTERVAL)


def parse(answer):
    """The *answer* of the command ``warmup`` as ``{key: value}``, text both.

    Raises ``NoWarmup``.
    """
    text = answer.decode('utf-8', 'replace')
    figures = dict(line.partition(u': ')[::2] for line in text.splitlines())
    if 'state' not in figures:
        raise NoWarmup(' '.join(text.split()))
    return figures


def status_of(figures):
    """The exit status, or None if it goes on."""
    state = figures['state']
    if state in ('done', 'not wanted'):
        return 0
    if state == 'failed' and figures['next try'] == 'none':
        return 1
    return None


def fraction_of(figures):
    """How much of the warm-up is done: from 0 to 1."""
    if figures['state'] == 'done':
        return 1
    done, steps = _numbers(figures['step'])
    loaded, planned = _numbers(figures['objects'])
    if not steps:
        return 0
    part = min(loaded / planned, 1) if planned else 0
    return min((done + part) / steps, 1)


def _numbers(text):
    """``(12, 30)`` for "12 of 30", ``(12, 0)`` for "12"."""
    numbers = [int(number) for number in re.findall(r'\d+', text)]
    return (numbers + [0, 0])[:2]


def describe(figures):
    """What goes on, in some words; the most important ones come first."""
    state = figures['state']
    if state == 'in progress':
        return ', '.join(_parts_of_progress(figures))
    if state == 'waiting':
        return 'waiting for ' + figures['waiting for']
    if state == 'failed':
        return 'failed: %s; %s' % (figures['last error'], next_try(figures))
    if state == 'done':
        return 'done after %s s, warnings: %s' % (
            figures['seconds'], figures['warnings'])
    if state == 'not wanted':
        return 'this instance does not warm itself up'
    return state


def _parts_of_progress(figures):
    site, worker = figures['site'], figures['worker']
    yield ('' if site == 'none' else site + ': ') + figures['stage']
    if _numbers(worker)[0]:
        yield 'worker ' + worker
    yield figures['seconds'] + ' s'


def details(figures):
    """What else there is to know while the warm-up is in progress."""
    text = ', %s loaded' % figures['objects']
    if figures['previous boot'] != 'unknown':
        text += ', last time %s s' % figures['previous boot']
    return text


def next_try(figures):
    """When a failed warm-up is tried again."""
    if figures['next try'] == 'none':
        return 'it is not tried again'
    return 'next try in %s s' % figures['next try']


class Lines(object):
    """For a file or a pipe: a line for each change."""

    def __init__(self, output):
        self._output = output
        self._last = None

    def show(self, figures):
        """Show the *figures*, as ``parse`` has returned them."""
        self._say(describe(figures), [figures[key] for key in (
            'state', 'stage', 'site', 'worker', 'waiting for')])

    def say(self, text):
        """Show a *text* in their place."""
        self._say(text, text)

    def _say(self, text, change):
        if change != self._last:
            self._last = change
            write(self._output, text, '\n')

    def close(self):
        """It has ended."""


class Bar(object):
    """For a terminal: a line with a bar, written again and again.

    The bar never shrinks, though the objects of each stage are counted from
    0 on, except when a warm-up begins anew.
    """

    def __init__(self, output):
        self._output = output
        self._fraction = 0
        self._seconds = 0
        self._state = None
        self._open = False

    def show(self, figures):
        """Show the *figures*, as ``parse`` has returned them."""
        state = figures['state']
        text = describe(figures)
        if state == 'failed':
            if self._state != state:
                # All of it, however long it is. The bar goes on below.
                self._write(text)
                self.close()
            text = next_try(figures)
        elif state == 'in progress':
            text += details(figures)
        self._state = state
        self._advance(fraction_of(figures), float(figures['seconds']))
        self.say(text)

    def _advance(self, fraction, seconds):
        if seconds < self._seconds:
            self._fraction = 0
        self._seconds = seconds
        self._fraction = max(self._fraction, fraction)

    def say(self, text):
        """Show a *text* beside the bar."""
        columns = columns_of(self._output)
        width = max(5, min(columns // 5, 40))
        full = int(self._fraction * width)
        line = '[%s%s] %3d %% %s' % (
            '#' * full, '.' * (width - full), self._fraction * 100, text)
        self._write(line[:columns - 1])

    def _write(self, line):
        # Over the whole width, but for the last column: some terminals would
        # go on to the next line.
        line = line.ljust(columns_of(self._output) - 1)
        write(self._output, line, '', '\r')
        self._open = True

    def close(self):
        """What comes next is in a line of its own."""
        if self._open:
            self._open = False
            write(self._output, '', '\n')


def columns_of(terminal):
    """How many columns a *terminal* has."""
    size = fcntl.ioctl(terminal.fileno(), termios.TIOCGWINSZ, b'\0' * 8)
    return struct.unpack('HHHH', size)[1] or DEFAULT_COLUMNS


def write(output, text, end, begin=''):
    """Write *text* as far as *output* can show it, at once."""
    if isinstance(text, bytes):
        text = text.decode('utf-8', 'replace')
    encoding = getattr(output, 'encoding', None) or 'utf-8'
    text = begin + CONTROL.sub(u'?', text) + end
    output.flush()
    # In Python 2 it is for bytes.
    getattr(output, 'buffer', output).write(text.encode(encoding, 'replace'))
    output.flush()
