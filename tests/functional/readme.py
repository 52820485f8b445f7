"""The examples in README.rst, so that they can be tested."""

from tests.functional.processes import REPOSITORY
import io
import os
import textwrap


def block(first_line):
    """The literal block of README.rst that begins with *first_line*."""
    with io.open(os.path.join(REPOSITORY, 'README.rst'),
                 encoding='utf-8') as readme:
        lines = readme.read().split('\n')
    begin = [line.strip() for line in lines].index(first_line)
    end = begin
    while not lines[end] or lines[end].startswith('    '):
        end += 1
    return str(textwrap.dedent('\n'.join(lines[begin:end])).rstrip() + '\n')
