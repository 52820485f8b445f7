#!/bin/sh
# stop.sh: stop the instance that `make start` started.
set -eu

if [ ! -e bin/instance ]; then
    echo "Nothing to stop: there is no bin/instance."
elif bin/instance status | grep -q 'program running'; then
    sh "$(dirname "$0")/quietly.sh" bin/instance stop
    echo "Plone is stopped."
else
    echo "Nothing to stop: Plone is not running."
fi
