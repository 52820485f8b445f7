"""The format of a hot set. All bytes that there may be are read without any
other exception, and nothing but what was written is read as a hot set."""

from ftw.monitor.warmup import hotset
from ftw.monitor.warmup.hotset import HotSet
from ftw.monitor.warmup.hotset import HotSetError
from ftw.monitor.warmup.hotset import parse
from ftw.monitor.warmup.hotset import serialize
from hashlib import sha256
from hypothesis import example
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from tests.patch import patch
from tests.texts import TEXT
import json
import unittest


TID = b'\x03\xfa\x5c\x1e\x2b\x3d\x4e\x5f'

OID = b'\x00\x00\x00\x00\x00\x00\x00\x07'

#: JSON for a header that is right.
HEADER = {
    'saved': 1760000000, 'warmup_seconds': 12.5, 'hosts': ['example.org'],
    'databases': [
        {'name': 'main', 'root_tid': '03fa5c1e2b3d4e5f', 'objects': 2}]}

#: Such as would be one that is right, if it were of other types.
NONSENSE = [
    None, True, False, -1, 1.5, 10 ** 30, 1e300, float('inf'), float('-inf'),
    float('nan'), '', 'x', [], [[]], [1], {}, {'a': 1}]

FUZZ = settings(database=None, deadline=None,
                suppress_health_check=[HealthCheck.too_slow])

IDS = st.binary(min_size=8, max_size=8)

NAMES = TEXT.filter(lambda text: not any(
    0xd800 <= ord(letter) < 0xe000 for letter in text)).map(hotset.native)

HOT_SETS = st.builds(
    HotSet, st.integers(0, 10 ** 10),
    st.one_of(st.none(), st.floats(0, 10 ** 10)),
    st.lists(NAMES, max_size=5),
    st.dictionaries(NAMES, st.tuples(IDS, st.lists(IDS)), max_size=3))

JSON = st.recursive(
    st.one_of(st.integers(), st.floats(), st.text(max_size=5),
              st.sampled_from(NONSENSE)),
    lambda values: st.one_of(
        st.lists(values, max_size=3),
        st.dictionaries(
            st.sampled_from(['name', 'root_tid', 'objects']), values)),
    max_leaves=5)


def make_one(**values):
    """A hot set that is right but for *values*."""
    return HotSet(**dict({
        'saved': 1760000000, 'warmup_seconds': 12.5, 'hosts': ['example.org'],
        'databases': {'main': (TID, [OID, b'\xff' * 8])}}, **values))


def signed(line, body):
    """The bytes of a file with *line* and *body*, and their checksum."""
    data = hotset.FIRST_LINE + line + body
    return data + sha256(data).digest()


def with_header(header, body=OID * 2):
    return signed(json.dumps(header).encode('ascii') + b'\n', body)


class HotSetCase(unittest.TestCase):

    def assertWrong(self, data, *parts):
        """The reason why *data* is no hot set has these *parts*."""
        with self.assertRaises(HotSetError) as caught:
            parse(data)
        reason = str(caught.exception)
        for part in parts:
            self.assertIn(part, reason)
        self.assertNotIn('\n', reason)
        self.assertLess(len(reason), 200)

    def assertEqualHotSets(self, expected, hot_set):
        self.assertEqual(vars(expected), vars(hot_set))


class TestTheFormat(HotSetCase):

    @FUZZ
    @given(HOT_SETS)
    @example(make_one())
    def test_what_was_written_is_read_exactly(self, hot_set):
        self.assertEqualHotSets(hot_set, parse(serialize(hot_set)))

    def test_it_is_the_one_that_is_described(self):
        data = serialize(make_one(databases={
            'main': (TID, [OID, b'\xff' * 8]), 'catalog': (OID, [TID])}))
        first, header, rest = data.split(b'\n', 2)
        self.assertEqual(b'ftw.monitor hot set 1', first)
        self.assertEqual(dict(HEADER, databases=[
            {'name': 'catalog', 'objects': 1, 'root_tid': '0000000000000007'},
            {'name': 'main', 'objects': 2, 'root_tid': '03fa5c1e2b3d4e5f'},
        ]), json.loads(header.decode('ascii')))
        self.assertEqual(TID + OID + b'\xff' * 8, rest[:-32])
        self.assertEqual(sha256(data[:-32]).digest(), rest[-32:])

    def test_one_that_was_written_by_hand_is_read(self):
        self.assertEqualHotSets(
            make_one(databases={'main': (TID, [OID, OID])}),
            parse(with_header(HEADER)))

    def test_an_object_takes_eight_bytes(self):
        few, many = [
            serialize(make_one(databases={'main': (TID, [OID] * count)}))
            for count in (10000, 30000)]
        self.assertEqual(20000 * 8, len(many) - len(few))
        self.assertLess(len(many), 30000 * 16)

    def test_the_objects_of_all_databases_count(self):
        self.assertEqual(3, make_one(databases={
            'main': (TID, [OID] * 2), 'catalog': (TID, [OID])}).count())

    def test_what_is_not_right_is_not_written(self):
        for databases, part in (
                ({'main': (TID, [OID, b'short'])}, 'short'),
                ({'main': (b'short', [OID])}, 'short'),
                ({'main': (TID, [OID] * 11)}, '11 objects'),
                ({'m' * 1000: (TID, [OID])}, 'bytes of names')):
            patch(self, hotset, 'MAX_OBJECTS', 10)
            patch(self, hotset, 'MAX_HEADER', 1000)
            with self.assertRaises(HotSetError) as caught:
                serialize(make_one(databases=databases))
            self.assertIn(part, str(caught.exception))


class TestDamage(HotSetCase):

    DATA = serialize(make_one())

    def test_nothing(self):
        self.assertWrong(b'', 'is empty')

    def test_something_else(self):
        for data in (b'x', b'<html>\n', b'\x00' * 100000, b'FS21' + b'x' * 99):
            self.assertWrong(data, 'is not a hot set')

    def test_another_version(self):
        for version in (b'2\n', b'10\n', b'x'):
            self.assertWrong(
                self.DATA.replace(b' 1\n', b' ' + version, 1),
                'is of another version', 'hot set ' + version[:1].decode())

    def test_every_truncation_is_detected(self):
        for size in range(len(self.DATA)):
            self.assertWrong(self.DATA[:size])

    def test_every_changed_byte_is_detected(self):
        for position in range(len(self.DATA)):
            for mask in (0x01, 0x20, 0x80, 0xff):
                damaged = bytearray(self.DATA)
                damaged[position] ^= mask
                self.assertWrong(bytes(damaged))

    def test_bytes_that_follow_are_detected(self):
        for more in (b'\n', b'\x00', OID, self.DATA):
            self.assertWrong(self.DATA + more, 'checksum')

    @FUZZ
    @given(st.binary())
    def test_no_bytes_lead_to_anything_else(self, data):
        for start in (b'', hotset.MAGIC, hotset.FIRST_LINE):
            self.assertWrong(start + data)

    @FUZZ
    @given(st.binary(), st.binary())
    def test_nor_do_any_with_a_checksum(self, line, body):
        self.assertWrong(signed(line, body))
        self.assertWrong(signed(line + b'\n', body))

    def test_a_file_that_is_too_large(self):
        patch(self, hotset, 'MAX_SIZE', len(self.DATA) - 1)
        self.assertWrong(self.DATA, 'more than %d bytes' % hotset.MAX_SIZE)


class TestHeadersThatMakeNoSense(HotSetCase):
    """Those with a checksum: somebody has written them."""

    def test_none_at_all(self):
        self.assertWrong(signed(b'', b''), 'header')
        self.assertWrong(signed(b'\n', b''), 'header')

    def test_no_json(self):
        self.assertWrong(signed(b'{"saved": \n', b''), 'cannot be read')
        self.assertWrong(signed(b'{"saved": "\xff"}\n', b''), 'cannot be read')

    def test_one_without_an_end(self):
        self.assertWrong(signed(b'{' + b' ' * 2 ** 17, b''), 'more than 65536')

    def test_lists_in_lists(self):
        for depth in (100, 900, 990, 10000):
            for end in (b'', b']' * depth):
                self.assertWrong(signed(b'[' * depth + end + b'\n', b''))
                self.assertWrong(signed(
                    b'{"saved": ' + b'[' * depth + end + b'}\n', b''))

    def test_a_number_of_many_digits(self):
        self.assertWrong(
            signed(b'{"saved": ' + b'9' * 60000 + b'}\n', b''))

    def test_another_value_for_each_key(self):
        for key in HEADER:
            for value in NONSENSE:
                self.assert_read_if_right(
                    dict(HEADER, **{key: value}), OID * 2)

    def test_another_value_for_each_key_of_a_database(self):
        for key in HEADER['databases'][0]:
            for value in NONSENSE + ['03fa5c1e2b3d4e5', '03fa5c1e2b3d4e5g',
                                     '03fa5c1e2b3d4e5f0', '03fa5c1e2b3d4e5f\n',
                                     u'\uff10' * 16]:
                self.assert_read_if_right(dict(HEADER, databases=[
                    dict(HEADER['databases'][0], **{key: value})]), OID * 2)

    @FUZZ
    @given(st.dictionaries(st.sampled_from(sorted(HEADER)), JSON),
           st.sampled_from([b'', OID, OID * 2, OID * 3, b'x']))
    def test_any_values(self, values, body):
        self.assert_read_if_right(dict(HEADER, **values), body)

    @FUZZ
    @given(JSON)
    def test_any_json(self, value):
        self.assertWrong(with_header(value))

    def assert_read_if_right(self, header, body):
        """Read it, or say what is wrong; nothing else happens."""
        try:
            hot_set = parse(with_header(header, body))
        except HotSetError:
            return
        self.assertEqual(len(body), 8 * hot_set.count())
        self.assertEqualHotSets(hot_set, parse(serialize(hot_set)))

    def test_a_key_that_is_missing(self):
        for key in HEADER:
            header = dict(HEADER)
            del header[key]
            if key == 'warmup_seconds':
                self.assertIsNone(parse(with_header(header)).warmup_seconds)
            else:
                self.assertWrong(with_header(header), key, 'None')
        for key in HEADER['databases'][0]:
            database = dict(HEADER['databases'][0])
            del database[key]
            self.assertWrong(with_header(
                dict(HEADER, databases=[database])), 'databases')

    def test_two_databases_of_one_name(self):
        self.assertWrong(with_header(
            dict(HEADER, databases=HEADER['databases'] * 2), OID * 4),
            'databases')

    def test_more_or_less_objects_than_there_are(self):
        for count in (0, 1, 3, 10 ** 9, 10 ** 100):
            database = dict(HEADER['databases'][0], objects=count)
            self.assertWrong(
                with_header(dict(HEADER, databases=[database])),
                'has 16 bytes of object ids', str(count * 8)[:90])

    def test_a_part_of_an_object(self):
        self.assertWrong(with_header(HEADER, OID + b'x'), '9 bytes')
