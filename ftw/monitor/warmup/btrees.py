"""Loads BTrees, every node of them, into the cache of their connection."""

from persistent import Persistent
import re
import sys


#: How many nodes are fetched together. ZEO's client sends a request for each
#: of them at once: so many that the way to the server hardly counts, so few
#: that the requests of other clients are not kept waiting.
BATCH = 500

#: The classes of the BTrees package: IOBTree, LFBucket, OOTreeSetPy ...
NODE_CLASS = re.compile('[A-Z]*?(BTree|TreeSet|Bucket|Set)(Py)?$')


def load(tree):
    """Load *tree*, and the trees that are its values, breadth first.

    The nodes of a level are fetched together, where the storage can do that.
    Stops when the connection's cache is full: what was loaded first is worth
    most. Returns ``(nodes loaded, whether these are all)``.
    """
    loaded = 0
    level = [tree]
    while level:
        next_level = []
        for number, node in enumerate(level):
            if number % BATCH == 0:
                prefetch(level[number:number + BATCH])
            if room(node) <= 0:
                return loaded, False
            next_level.extend(children(node))
            loaded += 1
        level = next_level
    return loaded, True


def prefetch(nodes):
    """Have the storage send *nodes*, as many as will be loaded, all at once.

    It is asked only for what is not loaded yet. ZODB 3.10 knows no prefetch,
    and FileStorage has no need of it.
    """
    connection = nodes[0]._p_jar
    fetch = getattr(connection, 'prefetch', None)
    if fetch is not None:
        ghosts = [node for node in nodes
                  if node._p_jar is connection and node._p_changed is None]
        wanted = ghosts[:max(0, room(nodes[0]))]
        if wanted:
            fetch(wanted)


def room(persistent):
    """How many more objects its connection's cache holds."""
    connection = persistent._p_jar
    if connection is None:
        # Never stored, so it is in memory already.
        return sys.maxsize
    cache = connection._cache
    return cache.cache_size - cache.cache_non_ghost_count


def children(node):
    """The persistent objects that a node of a BTree or TreeSet refers to.

    Loads the node. The format of the state is that of the BTrees package: for
    a bucket ``(items[, next])``; for a tree None, ``((bucket state,),)`` if
    there is only one bucket, or ``((child, key, child, ...), first bucket)``.
    Of any other persistent object nothing but itself is loaded.
    """
    kind = node_kind(node)
    if kind is None:
        node._p_activate()
        return []
    state = node.__getstate__()
    if state is None:
        return []
    if kind in ('BTree', 'TreeSet') and len(state) == 1:
        state = state[0][0]
    return [child for child in state[0] if isinstance(child, Persistent)]


def node_kind(node):
    """``BTree``, ``TreeSet``, ``Bucket`` or ``Set``; None for all else.

    Only the names of the classes tell, and a subclass may have any name.
    """
    for base in type(node).__mro__:
        if base.__module__.startswith('BTrees.'):
            match = NODE_CLASS.match(base.__name__)
            if match:
                return match.group(1)
    return None
