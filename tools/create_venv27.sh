#!/bin/sh
# create_venv27.sh: make the virtualenv plone43/.venv, of the Python 2.7 that
# find_python27.sh finds.
set -eu

here=$(dirname "$0")
python=$(sh "$here/find_python27.sh")

# A C compiler with what most packages include, what Pillow includes, and what
# all of them do.
include=$("$python" -c '
import sysconfig; print(sysconfig.get_path("include"))')
sh "$here/need.sh" cc:gcc stdio.h:libc6-dev jpeglib.h:libjpeg-dev \
    zlib.h:zlib1g-dev "$include/Python.h:python2.7-dev"

# virtualenv itself runs on Python 3.
sh "$here/create_venv.sh" plone43/.virtualenv
sh "$here/quietly.sh" plone43/.virtualenv/bin/python -m pip --no-input \
    install -r requirements/virtualenv.txt
echo "==> creating a virtualenv of Python 2.7 in plone43/.venv"
sh "$here/quietly.sh" plone43/.virtualenv/bin/virtualenv \
    --clear --no-periodic-update --python "$python" plone43/.venv
