#!/bin/sh
# unprivileged.sh COMMAND [ARG...]: run it, not as root: Zope 2.13 refuses to
# run as uid 0.
set -eu

# Another user inside; outside all files stay those of root.
in_namespace='unshare --user --map-user=1000 --map-group=1000'
# Containers may forbid that. Nobody, who may do with files what root may.
as_nobody='setpriv --reuid=65534 --regid=65534 --clear-groups
    --inh-caps=+dac_override,+fowner --ambient-caps=+dac_override,+fowner'

if [ "$(id -u)" -ne 0 ]; then
    exec "$@"
fi
for way in "$in_namespace" "$as_nobody"; do
    # Without quotes: its words.
    if $way true 2>/dev/null; then
        exec $way "$@"
    fi
done
echo "Zope 2.13 refuses to run as root, and neither unshare nor setpriv may" \
    "change that here: use another user." >&2
exit 1
