"""What differs for the tests between Plone 4.3 and Plone 6.2.

One suite runs in both worlds. What only one of them has, and what is another
thing in each, is told apart here.
"""

from ftw.monitor.compat import PY2
import signal
import unittest


only_with_wsgi = unittest.skipIf(
    PY2, 'Plone 4.3 has no WSGI server.')

only_with_zserver = unittest.skipUnless(
    PY2, 'Plone 6.2 has no ZServer.')

only_with_our_listener = unittest.skipIf(
    PY2, 'On Python 2 it is zc.monitor that listens.')

only_with_zc_monitor = unittest.skipUnless(
    PY2, 'On Python 3 it is our own listener that listens.')

only_if_scripts_start = unittest.skipIf(
    PY2, 'Zope 2 tells of no start but that of a process which serves.')

only_if_signatures_are_known = unittest.skipIf(
    PY2, 'Python 2 knows the parameters of functions only, as ours are.')

#: Whether the publisher makes a page with status 500 of an exception. The one
#: of Plone 4.3 leaves that to its caller, and we want to know the exception.
EXCEPTIONS_ARE_PAGES = not PY2

#: Status and page of the answer to somebody who may not see a page of a site.
#: The challenge of Plone 4.3 is made when an answer is sent, and ours is not.
PRIVATE_PAGE = (401, None) if PY2 else (302, 'require_login')

#: Where Dexterity keeps what it has found out about a type.
SCHEMA_CACHES = ['_v_schema_get', '_v_schema_subtypes'] + (
    [] if PY2 else ['_v_schema_behavior_schema_interfaces'])

#: The exit status of an instance that was ended by SIGTERM. ZServer handles
#: the signal, waitress does not.
STATUS_AFTER_SIGTERM = 0 if PY2 else -signal.SIGTERM
