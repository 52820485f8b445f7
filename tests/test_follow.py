# -*- coding: utf-8 -*-
from ftw.monitor import follow
from ftw.monitor.commands.health import warmup_figures
from ftw.monitor.lifecycle import Lifecycle
from tests.patch import patch
from tests.terminal import content
from tests.terminal import lines_on_screen
from tests.terminal import open_terminal
from tests.terminal import Output
from tests.terminal import read
import os
import unittest


def answer(**changes):
    """What the monitor says in the middle of a warm-up, but for *changes*;
    a key is written with _ for its blank."""
    lifecycle = Lifecycle()
    lifecycle.begin_warmup()
    progress = lifecycle.progress
    progress.site = '/Plone'
    progress.worker, progress.workers = 2, 4
    progress.step, progress.steps = 1, 4
    progress.begin_stage('catalog', 1000)
    progress.count(200)
    progress.seconds = lambda: 4.2
    figures = dict(warmup_figures(lifecycle))
    for key, value in changes.items():
        figures[key.replace('_', ' ')] = value
    return u''.join(u'%s: %s\n' % pair for pair in figures.items()).encode(
        'utf-8')


def figures(**changes):
    return follow.parse(answer(**changes))


class TestTheAnswer(unittest.TestCase):

    def test_every_key_has_its_value(self):
        parsed = figures(last_error='KeyError: 1: 2')
        self.assertEqual('in progress', parsed['state'])
        self.assertEqual('KeyError: 1: 2', parsed['last error'])
        self.assertEqual('200 of 1000', parsed['objects'])

    def test_another_answer_is_none(self):
        with self.assertRaises(follow.NoWarmup) as caught:
            follow.parse(b'Invalid command \'warmup\'\nTry "help".\n')
        self.assertEqual('Invalid command \'warmup\' Try "help".',
                         str(caught.exception))

    def test_when_it_has_ended(self):
        for state, status in (
                ('booting', None), ('waiting', None), ('in progress', None),
                ('failed', 1), ('done', 0), ('not wanted', 0)):
            self.assertEqual(status, follow.status_of(figures(state=state)))
        self.assertIsNone(follow.status_of(
            figures(state='failed', next_try='0.0')))

    def test_how_much_is_done(self):
        for expected, changes in (
                (0.3, {}),
                (0.25, {'objects': '0 of 1000'}),
                (0.25, {'objects': '200'}),
                (0.5, {'objects': '2000 of 1000'}),
                (1, {'step': '4 of 4'}),
                (1, {'step': '4 of 4', 'objects': '0'}),
                (0, {'step': '0 of 0'}),
                (0, {'step': '0 of 4', 'objects': '0'}),
                (1, {'state': 'done', 'step': '0 of 0'})):
            self.assertAlmostEqual(
                expected, follow.fraction_of(figures(**changes)))

    def test_what_is_said_of_it(self):
        for expected, changes in (
                ('/Plone: catalog, worker 2 of 4, 4.2 s', {}),
                ('hot set, worker 2 of 4, 4.2 s',
                 {'stage': 'hot set', 'site': 'none'}),
                ('begins, 4.2 s',
                 {'stage': 'begins', 'site': 'none', 'worker': '0 of 0'}),
                ('booting', {'state': 'booting'}),
                ('waiting for instance1 (process 12)',
                 {'state': 'waiting',
                  'waiting_for': 'instance1 (process 12)'}),
                ('failed: KeyError: 1; next try in 0.9 s',
                 {'state': 'failed', 'last_error': 'KeyError: 1',
                  'next_try': '0.9'}),
                ('failed: KeyError: 1; it is not tried again',
                 {'state': 'failed', 'last_error': 'KeyError: 1'}),
                ('done after 4.2 s, warnings: 2',
                 {'state': 'done', 'warnings': 2}),
                ('this instance does not warm itself up',
                 {'state': 'not wanted'})):
            self.assertEqual(expected, follow.describe(figures(**changes)))


class FollowCase(unittest.TestCase):

    def setUp(self):
        self.output = Output()
        self.errors = Output()
        self.now = 0
        patch(self, follow, 'monotonic', lambda: self.now)
        patch(self, follow, 'time', self)

    def sleep(self, seconds):
        """Instead of ``time.sleep``."""
        self.now += seconds

    def follow(self, *answers):
        """Follow a monitor that gives one of the *answers* after the other,
        and then the last one for ever."""
        answers = list(answers)

        def ask():
            found = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(found, BaseException):
                raise found
            return found

        return follow.follow(ask, self.output, self.errors)

    def lines(self):
        return content(self.output).decode('ascii').splitlines()

    def printed(self):
        return content(self.errors).decode('ascii')


class TestOnAPipe(FollowCase):

    def test_a_line_for_each_change(self):
        self.assertEqual(0, self.follow(
            answer(state='booting'), answer(state='booting'),
            answer(worker='1 of 4', seconds='1.0'),
            answer(worker='1 of 4', seconds='1.3', objects='300 of 1000'),
            answer(worker='2 of 4', seconds='1.6'),
            answer(stage='pages', seconds='1.9'),
            answer(stage='pages', seconds='2.2', site='/two'),
            answer(state='done', seconds='2.5')))
        self.assertEqual([
            'booting',
            '/Plone: catalog, worker 1 of 4, 1.0 s',
            '/Plone: catalog, worker 2 of 4, 1.6 s',
            '/Plone: pages, worker 2 of 4, 1.9 s',
            '/two: pages, worker 2 of 4, 2.2 s',
            'done after 2.5 s, warnings: 0'], self.lines())
        self.assertEqual('', self.printed())

    def test_a_warmup_that_fails_is_followed_until_it_succeeds(self):
        failed = dict(state='failed', last_error='KeyError: 1')
        self.assertEqual(0, self.follow(
            answer(), answer(next_try='0.9', **failed),
            answer(next_try='0.6', **failed), answer(),
            answer(next_try='1.9', **failed), answer(state='done')))
        self.assertEqual([
            '/Plone: catalog, worker 2 of 4, 4.2 s',
            'failed: KeyError: 1; next try in 0.9 s',
            '/Plone: catalog, worker 2 of 4, 4.2 s',
            'failed: KeyError: 1; next try in 1.9 s',
            'done after 4.2 s, warnings: 0'], self.lines())

    def test_one_that_is_not_tried_again_is_a_failure(self):
        self.assertEqual(1, self.follow(
            answer(state='failed', last_error='KeyError: 1')))
        self.assertEqual(
            ['failed: KeyError: 1; it is not tried again'], self.lines())

    def test_an_instance_that_does_not_warm_itself_up(self):
        self.assertEqual(0, self.follow(answer(state='not wanted')))
        self.assertEqual(
            ['this instance does not warm itself up'], self.lines())

    def test_an_instance_that_boots_is_waited_for(self):
        refused = IOError('127.0.0.1:8160: [Errno 111] Connection refused')
        self.assertEqual(0, self.follow(
            refused, refused, refused, answer(state='done')))
        self.assertEqual([
            'waiting for the monitor at 127.0.0.1:8160: [Errno 111]'
            ' Connection refused',
            'done after 4.2 s, warnings: 0'], self.lines())
        self.assertEqual('', self.printed())

    def test_one_that_never_comes_is_a_failure(self):
        self.assertEqual(1, self.follow(IOError('127.0.0.1:8160: refused')))
        self.assertEqual(1, len(self.lines()))
        self.assertEqual(
            'No monitor answers at 127.0.0.1:8160: refused. Is the instance'
            ' running?\n', self.printed())
        self.assertTrue(
            follow.BOOT_PATIENCE < self.now < follow.BOOT_PATIENCE + 1)

    def test_one_that_goes_away_is_a_failure(self):
        self.assertEqual(1, self.follow(
            answer(), IOError('127.0.0.1:8160: refused')))
        self.assertIn('Is the instance running?', self.printed())
        self.assertTrue(
            follow.PATIENCE < self.now < follow.PATIENCE + 1, self.now)

    def test_one_that_goes_away_for_a_moment_is_none(self):
        refused = IOError('127.0.0.1:8160: refused')
        moment = [refused] * int(follow.PATIENCE / follow.INTERVAL - 1)
        self.assertEqual(0, self.follow(*(
            [answer()] + moment + [answer()] + moment
            + [answer(state='done')])))

    def test_an_older_release_has_no_such_command(self):
        self.assertEqual(1, self.follow(
            b'Invalid command \'warmup\'\nTry "help".\n'))
        self.assertEqual([], self.lines())
        self.assertEqual(
            'The monitor does not tell about a warm-up, but answers: Invalid'
            ' command \'warmup\' Try "help".\n', self.printed())

    def test_ctrl_c(self):
        self.assertEqual(130, self.follow(answer(), KeyboardInterrupt()))

    def test_what_the_output_cannot_show_is_a_question_mark(self):
        error = b'\xc3\xa4\x1b[2J\xff'.decode('utf-8', 'replace')
        self.assertEqual(1, self.follow(
            answer(state='failed', last_error=error)))
        line = content(self.output)
        self.assertNotIn(b'\x1b', line)
        self.assertIn(b'?[2J', line)


class TestOnATerminal(unittest.TestCase):

    def terminal(self, columns=80):
        """Have ``self.bar`` write to a terminal."""
        self.master, slave = open_terminal(columns)
        self.output = os.fdopen(slave, 'w')
        self.addCleanup(os.close, self.master)
        self.addCleanup(self.output.close)
        self.bar = follow.Bar(self.output)

    def shown(self):
        """The bytes that were shown since the last time."""
        # Something that is not shown otherwise, to see the end.
        self.output.write('\x04')
        self.output.flush()
        found = b''
        while not found.endswith(b'\x04'):
            found += read(self.master)
        return found[:-1]

    def screen(self):
        return lines_on_screen(self.shown())

    def test_one_line_is_written_again_and_again(self):
        self.terminal()
        self.bar.show(figures())
        self.bar.show(figures(step='2 of 4', objects='0', seconds='12.0'))
        self.assertEqual(
            ['[########........]  50 % /Plone: catalog, worker 2 of 4,'
             ' 12.0 s, 0 loaded'], self.screen())

    def test_what_the_last_boot_took(self):
        self.terminal(120)
        self.bar.show(figures(previous_boot='5.1'))
        self.assertEqual(
            ['[#######.................]  30 % /Plone: catalog, worker 2 of'
             ' 4, 4.2 s, 200 of 1000 loaded, last time 5.1 s'],
            self.screen())

    def test_a_shorter_text_leaves_nothing_of_a_longer_one(self):
        self.terminal()
        self.bar.say(100 * 'x')
        self.bar.say('y')
        self.assertEqual(
            ['[................]   0 % y'], self.screen())

    def test_no_line_is_wider_than_the_terminal(self):
        for columns in (20, 40, 79, 80, 81, 200):
            self.terminal(columns)
            self.bar.show(figures(site='/' + 300 * 'x'))
            for line in self.shown().decode('ascii').split('\r'):
                self.assertTrue(len(line) < columns, (columns, line))

    def test_a_terminal_that_does_not_tell_its_width(self):
        self.terminal(0)
        self.bar.say(100 * 'x')
        self.assertEqual(79, len(self.screen()[0]))

    def test_it_ends_with_a_line_of_its_own(self):
        self.terminal()
        self.bar.show(figures(state='done'))
        self.bar.close()
        self.bar.close()
        self.assertEqual(
            ['[################] 100 % done after 4.2 s, warnings: 0',
             ''], self.screen())

    def test_a_failure_is_shown_in_full_and_the_bar_goes_on_below(self):
        self.terminal()
        failed = dict(state='failed', last_error='KeyError: %s' % (90 * 'x'))
        self.bar.show(figures())
        self.bar.show(figures(next_try='0.9', **failed))
        self.bar.show(figures(next_try='0.6', **failed))
        self.bar.show(figures(seconds='0.3', step='0 of 4', objects='9'))
        self.assertEqual(
            ['failed: KeyError: %s; next try in 0.9 s' % (90 * 'x'),
             '[................]   0 % /Plone: catalog, worker 2 of 4,'
             ' 0.3 s, 9 loaded'], self.screen())

    def test_the_bar_does_not_shrink_but_for_another_try(self):
        self.terminal()
        for expected, changes in (
                (30, {'objects': '200 of 1000', 'seconds': '1.0'}),
                (30, {'objects': '12', 'seconds': '1.3'}),
                (50, {'step': '2 of 4', 'objects': '0', 'seconds': '1.6'}),
                (0, {'step': '0 of 4', 'objects': '0', 'seconds': '0.1'})):
            self.bar.show(figures(**changes))
            self.assertIn(']%4d %% ' % expected,
                          self.shown().decode('ascii'))

    def test_following_on_a_terminal_shows_a_bar(self):
        self.terminal()
        self.assertEqual(0, follow.follow(
            lambda: answer(state='done'), self.output, None))
        self.assertIn(b' 100 % done', self.shown())
