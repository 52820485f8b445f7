#!/bin/sh
# need.sh THING:PACKAGE...: see that the things are there, or install or name
# the Debian packages that have them. A thing is a command, the path of a
# file, or a header (NAME.h) that the C compiler finds.
set -eu

here=$(dirname "$0")
# Daemons such as haproxy live where only root's PATH leads.
PATH="$PATH:/usr/sbin:/sbin"
# Debian keeps the programs of each version of PostgreSQL in a folder of its
# own, off everybody's PATH.
for folder in /usr/lib/postgresql/*/bin; do
    PATH="$PATH:$folder"
done

there() {
    case $1 in
        /*) [ -e "$1" ] ;;
        *.h) echo "#include <$1>" | cc -E - >/dev/null 2>&1 ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

missing=
for pair in "$@"; do
    there "${pair%%:*}" || missing="$missing ${pair#*:}"
done
if [ -n "$missing" ]; then
    # Without quotes: one argument for each package.
    sh "$here/apt.sh" $missing
fi
