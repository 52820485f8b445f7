#!/bin/sh
# need.sh COMMAND:PACKAGE...: see that the commands are there, or install or
# name the Debian packages that have them.
set -eu

here=$(dirname "$0")
# Daemons such as haproxy live where only root's PATH leads.
PATH="$PATH:/usr/sbin:/sbin"
missing=
for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
if [ -n "$missing" ]; then
    # Without quotes: one argument for each package.
    sh "$here/apt.sh" $missing
fi
