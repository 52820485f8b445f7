"""perf_metrics: figures of this process and a database, as JSON."""

from collections import OrderedDict
from ftw.monitor.checks.availability import problem_of
from ftw.monitor.commands import arguments
from ftw.monitor.commands.databases import activity
from ftw.monitor.commands.databases import cache_sizes
from ftw.monitor.interfaces import IChecks
from ftw.monitor.interfaces import IConflicts
from ftw.monitor.interfaces import IMonitorPlugin
from ftw.monitor.wording import describe
from ftw.monitor.wording import one_line
from zope.component import getUtility
from zope.component import queryUtility
from zope.interface import provider
import json
import logging
import psutil
import time


LOG = logging.getLogger('ftw.monitor')


@provider(IMonitorPlugin)
def perf_metrics(connection, db='', seconds='300'):
    """Get performance metrics as JSON

    "instance": "uptime" in seconds.
    "cache": objects ("size") and non-ghost objects ("ngsize") in all
    connection caches; "max_size" is the configured size for one connection.
    "db": "loads", "stores" and "connections" in the last SECONDS; "conflicts"
    and "unresolved_conflicts" since the start of this process; objects
    ("total_objs") and bytes ("size_in_bytes") in the database.
    "memory": "rss", "uss" and "pss" in bytes ("pss" is -1 off Linux).

    DB is the name of a database; by default, or as "-", the root database.
    """
    database = arguments.database(db)
    metrics = metrics_of(database, arguments.seconds(seconds))
    connection.write(json.dumps(metrics) + '\n')


def metrics_of(database, seconds):
    """The figures as nested dictionaries, or only ``error`` if the database
    is away."""
    # What follows would wait for a server that hangs.
    checks = queryUtility(IChecks)
    problem = problem_of(database, checks and checks.of_database(
        database.database_name))
    if problem:
        return {'error': one_line("Database '%s' %s." % (
            database.database_name, problem))}
    try:
        total_objs = database.objectCount()
        size_in_bytes = database.getSize()
    except Exception as error:
        # A storage raises whatever its database driver does.
        LOG.warning("Database '%s' cannot be asked for its size.",
                    database.database_name, exc_info=True)
        return {'error': one_line("Database '%s': %s" % (
            database.database_name, describe(error)))}
    loads, stores, connections = activity(database, seconds)
    size, ngsize = cache_sizes(database)
    conflicts = getUtility(IConflicts)
    process = psutil.Process()
    memory = process.memory_full_info()
    return OrderedDict([
        ('instance', OrderedDict([
            ('uptime', int(time.time() - process.create_time())),
        ])),
        ('cache', OrderedDict([
            ('size', size),
            ('ngsize', ngsize),
            ('max_size', database.getCacheSize()),
        ])),
        ('db', OrderedDict([
            ('loads', loads),
            ('stores', stores),
            ('connections', connections),
            ('conflicts', conflicts.total),
            ('unresolved_conflicts', conflicts.unresolved),
            ('total_objs', int(total_objs)),
            ('size_in_bytes', int(size_in_bytes)),
        ])),
        ('memory', OrderedDict([
            ('rss', memory.rss),
            ('uss', memory.uss),
            ('pss', getattr(memory, 'pss', -1)),
        ])),
    ])
