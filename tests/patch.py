"""A stand-in for as long as a test runs."""

MISSING = object()


def patch(test, owner, name, value):
    """Let the attribute *name* of *owner* be *value* until *test* is over."""
    before = vars(owner).get(name, MISSING)
    if before is MISSING:
        test.addCleanup(delattr, owner, name)
    else:
        test.addCleanup(setattr, owner, name, before)
    setattr(owner, name, value)
