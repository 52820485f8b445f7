#!/bin/sh
# apt.sh PACKAGE...: install what is missing, on a Debian machine of a CI
# service; elsewhere only name it.
set -eu

here=$(dirname "$0")
if [ -n "${CI:-}" ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null
then
    echo "==> installing $* with apt-get"
    export DEBIAN_FRONTEND=noninteractive
    sh "$here/quietly.sh" apt-get update
    sh "$here/quietly.sh" apt-get install --yes --no-install-recommends "$@"
else
    echo "Missing on this machine; on Debian: apt-get install $*" >&2
    exit 1
fi
