"""What no client should send, but some port scanner will."""

import random
import socket


#: Those that only tell something.
COMMANDS = (
    b'health_check', b'warmup_state', b'warmup', b'dbinfo', b'zeostatus',
    b'zeocache', b'monitor', b'perf_metrics', b'help', b'interactive',
    b'quit', b'HEALTH_CHECK', b'nope', b'OK')

WORDS = (
    b'', b'-', b'main', b'OK', b'0', b'1', b'-1', b'300', b'1e9', b'99' * 50,
    b'nan', b'%s', b'../..', b'\xc3\xa4', b'\xff', b'health_check', b"'", b'"',
    b'x' * 3000)

ENDS = (b'\n', b'\r\n', b'', b'\r', b'\n\n', b' \n')

#: Telnet: interrupt the process, and do a timing mark.
TELNET = b'\xff\xf4\xff\xfd\x06'

#: The head of a handshake of TLS 1.2, and of the hello in it.
TLS = b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'


class Fuzz(object):
    """Makes inputs; the same ones for the same *seed*."""

    def __init__(self, seed):
        self._random = random.Random(seed)
        self._kinds = (
            self._bytes, self._long_line, self._telnet, self._nuls,
            self._http, self._tls, self._command, self._command,
            self._session)

    def __call__(self):
        """Some bytes."""
        return self._random.choice(self._kinds)()

    def pieces(self, data):
        """*data*, cut anywhere."""
        if len(data) < 2 or self._random.random() < 0.7:
            return [data]
        cut = self._random.randrange(1, len(data))
        return [data[:cut], data[cut:]]

    def stays(self):
        """Whether the client waits for the answer, as most do."""
        return self._random.random() < 0.8

    def _bytes(self):
        return bytes(bytearray(
            self._random.randrange(256)
            for _ in range(self._random.randrange(600))))

    def _long_line(self):
        return b'x' * self._random.randrange(7000, 100000) + self._end()

    def _telnet(self):
        return TELNET + self._command()

    def _nuls(self):
        return b'\0' * self._random.randrange(1, 100) + self._command()

    def _http(self):
        return (self._random.choice((b'GET', b'POST', b'OPTIONS'))
                + b' /' + self._random.choice(WORDS) + b' HTTP/1.1\r\n'
                b'Host: 127.0.0.1\r\nUser-Agent: health_check\r\n\r\n')

    def _tls(self):
        return TLS + self._bytes()

    def _command(self):
        words = [self._random.choice(COMMANDS)]
        for _ in range(self._random.randrange(4)):
            words.append(self._random.choice(WORDS))
        return b' '.join(words) + self._end()

    def _session(self):
        return b'interactive\n' + b''.join(
            self._command() for _ in range(self._random.randrange(8)))

    def _end(self):
        return self._random.choice(ENDS)


def talk(address, pieces, stays):
    """Send *pieces*; return the answer, as far as it is waited for.

    Raises ``socket.timeout`` if it takes 30 s.
    """
    answer = b''
    connection = socket.create_connection(address, 30)
    try:
        for piece in pieces:
            connection.sendall(piece)
        if stays:
            connection.shutdown(socket.SHUT_WR)
            while True:
                data = connection.recv(65536)
                if not data:
                    break
                answer += data
    except socket.timeout:
        raise
    except socket.error:
        # Closed by the other end, before all was sent or read.
        pass
    finally:
        connection.close()
    return answer


def faults(sent, answer):
    """What must not be in the *answer* to *sent*, as texts."""
    found = []
    for text in (b'Traceback', b'File "'):
        if text in answer:
            found.append('a traceback')
    if b'OK' in answer and not any(
            line.split()[:1] == [b'health_check']
            for line in sent.split(b'\n')):
        found.append('a false OK')
    if answer and not answer.endswith(b'\n'):
        found.append('half a line')
    return found
