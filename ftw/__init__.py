"""The namespace of all ``ftw.*`` packages.

Python 2 only: there, every distribution of the namespace has this file, in
the style of pkg_resources. On Python 3 none may have it; only a checkout does,
where it must not hide the others.
"""

import sys


if sys.version_info[0] == 2:
    __import__('pkg_resources').declare_namespace(__name__)
else:
    from pkgutil import extend_path
    __path__ = extend_path(__path__, __name__)
