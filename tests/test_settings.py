from ftw.monitor import settings
from ftw.monitor.address import OFF
from ftw.monitor.address import TCPAddress
from ftw.monitor.address import UnixAddress
from ftw.monitor.settings import Settings
from itertools import product
import os
import unittest


ADDRESS = 'FTW_MONITOR_ADDRESS'
AUTOWARMUP = 'FTW_MONITOR_AUTOWARMUP'
GRACE = 'FTW_MONITOR_DATABASE_GRACE'
HOTSET = 'FTW_MONITOR_HOTSET'
PATHS = 'FTW_MONITOR_WARMUP_PATHS'
REQUIRED = 'FTW_MONITOR_WARMUP_REQUIRED'
SEED = 'FTW_MONITOR_HOTSET_SEED'
STUCK = 'FTW_MONITOR_STUCK_AFTER'
TIMEOUT = 'FTW_MONITOR_WARMUP_TIMEOUT'
WAIT = 'FTW_MONITOR_WARMUP_WAIT'

#: Variable, attribute and default of each setting.
ALL = (
    (ADDRESS, 'address', None),
    (AUTOWARMUP, 'autowarmup', True),
    (GRACE, 'database_grace', 0),
    (HOTSET, 'hotset', None),
    (PATHS, 'warmup_paths', []),
    (REQUIRED, 'warmup_required', True),
    (SEED, 'hotset_seed', None),
    (STUCK, 'stuck_after', 300),
    (TIMEOUT, 'warmup_timeout', 1800),
    (WAIT, 'warmup_wait', 0),
)
ATTRIBUTES = {variable: attribute for variable, attribute, _ in ALL}
DEFAULTS = {variable: default for variable, _, default in ALL}


def spellings(word):
    """*word* in every mixture of upper and lower case."""
    return {''.join(letters) for letters in
            product(*[(letter.lower(), letter.upper()) for letter in word])}


class TestSettings(unittest.TestCase):

    def assertReads(self, variable, text, expected):
        read = Settings({variable: text})
        self.assertEqual(read.problems, [])
        value = getattr(read, ATTRIBUTES[variable])
        self.assertEqual(value, expected, (variable, text, value))
        self.assertIs(type(value), type(expected))

    def assertProblem(self, variable, text):
        read = Settings({variable: text})
        self.assertEqual(len(read.problems), 1, (variable, text))
        problem, = read.problems
        self.assertTrue(problem.startswith(variable + ' is ignored: '))
        self.assertTrue(problem.endswith(' The default is used.'))
        self.assertIn(repr(text), problem)
        self.assertNotIn('\n', problem)
        for other, attribute, default in ALL:
            self.assertEqual(getattr(read, attribute), default, other)

    def test_defaults(self):
        read = Settings({'HOME': '/root'})
        for _, attribute, default in ALL:
            self.assertEqual(getattr(read, attribute), default)
        self.assertEqual(read.problems, [])

    def test_an_empty_variable_is_none(self):
        for variable, default in DEFAULTS.items():
            for text in ('', ' ', '\t \n'):
                self.assertReads(variable, text, default)

    def test_white_space_around_a_value_does_not_matter(self):
        self.assertReads(ADDRESS, ' 8160 ', TCPAddress(None, 8160))
        self.assertReads(AUTOWARMUP, ' off\n', False)
        self.assertReads(TIMEOUT, '\t60 ', 60)
        self.assertReads(HOTSET, ' /var/hotset ', '/var/hotset')

    def test_an_address(self):
        for text, expected in (
                ('8160', TCPAddress(None, 8160)),
                ('10.0.0.1:99', TCPAddress('10.0.0.1', 99)),
                ('[::1]:99', TCPAddress('::1', 99)),
                ('*:99', TCPAddress('', 99)),
                ('/run/monitor', UnixAddress('/run/monitor'))):
            self.assertReads(ADDRESS, text, expected)

    def test_no_monitor_in_any_case(self):
        for text in spellings('off'):
            self.assertReads(ADDRESS, text, OFF)

    def test_an_address_that_is_none(self):
        for text in ('no', '0', '65536', 'localhost', 'run/socket', '::1:80',
                     'http://localhost:80'):
            self.assertProblem(ADDRESS, text)

    def test_switched_off_in_any_case(self):
        for variable in (AUTOWARMUP, REQUIRED):
            for word in ('0', 'false', 'no', 'off'):
                for text in spellings(word):
                    self.assertReads(variable, text, False)

    def test_switched_on_in_any_case(self):
        for variable in (AUTOWARMUP, REQUIRED):
            for word in ('1', 'true', 'yes', 'on'):
                for text in spellings(word):
                    self.assertReads(variable, text, True)

    def test_a_switch_that_is_none(self):
        for variable in (AUTOWARMUP, REQUIRED):
            for text in ('2', '-1', '00', 'nope', 'disabled', 'f', 'no no',
                         '0.0'):
                self.assertProblem(variable, text)

    def test_a_bad_switch_names_what_is_possible(self):
        problem, = Settings({AUTOWARMUP: 'never'}).problems
        self.assertEqual(
            problem,
            "FTW_MONITOR_AUTOWARMUP is ignored: 'never' is neither of 1,"
            " true, yes, on nor of 0, false, no, off. The default is used.")

    def test_a_time_limit(self):
        self.assertReads(TIMEOUT, '1', 1)
        self.assertReads(TIMEOUT, '60.0', 60)
        self.assertReads(TIMEOUT, '0.5', 0.5)
        self.assertReads(TIMEOUT, '1e3', 1000)

    def test_a_time_limit_that_is_none(self):
        for text in ('0', '-1', '0.0', '-0', 'nan', 'inf', '-inf', '1e999',
                     '10 min', '1,5', 'off', 'never'):
            self.assertProblem(TIMEOUT, text)

    def test_to_wait_for_other_instances(self):
        self.assertReads(WAIT, '120', 120)
        self.assertReads(WAIT, '0.5', 0.5)

    def test_not_to_wait_for_other_instances(self):
        for word in ('0', 'false', 'no', 'off'):
            for text in spellings(word):
                self.assertReads(WAIT, text, 0)

    def test_a_time_to_wait_that_is_none(self):
        for text in ('-1', '0.0', 'nan', 'inf', '1e999', '2 min', '1,5',
                     'on', 'true', 'forever'):
            self.assertProblem(WAIT, text)

    def test_how_long_a_database_may_be_away_and_workers_stuck(self):
        for variable in (GRACE, STUCK):
            self.assertReads(variable, '10', 10)
            self.assertReads(variable, '0.5', 0.5)
            for text in ('0', 'off', 'NO', 'false'):
                self.assertReads(variable, text, 0)
            for text in ('-1', 'nan', 'inf', '1e999', '5 min', '1,5', 'on'):
                self.assertProblem(variable, text)

    def test_a_file_for_the_hot_set(self):
        self.assertReads(HOTSET, '/var/lib/plone/1.hotset',
                         '/var/lib/plone/1.hotset')
        # Whatever it is called.
        self.assertReads(HOTSET, '/off', '/off')

    def test_no_hot_set(self):
        for word in ('0', 'false', 'no', 'off'):
            for text in spellings(word):
                self.assertReads(HOTSET, text, OFF)

    def test_a_file_to_start_from(self):
        self.assertReads(SEED, '/srv/shared/plone.hotset',
                         '/srv/shared/plone.hotset')

    def test_a_file_that_nobody_knows_where_it_is(self):
        # That would depend on where the instance is started.
        for text in ('hotset', 'var/hotset', './hotset', '../hotset',
                     '~/hotset', 'file:///var/hotset', 'on'):
            self.assertProblem(HOTSET, text)
            self.assertProblem(SEED, text)

    def test_a_relative_path_is_refused_with_the_reason(self):
        self.assertEqual(
            Settings({HOTSET: 'var/hotset', SEED: 'seed'}).problems,
            ["FTW_MONITOR_HOTSET is ignored: 'var/hotset' is no absolute"
             " path. The default is used.",
             "FTW_MONITOR_HOTSET_SEED is ignored: 'seed' is no absolute path."
             " The default is used."])

    def test_there_is_no_word_for_no_file_to_start_from(self):
        # To start from none is to set nothing.
        self.assertProblem(SEED, 'off')

    def test_paths_are_relative_to_the_site(self):
        self.assertReads(PATHS, 'news', ['news'])
        self.assertReads(PATHS, '/news/ /a/b,c\nd,,e ,',
                         ['news', 'a/b', 'c', 'd', 'e'])

    def test_each_bad_variable_is_one_problem(self):
        read = Settings({
            ADDRESS: 'x', AUTOWARMUP: 'x', REQUIRED: 'x', TIMEOUT: 'x',
            PATHS: 'x', WAIT: 'x', HOTSET: 'x', SEED: 'x',
            GRACE: 'x', STUCK: 'x'})
        self.assertEqual(
            sorted(problem.split()[0] for problem in read.problems),
            sorted([ADDRESS, AUTOWARMUP, REQUIRED, TIMEOUT, WAIT, HOTSET,
                    SEED, GRACE, STUCK]))
        self.assertEqual(read.warmup_paths, ['x'])

    def test_the_default_list_of_paths_belongs_to_nobody_else(self):
        Settings({}).warmup_paths.append('mine')
        self.assertEqual(Settings({}).warmup_paths, [])

    def test_the_environment_is_read_when_it_is_asked_for(self):
        self.addCleanup(os.environ.pop, TIMEOUT, None)
        os.environ[TIMEOUT] = '7'
        self.assertEqual(settings.read().warmup_timeout, 7)
        os.environ[TIMEOUT] = '8'
        self.assertEqual(settings.read().warmup_timeout, 8)
