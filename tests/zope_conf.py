"""The zope.conf of Plone 4.3, read as Zope 2 reads it."""

from ftw.monitor.compat import PY2
import io
import os


if PY2:
    import ZConfig
    import Zope2.Startup

#: What no zope.conf can do without.
REQUIRED = '''\
instancehome /
<zodb_db main>
  mount-point /
  <mappingstorage>
  </mappingstorage>
</zodb_db>
'''

_schema = []


def read_zope_conf(text):
    """What *text* configures; servers are factories, not created yet."""
    if not _schema:
        # It takes half a second.
        _schema.append(ZConfig.loadSchema(os.path.join(
            os.path.dirname(Zope2.Startup.__file__), 'zopeschema.xml')))
    configuration, _ = ZConfig.loadConfigFile(
        _schema[0], io.BytesIO(REQUIRED + text))
    return configuration
