"""The examples in the guides, so that they can be tested."""

from tests.functional.processes import REPOSITORY
import io
import os
import textwrap


def example(first_line, guide='README.rst'):
    """The literal block of *guide* that begins with *first_line*."""
    with io.open(os.path.join(REPOSITORY, *guide.split('/')),
                 encoding='utf-8') as source:
        lines = source.read().split('\n')
    begin = [line.strip() for line in lines].index(first_line)
    end = begin
    while not lines[end] or lines[end].startswith('    '):
        end += 1
    return str(textwrap.dedent('\n'.join(lines[begin:end])).rstrip() + '\n')
