"""A health check as one would build it in an hour: an HTTP server of the
standard library in the instance, with a thread for each request.

It answers the same verdict as the monitor, from the same memory. What is
compared is how it listens.
"""

from contextlib import closing
from tests.functional.processes import free_port
import socket


REQUEST = b'GET / HTTP/1.0\r\n\r\n'


def add_to(instance):
    """Have *instance* serve it from its next start on; return its address."""
    address = instance.host, free_port(instance.host)
    instance.add_package(SOURCE % address, ZCML)
    return address


def say(address, sent):
    """Send the bytes *sent*; return all that is answered.

    For both kinds of probes, so that the client costs the same.
    """
    with closing(socket.create_connection(address, 60)) as connection:
        connection.sendall(sent)
        answer = b''
        while True:
            data = connection.recv(65536)
            if not data:
                return answer
            answer += data


SOURCE = """\
from ftw.monitor.interfaces import ILifecycle
from zope.component import getUtility
import threading


try:
    from http.server import BaseHTTPRequestHandler
    from http.server import ThreadingHTTPServer
except ImportError:
    # Python 2
    from BaseHTTPServer import BaseHTTPRequestHandler
    from BaseHTTPServer import HTTPServer
    from SocketServer import ThreadingMixIn

    class ThreadingHTTPServer(ThreadingMixIn, HTTPServer):
        daemon_threads = True


class Handler(BaseHTTPRequestHandler):

    # Head and body in one packet, which is quicker.
    wbufsize = -1

    def do_GET(self):
        verdict = getUtility(ILifecycle).verdict().encode('utf-8') + b'\\n'
        self.send_response(200 if verdict == b'OK\\n' else 503)
        self.send_header('Content-Length', str(len(verdict)))
        self.end_headers()
        self.wfile.write(verdict)

    def log_message(self, format, *args):
        pass


def start(event):
    server = ThreadingHTTPServer((%r, %d), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.daemon = True
    thread.start()
"""

ZCML = """\
  <subscriber
      for="zope.processlifetime.IProcessStarting"
      handler="visitors.start"
      />
"""
