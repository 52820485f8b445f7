"""Synthetic catalogs, as large as one likes.

They are what counting in a catalog of Plone 6.2 found: 32 columns of metadata,
and of the terms of ``object_provides`` 35 for each document. The record ids go
up one by one, as the catalog gives them, so the buckets are half full.
"""

from BTrees.IIBTree import IITreeSet
from BTrees.IOBTree import IOBTree
from BTrees.OIBTree import OIBTree
from BTrees.OOBTree import OOBTree
from DateTime import DateTime
from Missing import MV
from Products.PluginIndexes.KeywordIndex.KeywordIndex import KeywordIndex
from Products.ZCatalog.Catalog import Catalog
import transaction


#: Interfaces that all documents provide.
INTERFACES = ['products.package.interfaces.IInterface%d' % number
              for number in range(35)]

#: Users with a local role in one of so many documents.
USERS = 200

#: Entries of one transaction.
BATCH = 20000

CREATED = DateTime('2026/11/21 12:00:00 UTC')
EXPIRES = DateTime('2499/12/31 00:00:00 UTC')


def store(connection, name, entries):
    """Store a catalog of so many *entries* as *name* in the root object."""
    catalog = Catalog()
    catalog.uids = OIBTree()
    catalog.paths = IOBTree()
    catalog.data = IOBTree()
    terms = {}
    for index, values in (
            ('allowedRolesAndUsers', ['Anonymous']),
            ('object_provides', INTERFACES)):
        catalog.indexes[index] = KeywordIndex(index)
        terms[index] = catalog.indexes[index]._index = OOBTree(
            [(value, IITreeSet()) for value in values])
    connection.root()[name] = catalog
    for start in range(0, entries, BATCH):
        add(catalog, terms, range(start, min(start + BATCH, entries)))
        transaction.commit()
        connection.cacheMinimize()


def add(catalog, terms, numbers):
    """Add the entries with these *numbers*."""
    catalog.uids.update([(path(number), number) for number in numbers])
    catalog.paths.update([(number, path(number)) for number in numbers])
    catalog.data.update([(number, metadata(number)) for number in numbers])
    for value in INTERFACES:
        terms['object_provides'][value].update(numbers)
    may_view = terms['allowedRolesAndUsers']
    may_view['Anonymous'].update(numbers)
    for number in numbers:
        if number % USERS == 0:
            # A user who may view one document only: no set of its own.
            may_view['user:user%d' % number] = number


def path(number):
    """Folders of 1000 documents."""
    return '/Plone/department-%d/folder-%d/document-with-a-title-%d' % (
        number // 100000, number // 1000, number)


def metadata(number):
    """The columns of an entry."""
    name = 'document-with-a-title-%d' % number
    created = '2026-11-21T09:%02d:%02d+00:00' % (
        number // 60 % 60, number % 60)
    return (
        created, 'editor%d' % (number % 50), created,
        'What document %d says, in a sentence or two.' % number, 'None',
        'None', created, (), 'Document %d' % number, 'Page',
        '%032x' % (number * 2654435761), CREATED, CREATED, MV, False, EXPIRES,
        MV, name, '1.5 KB', MV, name, MV, False,
        ('editor%d' % (number % 50),), MV, CREATED, 'Document', 'published',
        MV, 'text/plain', number, MV)
