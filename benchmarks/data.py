"""The databases that the benchmarks begin with."""

from benchmarks.life import live_once
from tests.functional.processes import Instance
import os
import shutil
import tempfile


#: How many folders there are, and how many pages in each; words of a page.
FOLDERS = 4
PAGES = 50
WORDS = 200

#: Adds a Plone site with published pages in published folders.
CREATE_SITE = """\
from AccessControl.SecurityManagement import newSecurityManager
from Products.CMFPlone.browser.admin import AddPloneSite
from Products.CMFPlone.factory import addPloneSite
from zope.component.hooks import setSite
import transaction

app.acl_users.userFolderAddUser('editor', 'editor', ['Manager'], [])
editor = app.acl_users.getUserById('editor')
newSecurityManager(None, editor.__of__(app.acl_users))
profiles = AddPloneSite(app, app.REQUEST).default_extension_profiles
site = addPloneSite(app, 'Plone', title='Plone', extension_ids=profiles)
setSite(site)


def add(container, portal_type, name, title):
    container.invokeFactory(portal_type, name, title=title)
    site.portal_workflow.doActionFor(container[name], 'publish')
    return container[name]


def set_text(page, html):
    if hasattr(page, 'setText'):
        # Archetypes
        page.setText(html, mimetype='text/html')
    else:
        from plone.app.textfield.value import RichTextValue
        page.text = RichTextValue(html, 'text/html', 'text/x-html-safe')
    page.reindexObject()


for number in range(%(folders)d):
    folder = add(
        site, 'Folder', 'folder%%d' %% number, u'Folder %%d' %% number)
    for page in range(%(pages)d):
        words = [u'word%%d' %% (word * (page + 1) %% 997)
                 for word in range(%(words)d)]
        set_text(add(folder, 'Document', 'page%%d' %% page,
                     u'Page %%d of folder %%d' %% (page, number)),
                 u'<p>%%s</p>' %% u' '.join(words))
    transaction.commit()
print('Created')
""" % {'folders': FOLDERS, 'pages': PAGES, 'words': WORDS}


class Data(object):
    """A Data.fs, as the layers of the functional tests are.

    :param script: what ``bin/instance run`` makes it with; without one it is
        empty.
    """

    def __init__(self, script=None):
        self._script = script

    def setUp(self):
        self._folder = tempfile.mkdtemp(prefix='ftwm-data-')
        self.path = os.path.join(self._folder, 'Data.fs')
        if self._script:
            self._run_script()
        else:
            open(self.path, 'w').close()

    def _run_script(self):
        instance = Instance()
        try:
            script = instance.write('create_site.py', self._script)
            status, output, errors = instance.run(
                instance.ctl('run', script))
            if status or 'Created' not in output:
                raise AssertionError(output + errors)
            # The first visitors of a new site change it.
            live_once(instance)
            shutil.copy(
                instance.path('var', 'filestorage', 'Data.fs'), self.path)
        finally:
            instance.destroy()

    def tearDown(self):
        shutil.rmtree(self._folder)


#: A Plone site with 204 published documents and folders.
SITE = Data(CREATE_SITE)

#: Nothing but what a benchmark puts into it itself.
NOTHING = Data()
