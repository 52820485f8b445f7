#!/bin/sh
# stop.sh [FOLDER]: stop the instance that tools/start.py started there.
set -eu

instance=${1:+$1/}bin/instance
if [ ! -e "$instance" ]; then
    echo "Nothing to stop: there is no $instance."
    exit
fi
case $("$instance" status) in
    'program running'*) commands=stop ;;
    # It has ended by itself and will be started again: Plone 6.2 stops that
    # with "stop", Plone 4.3 with "quit".
    'daemon manager running'*) commands='stop quit' ;;
    *)
        echo "Nothing to stop: Plone is not running."
        exit
        ;;
esac
for command in $commands; do
    sh "$(dirname "$0")/quietly.sh" "$instance" "$command"
done
echo "Plone is stopped."
