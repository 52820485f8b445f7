"""The configuration of the instances and of the ZEO server, in both worlds.

As plone.recipe.zope2instance writes it. A *server* says how an instance
serves HTTP: options of ``[server:main]`` in wsgi.ini for Plone 6.2, sections
of zope.conf for Plone 4.3.
"""

from ftw.monitor.compat import PY2


if PY2:
    FAST_LISTEN = """\
<http-server>
    address %(host)s:%(port)d
</http-server>
"""

    SLOW_LISTEN = """\
<http-server>
    address %(host)s:%(port)d
    fast-listen off
</http-server>
"""

    LISTEN_IPV6 = """\
<http-server>
    address [::1]:%(port)d
</http-server>
"""

else:
    FAST_LISTEN = """\
paste.server_factory = plone.recipe.zope2instance:main
use = egg:plone.recipe.zope2instance#main
fast-listen = %(host)s:%(port)d
"""

    SLOW_LISTEN = """\
paste.server_factory = plone.recipe.zope2instance:main
use = egg:plone.recipe.zope2instance#main
listen = %(host)s:%(port)d
"""

    LISTEN_IPV6 = """\
use = egg:waitress#main
listen = [::1]:%(port)d
"""


def files_of_instance(home, part, cache, server, host, port, threads, storage,
                      environment, more):
    """The files of an instance: {path: text}.

    :param home: its folder; *part* is the one below that has its own files.
    :param cache: a folder for compiled page templates.
    :param server: how it serves HTTP, on *host* and *port*.
    :param storage: the section of its main database.
    :param environment: dict for ``<environment>``.
    :param more: more of zope.conf.
    """
    environment = dict(environment, CHAMELEON_CACHE=cache)
    values = {
        'home': home, 'part': part, 'threads': threads,
        'server': server % {'host': host, 'port': port},
        'storage': storage % {'var': home + '/var'},
        'environment': '\n'.join('    %s %s' % item
                                 for item in sorted(environment.items())),
        'more': more,
    }
    if PY2:
        return {part + '/etc/zope.conf': ZOPE_CONF % dict(
            values, own=ZOPE_CONF_ZSERVER % values)}
    return {
        part + '/etc/zope.conf': ZOPE_CONF % dict(
            values, own=ZOPE_CONF_WSGI % values),
        part + '/etc/wsgi.ini': WSGI_INI % values,
    }


ZOPE_CONF = """\
%%define INSTANCEHOME %(part)s
instancehome $INSTANCEHOME
%%define CLIENTHOME %(home)s/var
clienthome $CLIENTHOME
debug-mode off
%(own)s
<environment>
%(environment)s
</environment>
<zodb_db main>
    cache-size 30000
%(storage)s
    mount-point /
</zodb_db>
%(more)s
"""

ZOPE_CONF_WSGI = """\
%%import ZEO
"""

ZOPE_CONF_ZSERVER = """\
zserver-threads %(threads)d
%(server)s
<eventlog>
    level INFO
    <logfile>
        path %(home)s/var/log/instance.log
    </logfile>
</eventlog>
<logger access>
    <logfile>
        path %(home)s/var/log/access.log
        format %%(message)s
    </logfile>
</logger>
pid-filename %(home)s/var/instance.pid
lock-filename %(home)s/var/instance.lock
enable-product-installation off
"""

WSGI_INI = """\
[server:main]
%(server)s
threads = %(threads)d

[app:zope]
use = egg:Zope#main
zope_conf = %(part)s/etc/zope.conf

[pipeline:main]
pipeline =
    egg:Zope#httpexceptions
    zope

[loggers]
keys = root

[handlers]
keys = console, eventlog

[formatters]
keys = generic

[logger_root]
level = INFO
handlers = console, eventlog

[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = generic

[handler_eventlog]
class = FileHandler
args = (r'%(home)s/var/log/instance.log', 'a')
formatter = generic

[formatter_generic]
format = %%(asctime)s %%(levelname)s [%%(name)s][%%(threadName)s] %%(message)s
"""

FILE_STORAGE = """\
    <blobstorage>
      blob-dir %(var)s/blobstorage
      <filestorage>
        path %(var)s/filestorage/Data.fs
      </filestorage>
    </blobstorage>
"""

#: To be filled with the port first.
ZEO_STORAGE = """\
    <zeoclient>
      server 127.0.0.1:%(port)d
      storage 1
      name zeostorage
      var %%(var)s
      cache-size 128MB
    </zeoclient>
"""

if PY2:
    # Its client does not wait for a server that it has lost.
    ZEO_STORAGE_IMPATIENT = ZEO_STORAGE
else:
    #: Waits 2 s instead of 30 s for a server that it has lost.
    ZEO_STORAGE_IMPATIENT = """\
    <clientstorage>
      server 127.0.0.1:%(port)d
      wait-timeout 2
    </clientstorage>
"""

#: To be filled with the words of the data source name, and whether it keeps
#: the history, first.
RELSTORAGE = """\
    %%%%import relstorage
    <relstorage>
      keep-history %(keep_history)s
      blob-dir %%(var)s/blobcache
      shared-blob-dir false
      <postgresql>
        dsn %(dsn)s
      </postgresql>
    </relstorage>
"""

#: For zodbconvert: a Data.fs, and the database that gets its content.
ZODBCONVERT_CONF = """\
<filestorage source>
  path %(data)s
  read-only true
</filestorage>
<relstorage destination>
  keep-history %(keep_history)s
  <postgresql>
    dsn %(dsn)s
  </postgresql>
</relstorage>
"""

#: ZCML of a performer for every Plone site, to be filled with its name in the
#: package ``visitors``.
PERFORMER = """\
  <adapter
      for="Products.CMFPlone.interfaces.IPloneSiteRoot
           zope.publisher.interfaces.browser.IBrowserRequest"
      factory="visitors.%s"
      provides="ftw.monitor.interfaces.IWarmupPerformer"
      />
"""

ZEO_CONF = """\
<zeo>
  address 127.0.0.1:%(port)d
</zeo>
<filestorage 1>
  path %(home)s/Data.fs
  blob-dir %(home)s/blobs
</filestorage>
"""
