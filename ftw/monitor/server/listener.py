"""The listener for Python 3: a fast lane for good probes, a slow one for all
else.

While the worker threads are busy, a system call that gives up the interpreter
lock has to wait to get it back. So one thread blocks in ``accept``, reads what
is there and answers: no other thread, no selector, and of its four system
calls only ``accept`` gives up the lock, see ``at_once``. A client that has not
sent a whole line yet, or that asks for more than an ``IQuickCommand``, goes to
the slow lane: one thread with a selector, which gives every command that may
block a thread of its own.
"""

from collections import deque
from ftw.monitor.address import is_same_host
from ftw.monitor.address import unlink
from ftw.monitor.server import at_once
from ftw.monitor.server.protocol import Conversation
from ftw.monitor.server.protocol import MAX_LINE
import errno
import logging
import selectors
import socket
import threading
import time


LOG = logging.getLogger('ftw.monitor')

#: Seconds for a client to finish its line, and to take its answer.
LINE_TIMEOUT = 5

#: Seconds that a client may be silent in interactive mode.
IDLE_TIMEOUT = 600

#: Seconds to let a client read the answer although it has sent more than was
#: read. Closing at once would make the kernel throw away the answer.
LINGER_TIMEOUT = 2

#: Seconds to wait for the threads at the end. They end at once, unless they
#: wait for a lock of the thread that closes: a signal may have interrupted it
#: anywhere.
END_TIMEOUT = 1

#: Clients that have not finished their line, or are in interactive mode.
MAX_WAITING = 64

#: Commands that run at the same time, each in a thread.
MAX_RUNNING = 16

#: Commands that the slow lane calls for one client before it turns to others.
MAX_CALLS = 16

#: The most bytes to read at once: a whole line and a bit.
READ_SIZE = MAX_LINE + 1

#: What ``accept`` raises when there is no file descriptor or memory left.
OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def start(addresses):
    """Serve the commands on *addresses* in threads of their own.

    Returns ``(listener, problems)``: the running listener, None if there is
    no address left for it, and ``(address, error)`` for each address that
    could not be listened on.
    """
    sockets = []
    problems = []
    for address in addresses:
        try:
            sockets.extend(address.listen())
        except Exception as error:
            # Whatever it is, the instance must boot and serve its visitors.
            problems.append((address, error))
    if not sockets:
        return None, problems
    listener = Listener(sockets)
    listener.start()
    return listener, problems


class Listener(object):
    """Answers everybody who connects to *sockets*, which are listening.

    Its threads are daemons: ``ftw.monitor.accept-N`` for each socket, blocks
    in ``accept`` only; ``ftw.monitor.slow-lane`` blocks in ``select`` only;
    ``ftw.monitor.command-NAME`` runs one command, and may block wherever that
    does.
    """

    def __init__(self, sockets):
        self._sockets = sockets
        self._slow_lane = SlowLane()
        self._closed = False
        self._threads = []

    def start(self):
        """Start to answer."""
        self._slow_lane.start()
        for number, listening in enumerate(self._sockets):
            # Whatever socket.setdefaulttimeout() says.
            listening.settimeout(None)
            thread = threading.Thread(
                target=self._accept_all, args=(listening,),
                name='ftw.monitor.accept-%d' % number, daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self):
        """Stop listening, close all connections, end the threads.

        A command that is still running is left alone.
        """
        if self._closed:
            return
        self._closed = True
        for listening in self._sockets:
            address = listening.getsockname()
            try:
                # On Linux close() would not wake the thread in accept().
                listening.shutdown(socket.SHUT_RDWR)
            except OSError:
                # Elsewhere only a connected socket can be shut down.
                pass
            listening.close()
            if listening.family == socket.AF_UNIX:
                unlink(address)
        for thread in self._threads:
            thread.join(END_TIMEOUT)
        self._slow_lane.close()

    def _accept_all(self, listening):
        while not self._closed:
            try:
                connection, peer = listening.accept()
            except OSError as error:
                if self._closed:
                    return
                if error.errno in OUT_OF_RESOURCES:
                    LOG.warning(
                        'The monitor cannot accept a connection: %s.'
                        ' The client that is idle longest is dropped.', error)
                    self._slow_lane.drop_idlest()
                    time.sleep(0.05)
                # Else the client has gone before it was accepted.
                continue
            try:
                self._answer_or_hand_over(connection, peer)
            except Exception:
                LOG.exception('The monitor failed to answer a client.')
                at_once.close(connection)

    def _answer_or_hand_over(self, connection, peer):
        conversation = Conversation(is_same_host(peer))
        answer = b''
        call = None
        try:
            _feed(conversation, at_once.recv(connection, READ_SIZE))
            call = conversation.next_call()
            if call is not None and call.quick:
                answer = call.run()
                call = None
                # A new socket's buffer takes all of it.
                sent = at_once.send(connection, answer)
                answer = answer[sent:]
        except BlockingIOError:
            # Nothing has come yet; or the buffer is full already.
            pass
        except OSError:
            # The client has gone.
            at_once.close(connection)
            return
        if conversation.finished and not answer and not conversation.unread:
            at_once.close(connection)
        else:
            self._slow_lane.take(
                Client(connection, conversation, answer, call))


class Client(object):
    """A connection in the slow lane."""

    def __init__(self, connection, conversation, answer, call):
        connection.setblocking(False)
        self.connection = connection
        self.conversation = conversation
        self.unsent = answer
        self.call = call
        self.running = False
        self.paused = False
        self.lingering = False
        self.active = time.monotonic()

    @property
    def waiting(self):
        """Whether it is the client's turn."""
        return not (self.running or self.unsent)

    def deadline(self):
        """When the client will have been silent for too long."""
        if self.lingering:
            return self.active + LINGER_TIMEOUT
        if self.conversation.patient and not self.unsent:
            return self.active + IDLE_TIMEOUT
        return self.active + LINE_TIMEOUT

    def events(self):
        """What to wait for."""
        if self.unsent or self.paused:
            # Who is paused can nearly always be written to: it goes on when
            # the others have had their turn.
            return selectors.EVENT_WRITE
        return selectors.EVENT_READ


class SlowLane(object):
    """Everything that takes longer than one packet to and fro.

    Only its thread touches clients and selector. Others leave a function
    with ``_do()`` and wake it.
    """

    def __init__(self):
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._waker = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._todo = deque()
        self._clients = set()
        self._closing = False
        self._thread = threading.Thread(
            target=self._run, name='ftw.monitor.slow-lane', daemon=True)

    # -- called by other threads

    def start(self):
        self._thread.start()

    def close(self):
        """Close all connections and end the thread."""
        self._do(self._close)
        self._thread.join(END_TIMEOUT)

    def take(self, client):
        """Go on with *client*."""
        self._do(self._take, client)

    def drop_idlest(self):
        """Close the connection that has been silent longest."""
        self._do(self._drop_idlest)

    def _do(self, function, *args):
        self._todo.append((function, args))
        try:
            self._waker.send(b'.')
        except BlockingIOError:
            # It is full of reasons to wake up already.
            pass
        except OSError:
            # Closed, while a command was still running.
            if not self._closing:
                raise

    # -- called by its own thread

    def _run(self):
        while not self._closing:
            for key, _ in self._selector.select(self._seconds_left()):
                if key.data is None:
                    self._wake_reader.recv(4096)
                else:
                    self._guarded(self._ready, key.data)
            while self._todo:
                function, args = self._todo.popleft()
                self._guarded(function, *args)
            self._close_overdue()
        self._selector.close()
        self._wake_reader.close()
        self._waker.close()

    def _guarded(self, function, *args):
        # The first argument, if any, is a client.
        try:
            function(*args)
        except Exception:
            # One client must not end the thread for all others.
            LOG.exception('The monitor failed to answer a client.')
            if args:
                self._drop(args[0])

    def _take(self, client):
        self._clients.add(client)
        if sum(1 for each in self._clients if each.waiting) > MAX_WAITING:
            self._drop_idlest()
        self._go_on(client)

    def _go_on(self, client):
        """Do what can be done for *client* now, then wait for it."""
        client.paused = False
        calls = 0
        while (client in self._clients
               and not (client.running or client.unsent)):
            if calls == MAX_CALLS and not client.conversation.finished:
                client.paused = True
                break
            calls += 1
            call = client.call or client.conversation.next_call()
            client.call = None
            if call is None:
                break
            if call.quick:
                client.unsent = call.run()
                self._send(client)
            else:
                self._start(call, client)
        if client not in self._clients:
            return
        if client.conversation.finished and client.waiting:
            self._end(client)
        if client in self._clients and not client.running:
            self._wait_for(client)

    def _start(self, call, client):
        running = sum(1 for each in self._clients if each.running)
        if running >= MAX_RUNNING:
            client.unsent = (
                'Error: %d commands are still running; try again later.\n'
                % running).encode('ascii')
            if not client.conversation.patient:
                client.conversation.finished = True
            self._send(client)
            return
        # No events while it runs: what the client sends has to wait.
        self._forget(client)
        client.running = True
        threading.Thread(
            target=self._run_call, args=(call, client),
            name='ftw.monitor.command-' + call.name, daemon=True).start()

    def _run_call(self, call, client):
        # In the command's thread.
        answer = b''
        try:
            answer = call.run()
        finally:
            # Whatever happened, it runs no longer.
            self._do(self._answered, client, answer)

    def _answered(self, client, answer):
        client.running = False
        client.active = time.monotonic()
        client.unsent = answer
        if client in self._clients:
            self._send(client)
            self._go_on(client)

    def _ready(self, client):
        if client.unsent or client.paused:
            if client.unsent:
                self._send(client)
            self._go_on(client)
            return
        try:
            data = at_once.recv(client.connection, READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            self._drop(client)
            return
        if client.lingering:
            if not data:
                self._drop(client)
            return
        _feed(client.conversation, data)
        if client.conversation.patient:
            client.active = time.monotonic()
        self._go_on(client)

    def _send(self, client):
        try:
            sent = at_once.send(client.connection, client.unsent)
        except BlockingIOError:
            return
        except OSError:
            self._drop(client)
            client.unsent = b''
            return
        client.unsent = client.unsent[sent:]
        client.active = time.monotonic()

    def _end(self, client):
        if not client.conversation.unread:
            self._drop(client)
            return
        client.lingering = True
        client.active = time.monotonic()
        try:
            client.connection.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(client)

    def _wait_for(self, client):
        try:
            self._selector.modify(
                client.connection, client.events(), client)
        except KeyError:
            self._selector.register(
                client.connection, client.events(), client)

    def _forget(self, client):
        try:
            self._selector.unregister(client.connection)
        except KeyError:
            pass

    def _drop(self, client):
        if client not in self._clients:
            # A closed socket can't be forgotten once more.
            return
        self._forget(client)
        self._clients.discard(client)
        at_once.close(client.connection)

    def _drop_idlest(self):
        waiting = [client for client in self._clients if client.waiting]
        if waiting:
            self._drop(min(waiting, key=lambda client: client.active))

    def _seconds_left(self):
        deadlines = [client.deadline() for client in self._clients
                     if not client.running]
        if not deadlines:
            return None
        return max(0, min(deadlines) - time.monotonic())

    def _close_overdue(self):
        now = time.monotonic()
        for client in list(self._clients):
            if not client.running and client.deadline() <= now:
                if client.waiting and not client.lingering:
                    self._tell_overdue(client)
                self._drop(client)

    def _tell_overdue(self, client):
        seconds = (IDLE_TIMEOUT if client.conversation.patient
                   else LINE_TIMEOUT)
        try:
            at_once.send(
                client.connection,
                ('Error: no line within %d s.\n' % seconds).encode('ascii'))
        except OSError:
            # The client has gone, or does not read.
            pass

    def _close(self):
        self._closing = True
        for client in list(self._clients):
            self._drop(client)


def _feed(conversation, data):
    if data:
        conversation.feed(data)
    else:
        conversation.feed_end()
