# The developer's entry points. `make` lists them.
#
# Everything lives in this folder: the virtualenv in .venv, the instance in
# bin, parts, develop-eggs and eggs, its database and logs in var.

# Further options of zope-testrunner: make test TEST='-t health_check'
TEST =

# Given to choose the Python of the virtualenv. bin/instance reads a variable
# of that name, too: it would run Zope with it, past the virtualenv.
unexport PYTHON

PIP = .venv/bin/python -m pip --no-input
REQUIREMENTS = requirements/development.txt requirements/constraints-6.2.txt

.DEFAULT_GOAL := help
.PHONY: help start stop test lint benchmark clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile | expand -t 20
	@echo 'Variables: PYTHON=python3.12 (3.11 to 3.13), TEST="-t name"'

start: bin/instance ## set up and start Plone on 127.0.0.1:8080, wait until the monitor says OK
	@.venv/bin/python tools/start.py

stop: ## stop it
	@sh tools/stop.sh

# Without HAProxy most of the tests run all the same; CI wants all of them.
test: bin/instance ## run all tests, or make test TEST='-t name'
	@sh tools/need.sh haproxy:haproxy nc:netcat-openbsd || [ -z "$$CI" ]
	@.venv/bin/python tools/run_tests.py \
	    --path=. --tests-pattern='^(tests|functional)$$' \
	    --test-file-pattern='^test_' -s tests $(TEST)

lint: .venv/installed ## check the style with ruff
	@.venv/bin/ruff check ftw tests benchmarks tools setup.py

benchmark: bin/instance ## measure, see benchmarks/
	@.venv/bin/python -m benchmarks

clean: ## remove all that was set up here, the database included
	-@sh tools/stop.sh
	rm -rf .venv bin parts develop-eggs eggs var .installed.cfg *.egg-info
	rm -rf .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# Set-up. Each step leaves a file that is newer than what it was made from,
# so that the next `make` has nothing to do.

# A virtualenv of another Python than the one asked for is made anew.
ifdef PYTHON
version = $(shell { $(1) -c 'import sys; print(sys.version)'; } 2>/dev/null)
ifneq ($(call version,$(PYTHON)),$(call version,.venv/bin/python))
.PHONY: .venv/bin/python
endif
endif

.venv/bin/python:
	@PYTHON='$(PYTHON)' sh tools/create_venv.sh

# pip and setuptools first: an old pip does not resolve this, and without
# build isolation the pinned setuptools builds the checkout.
.venv/installed: .venv/bin/python setup.py $(REQUIREMENTS)
	@echo '==> installing Plone 6.2 into .venv (1-3 minutes)'
	@sh tools/quietly.sh $(PIP) install \
	    -c requirements/constraints-6.2.txt pip setuptools
	@sh tools/quietly.sh $(PIP) install --no-build-isolation \
	    -r requirements/development.txt
	@touch $@

# buildout leaves bin/instance alone if nothing in it changes.
bin/instance: .venv/installed buildout.cfg development.cfg
	@echo '==> building bin/instance'
	@sh tools/quietly.sh .venv/bin/buildout
	@touch $@
