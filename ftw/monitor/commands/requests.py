"""requests and threads: what this process is busy with. For its own host."""

from ftw.monitor import instance
from ftw.monitor.interfaces import ILoopbackCommand
from ftw.monitor.interfaces import IMonitorPlugin
from ftw.monitor.interfaces import IRunningRequests
from ftw.monitor.thread_dump import thread_dump
from zope.component import getUtility
from zope.interface import provider


@provider(IMonitorPlugin, ILoopbackCommand)
def requests(connection):
    """Show the requests that are running, the longest one last

    "workers" are the threads that can publish a request, "busy" those that do
    something, "waiting" the requests for which there is none. Then a line for
    each running request: for how many seconds, its method and path, and the
    name of its thread. Answers only to clients on the same host.
    """
    workers = instance.workers()
    connection.write('workers: %d\nbusy: %d\nwaiting: %d\n' % (
        workers.total, workers.busy, workers.waiting))
    for request in reversed(getUtility(IRunningRequests).longest_first()):
        connection.write('%.1f %s %s (%s)\n' % (
            request.age(), request.method, request.path,
            request.thread_name()))


@provider(IMonitorPlugin, ILoopbackCommand)
def threads(connection):
    """Show what all threads are doing

    For each its name, and for how long it has been publishing which request;
    then the functions that it is in, the innermost last. Answers only to
    clients on the same host.
    """
    connection.write(thread_dump(getUtility(IRunningRequests)) + '\n')
