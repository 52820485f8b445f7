"""Create the Plone site ``Plone`` if there is none.

``bin/instance run tools/create_site.py``
"""

from Products.CMFPlone.browser.admin import AddPloneSite
from Products.CMFPlone.factory import addPloneSite
import transaction


SITE_ID = 'Plone'

# bin/instance runs this with the application root as app.
if SITE_ID not in app.objectIds():  # noqa: F821
    # What the form has selected: 4.3 and 6.2 do not have the same themes.
    form = AddPloneSite(app, app.REQUEST)  # noqa: F821
    addPloneSite(
        app, SITE_ID, title='Plone',  # noqa: F821
        extension_ids=form.default_extension_profiles)
    transaction.commit()
