#!/bin/sh
# find_python27.sh: print the path of a Python 2.7 that runs: the one that the
# variable PYTHON27 names, or else the first on the PATH or of pyenv.
set -eu

# Of many versions of pyenv, the newest.
versions=${PYENV_ROOT:-${HOME:-}/.pyenv}/versions
from_pyenv=$(ls -d "$versions"/2.7.*/bin/python2.7 2>/dev/null |
    sort -rV) || true

for candidate in ${PYTHON27:-python2.7 $from_pyenv}; do
    # What pyenv has on the PATH runs only if it is switched on.
    "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' \
        >/dev/null 2>&1 || continue
    "$candidate" -c 'import sys; print(sys.executable)'
    exit
done
if [ -n "${PYTHON27:-}" ]; then
    echo "PYTHON27=$PYTHON27 is no Python 2.7 that runs." >&2
else
    echo "No Python 2.7 that runs: neither python2.7 on the PATH nor one in" \
        "$versions; get it (pyenv install 2.7.18) or, if there is one" \
        "elsewhere: make PYTHON27=/path/to/python2.7 start-plone43" >&2
fi
exit 1
