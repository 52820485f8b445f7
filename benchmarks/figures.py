"""What is made of a list of timings."""


def percentile(values, percent):
    """The value that *percent* of *values* do not exceed (nearest rank)."""
    ranked = sorted(values)
    rank = -(-len(ranked) * percent // 100)
    return ranked[max(0, rank - 1)]


def median(values):
    """The middle one of *values*, the lower one of two."""
    return percentile(values, 50)


def mean(values):
    """The sum of *values*, shared out among them."""
    return sum(values) / len(values)


def milliseconds(seconds):
    """*seconds* as text for a table."""
    return '%7.1f' % (seconds * 1000)
