"""``bin/instance monitor`` and ``ftw-monitor``: ask a running monitor."""

from ftw.monitor import address as addresses
from ftw.monitor import settings
from ftw.monitor.follow import follow
from ftw.monitor.wording import message_of
import argparse
import os
import sys


#: Seconds to wait for a connection, and for each piece of the answer.
TIMEOUT = 60

#: The same for one that is asked again and again, and answers from memory.
FOLLOW_TIMEOUT = 5

HEALTHY = b'OK\n'


def ask(address, line, timeout=TIMEOUT):
    """Send *line* to the monitor at *address*; return its answer as bytes.

    Raises ``OSError`` (``IOError`` on Python 2) if nobody answers.
    """
    if not isinstance(line, bytes):
        line = line.encode('utf-8')
    connection = address.connect(timeout)
    try:
        connection.sendall(line + b'\n')
        parts = []
        while True:
            part = connection.recv(65536)
            if not part:
                return b''.join(parts)
            parts.append(part)
    finally:
        connection.close()


def ask_first(candidates, line, timeout=TIMEOUT):
    """Ask the first of the *candidates* that is there: (address, answer).

    Raises ``EnvironmentError`` that names all of them if there is none.
    """
    problems = []
    for address in candidates:
        try:
            return address, ask(address, line, timeout)
        except EnvironmentError as error:
            problems.append('%s: %s' % (address, message_of(error)))
    raise EnvironmentError('; '.join(problems))


def run(candidates, words, output, errors):
    """Ask the first of the *candidates* (addresses) that is there.

    Writes the answer to *output* as it comes, or one line to *errors*.
    Returns the exit status.
    """
    if words == ['warmup', '--follow']:
        return follow(lambda: ask_for_warmup(candidates), output, errors)
    line = ' '.join(words) or 'help'
    try:
        address, answer = ask_first(candidates, line)
    except EnvironmentError as error:
        errors.write('No monitor answers at %s. Is the instance running?\n'
                     % message_of(error))
        return 1
    _write(output, answer)
    if not answer:
        errors.write('The monitor at %s closed the connection without an'
                     ' answer.\n' % (address,))
        return 1
    if line.split() in (['health_check'], ['alive_check']):
        return 0 if answer == HEALTHY else 1
    return 0


def ask_for_warmup(candidates):
    """What the monitor says of the warm-up; see ``follow``."""
    address, answer = ask_first(candidates, 'warmup', FOLLOW_TIMEOUT)
    if not answer:
        raise EnvironmentError('%s: there is no answer' % (address,))
    return answer


def _write(output, answer):
    # Bytes as they came, whatever the terminal's encoding is.
    output.flush()
    getattr(output, 'buffer', output).write(answer)
    output.flush()


def monitor(self, *args):
    """The control command of ``bin/instance``: ``monitor [CMD [ARG...]]``.

    :param self: the ``ZopeCmd`` of plone.recipe.zope2instance.
    :param args: the arguments as one string; apart in ``self.options.args``.
    """
    self._exitstatus = run_for_instance(
        self.options, ' '.join(args).split(), sys.stdout, sys.stderr)


def run_for_instance(options, words, output, errors):
    """Ask the monitor of the instance that *options* describe.

    :param options: the ``ZopeCtlOptions`` of ``bin/instance``.
    """
    environ = dict(os.environ)
    environ.update(options.configroot.environment or {})
    configured = settings.Settings(environ)
    for problem in configured.problems:
        errors.write(problem + '\n')
    if configured.address == addresses.OFF:
        errors.write('The monitor of this instance is turned off'
                     ' (FTW_MONITOR_ADDRESS=off).\n')
        return 1
    # Late: it loads Zope's publisher, for which ftw-monitor has no use.
    from ftw.monitor import instance
    try:
        candidates = addresses.monitor_addresses(
            configured.address, instance.controlled_addresses(options))
    except ValueError as error:
        errors.write('Cannot read where the instance listens: %s\n' % error)
        return 1
    if not candidates:
        errors.write('%s does not say on which port the instance listens. Set'
                     ' FTW_MONITOR_ADDRESS in the <environment> of its'
                     ' zope.conf.\n' % instance.configuration_file(options))
        return 1
    return run(candidates, words, output, errors)


class Parser(argparse.ArgumentParser):
    """Exits with 1 where argparse would exit with 2."""

    def exit(self, status=0, message=None):
        super(Parser, self).exit(min(status, 1), message)


def main(argv=None):
    """The script ``ftw-monitor``."""
    parser = Parser(
        prog='ftw-monitor',
        description='Ask the monitor of a Zope/Plone instance. Exits with 0'
                    ' if it answered (health_check and alive_check: if it is'
                    ' healthy or alive), else with 1.')
    parser.add_argument(
        '--address', '-a', metavar='ADDRESS', type=address_argument,
        default=os.environ.get('FTW_MONITOR_ADDRESS') or None,
        help='where the monitor listens: PORT (of this host), HOST:PORT,'
             ' [IPv6]:PORT or the path of a UNIX socket; by default, what'
             ' the variable FTW_MONITOR_ADDRESS says')
    parser.add_argument(
        'words', metavar='CMD [ARG...]', nargs=argparse.REMAINDER,
        help='the command, by default "help"; "warmup --follow" shows the'
             ' progress of the warm-up until it ends')
    options = parser.parse_args(argv)
    if options.address is None:
        parser.error('--address is missing: the HTTP port of the instance + %d'
                     % addresses.PORT_OFFSET)
    return run([options.address], options.words, sys.stdout, sys.stderr)


def address_argument(text):
    """The value of ``--address`` as an address."""
    try:
        address = addresses.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error))
    return addresses.monitor_addresses(address, [])[0]
