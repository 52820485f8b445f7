"""A hot set, and the format that it is stored in.

A file of this format has four parts, one after the other:

1. the line ``ftw.monitor hot set 1``; the number is the format's version;
2. a line of JSON, in ASCII, of at most ``MAX_HEADER`` bytes, with the values
   that a ``HotSet`` has (here in several lines)::

       {"saved": 1760000000, "warmup_seconds": 12.5,
        "hosts": ["www.example.org"],
        "databases": [{"name": "main", "root_tid": "03fa5c1e2b3d4e5f",
                       "objects": 30000}]}

   ``root_tid`` is in hexadecimal digits;
3. the object ids of the databases, in the order of the header, 8 bytes each;
4. the SHA-256 of all that comes before, 32 bytes.
"""

from binascii import hexlify
from binascii import unhexlify
from ftw.monitor.compat import native
from ftw.monitor.wording import message_of
from hashlib import sha256
from numbers import Integral
from numbers import Real
import json
import re


#: The first line without its version.
MAGIC = b'ftw.monitor hot set '

FIRST_LINE = MAGIC + b'1\n'

#: Bytes of an object id, and of a transaction id.
ID_SIZE = 8

#: An id in hexadecimal digits.
HEX_ID = re.compile(r'[0-9a-f]{%d}\Z' % (2 * ID_SIZE))

DIGEST_SIZE = sha256().digest_size

#: Bytes of the second line.
MAX_HEADER = 2 ** 16

#: More objects than the caches of a process hold.
MAX_OBJECTS = 4 * 10 ** 6

#: Bytes of a file.
MAX_SIZE = len(FIRST_LINE) + MAX_HEADER + MAX_OBJECTS * ID_SIZE + DIGEST_SIZE

#: The year 2286. What is beyond was not measured by any clock.
MAX_SECONDS = 10 ** 10

TEXT = type(u'')


class HotSetError(Exception):
    """What is wrong with a hot set, or with the file it is in: one sentence.

    If it is about the content of a file, the sentence begins with what comes
    after the file's name.
    """


class HotSet(object):
    """The objects that a process has used last.

    :ivar saved: when that was, in whole seconds since 1970 (UTC).
    :ivar warmup_seconds: how long the first warm-up of that process took, or
        None.
    :ivar hosts: the virtual hosts, a list of ``str``.
    :ivar databases: ``{name: (root_tid, oids)}``: the 8 bytes that
        ``caches.root_tid()`` knows the database by, and a list of object ids,
        8 bytes each, most recently used first.
    """

    def __init__(self, saved, warmup_seconds, hosts, databases):
        self.saved = saved
        self.warmup_seconds = warmup_seconds
        self.hosts = hosts
        self.databases = databases

    def count(self):
        """How many objects there are, in all databases."""
        return sum(len(oids) for _, oids in self.databases.values())


def serialize(hot_set):
    """The bytes of a file with *hot_set*.

    Raises ``HotSetError`` if they could not be parsed again.
    """
    databases = sorted(hot_set.databases.items())
    header = _header_line(hot_set, databases)
    if hot_set.count() > MAX_OBJECTS or len(header) > MAX_HEADER:
        raise HotSetError(
            'it is too large: %d objects, of at most %d, and %d bytes of'
            ' names, of at most %d' % (
                hot_set.count(), MAX_OBJECTS, len(header), MAX_HEADER))
    parts = [FIRST_LINE, header]
    for name, (root_tid, oids) in databases:
        parts.extend(oids)
        for identifier in [root_tid] + oids:
            if len(identifier) != ID_SIZE:
                raise HotSetError('the identifier %r in database %r has not %d'
                                  ' bytes' % (identifier, name, ID_SIZE))
    data = b''.join(parts)
    return data + sha256(data).digest()


def _header_line(hot_set, databases):
    return json.dumps({
        'saved': hot_set.saved,
        'warmup_seconds': hot_set.warmup_seconds,
        'hosts': hot_set.hosts,
        'databases': [{
            'name': name,
            'root_tid': hexlify(root_tid).decode('ascii'),
            'objects': len(oids),
        } for name, (root_tid, oids) in databases],
    }).encode('ascii') + b'\n'


def parse(data):
    """The ``HotSet`` in *data*, the bytes of a file.

    Raises ``HotSetError``.
    """
    if not data.startswith(FIRST_LINE):
        raise HotSetError(_what_else(data))
    if len(data) > MAX_SIZE:
        raise HotSetError('has more than %d bytes' % MAX_SIZE)
    signed, digest = data[:-DIGEST_SIZE], data[-DIGEST_SIZE:]
    if sha256(signed).digest() != digest:
        raise HotSetError(
            'is damaged or not complete: its checksum is not right')
    line, _, body = signed[len(FIRST_LINE):].partition(b'\n')
    if len(line) >= MAX_HEADER:
        raise HotSetError('has a header of more than %d bytes' % MAX_HEADER)
    try:
        header = _Header(json.loads(line.decode('ascii')))
    except (ValueError, RuntimeError) as error:
        # RuntimeError: of lists in lists in lists.
        raise HotSetError('has a header that cannot be read: %s' %
                          message_of(error))
    return HotSet(header.saved, header.warmup_seconds, header.hosts,
                  _databases(header, body))


def _what_else(data):
    start = data[:len(FIRST_LINE)]
    if not start:
        return 'is empty'
    if start.startswith(MAGIC):
        return ('is of another version: it begins with %r, and this release'
                ' reads %r' % (start, FIRST_LINE))
    return 'is not a hot set: it begins with %r' % start


def _databases(header, body):
    size = sum(objects for _, _, objects in header.databases) * ID_SIZE
    if len(body) != size:
        raise HotSetError('has %d bytes of object ids where its header says %d'
                          % (len(body), size))
    oids = iter([body[start:start + ID_SIZE]
                 for start in range(0, size, ID_SIZE)])
    return {name: (root_tid, [next(oids) for _ in range(objects)])
            for name, root_tid, objects in header.databases}


class _Header(object):
    """The second line of a file, checked: the checksum only shows that this
    is what somebody has written.

    :ivar databases: a list of ``(name, root_tid, number of objects)``.

    *values* is what JSON was made of. Raises ``HotSetError``.
    """

    def __init__(self, values):
        self._values = values if isinstance(values, dict) else {}
        self.saved = self._get('saved', _is_time)
        self.warmup_seconds = self._get(
            'warmup_seconds', lambda value: value is None or _is_time(
                value, Real))
        self.hosts = [native(host) for host in self._get('hosts', _are_texts)]
        self.databases = [
            (native(database['name']), unhexlify(database['root_tid']),
             database['objects'])
            for database in self._get('databases', _are_databases)]

    def _get(self, name, is_right):
        value = self._values.get(name)
        if not is_right(value):
            raise HotSetError('has a header in which %s is %.60r' % (
                name, value))
        return value


def _is_number(value, kind=Integral):
    # For Python, True is a number.
    return (isinstance(value, kind) and not isinstance(value, bool)
            and value >= 0)


def _is_time(value, kind=Integral):
    return _is_number(value, kind) and value <= MAX_SECONDS


def _are_texts(value):
    return isinstance(value, list) and all(
        isinstance(text, TEXT) for text in value)


def _are_databases(value):
    return (isinstance(value, list) and all(map(_is_database, value))
            and len(set(database['name'] for database in value)) == len(value))


def _is_database(value):
    return (isinstance(value, dict)
            and isinstance(value.get('name'), TEXT)
            and isinstance(value.get('root_tid'), TEXT)
            and HEX_ID.match(value['root_tid']) is not None
            and _is_number(value.get('objects')))
