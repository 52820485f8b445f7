#!/bin/sh
# create_venv.sh FOLDER: make a virtualenv there, of the Python that the
# variable PYTHON names, or else of the first suitable one.
set -eu

here=$(dirname "$0")
folder=$1

suitable() {
    # Zope 6.3 needs 3.11; there are no wheels for 3.14 among the pins.
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
        >/dev/null 2>&1
}

python=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if suitable "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    if [ -n "${PYTHON:-}" ]; then
        echo "PYTHON=$PYTHON is no Python 3.11, 3.12 or 3.13 that runs." >&2
    else
        echo "No Python 3.11, 3.12 or 3.13 on the PATH; if there is one" \
            "elsewhere: make PYTHON=/path/to/python3.11 start" >&2
    fi
    exit 1
fi

# Debian has these modules in a package of their own.
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    sh "$here/apt.sh" "python$version-venv"

echo "==> creating a virtualenv of Python $version in $folder"
sh "$here/quietly.sh" "$python" -m venv --clear "$folder"
