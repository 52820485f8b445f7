"""Anonymous visitors, and how long they wait."""

import threading
import time


#: Where a proxy sends them. Plone has no theme for 127.0.0.1.
SITE = '/VirtualHostBase/http/www.example.org:80/Plone/VirtualHostRoot'

#: What they ask for: (name, path below the site).
PAGES = (
    ('front page', ''),
    ('listing', '/folder1'),
    ('search', '/@@search?SearchableText=word3'),
    ('content page', '/folder2/page7'),
)


def visit(instance, path, visitors=1):
    """*visitors* request *path*, below the site, at once: seconds that the
    slowest waits."""
    return visit_at_once(instance, SITE + path, visitors)


def visit_often(instance, rounds=2, visitors=4):
    """Have *visitors* request each page at once, in several *rounds*."""
    for _ in range(rounds):
        for _, path in PAGES:
            visit(instance, path, visitors)


def visit_at_once(instance, path, visitors):
    """*visitors* request *path* at once: seconds that the slowest waits."""
    answers = []
    together = threading.Event()

    def request():
        together.wait()
        began = time.time()
        status, _ = instance.get(path)
        answers.append((time.time() - began, status))

    threads = [threading.Thread(target=request) for _ in range(visitors)]
    for thread in threads:
        thread.start()
    together.set()
    for thread in threads:
        thread.join()
    if [status for _, status in answers] != visitors * [200]:
        raise AssertionError('%s: %r' % (path, answers))
    return max(seconds for seconds, _ in answers)
