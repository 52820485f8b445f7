#!/bin/sh
# quietly.sh COMMAND [ARG...]: run it without a word; if it fails, show all
# that it said.
set -eu

said=$(mktemp)
trap 'rm -f "$said"' EXIT
trap 'exit 130' INT TERM

status=0
"$@" >"$said" 2>&1 || status=$?
if [ "$status" -ne 0 ]; then
    cat "$said" >&2
    echo "Failed with status $status: $*" >&2
fi
exit "$status"
