"""Loads BTrees, every node of them, into the cache of their connection."""

from ftw.monitor.warmup import bulk
from itertools import islice
from persistent import Persistent
import re


#: Of a part of a tree, this many times as many nodes are looked for as are
#: to be loaded.
KNOWN = 4

#: The classes of the BTrees package: IOBTree, LFBucket, OOTreeSetPy ...
NODE_CLASS = re.compile('[A-Z]*?(BTree|TreeSet|Bucket|Set)(Py)?$')


def load(*trees):
    """Load *trees*, and the trees that are their values, breadth first; yield
    each node when it is loaded.

    All nodes of a level, those of all trees together, are fetched in batches,
    where the storage can do that. Raises ``bulk.CacheFull`` when there is more
    than the cache holds: what was loaded first is worth most.
    """
    return _load(trees, float('inf'))


def load_part(tree, most):
    """The same with a tree that may be large: *most* nodes at most.

    Of the nodes that only refer to others, no more are loaded when ``KNOWN``
    times as many are known. Each makes some hundred ghosts, which take time
    and memory, whether they are loaded or not.
    """
    return islice(_load([tree], KNOWN * most), most)


def _load(trees, enough):
    seen = set()
    level = _unseen(trees, seen)
    while level:
        next_level = []
        for node in bulk.fetched(level):
            next_level.extend(_unseen(children(node), seen))
            yield node
            if next_level and len(seen) >= enough:
                break
        level = next_level


def _unseen(nodes, seen):
    """Those of *nodes* that are not in *seen*, to which they are added.

    One object may be the value of several keys, and a tree one of its own.
    """
    unseen = []
    for node in nodes:
        # What was never stored is kept in memory by what refers to it.
        identity = id(node._p_jar), node._p_oid or id(node)
        if identity not in seen:
            seen.add(identity)
            unseen.append(node)
    return unseen


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
