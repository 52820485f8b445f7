"""The databases that the instances of the functional tests begin with."""

from tests.functional.processes import Instance
import os
import shutil
import tempfile


#: Adds Plone sites, to the root or to folders.
CREATE_SITES = """\
from Products.CMFPlone.browser.admin import AddPloneSite
from Products.CMFPlone.factory import addPloneSite
import transaction

profiles = ()
if %(themed)r:
    profiles = AddPloneSite(app, app.REQUEST).default_extension_profiles
for path in %(sites)r:
    container = app
    names = path.strip('/').split('/')
    for name in names[:-1]:
        if name not in container.objectIds():
            container.manage_addFolder(name)
        container = container[name]
    addPloneSite(container, names[-1], title=names[-1].capitalize(),
                 extension_ids=profiles)
transaction.commit()
print('Created')
"""


class Data(object):
    """Makes a Data.fs with Plone sites, once for all tests of the layer.

    :param themed: whether they have what the form for a new site has selected:
        with Plone 6.2 its theme.
    """

    def __init__(self, name, sites, themed=False):
        self.__name__ = name
        self.__module__ = __name__
        self.__bases__ = ()
        self.sites = sites
        self.themed = themed

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='ftwm-data-')
        self.path = os.path.join(self.folder, 'Data.fs')
        instance = Instance()
        try:
            script = instance.write(
                'create_sites.py', CREATE_SITES % vars(self))
            status, output, errors = instance.run(
                instance.ctl('run', script))
            if status or 'Created' not in output:
                raise AssertionError(output + errors)
            shutil.copy(instance.path('var', 'filestorage', 'Data.fs'),
                        self.path)
        finally:
            instance.destroy()

    def tearDown(self):
        shutil.rmtree(self.folder)


ONE_SITE = Data('ONE_SITE', ['/Plone'])

THEMED_SITE = Data('THEMED_SITE', ['/Plone'], themed=True)

TWO_SITES = Data('TWO_SITES', ['/Plone', '/folder/second'])
