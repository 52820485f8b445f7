# The developer's entry points. `make` lists them.
#
# Everything lives in this folder: the virtualenv in .venv, the instance in
# bin, parts, develop-eggs and eggs, its database and logs in var. That is the
# world of Plone 6.2; plone43 has the same for Plone 4.3.

# Further options of zope-testrunner: make test TEST='-t health_check'
TEST =

# How many probes: make soak PROBES=100000. And the seed of the fuzzed inputs.
PROBES = 1000000
SEED =

# Given to choose the Python of the virtualenv. bin/instance reads a variable
# of that name, too: it would run Zope with it, past the virtualenv.
unexport PYTHON

# Python 2 would put its .pyc files beside our sources.
%-plone43: export PYTHONDONTWRITEBYTECODE = 1

PIP = .venv/bin/python -m pip --no-input
REQUIREMENTS = requirements/development.txt requirements/constraints-6.2.txt
PIP_43 = plone43/.venv/bin/python -m pip --no-input
REQUIREMENTS_43 = requirements/development-4.3.txt \
    requirements/constraints-4.3.txt

RUN_TESTS = tools/run_tests.py \
    --path=. --tests-pattern='^(tests|functional)$$' \
    --test-file-pattern='^test_' -s tests $(TEST)

.DEFAULT_GOAL := help
.PHONY: help start stop test start-plone43 stop-plone43 test-plone43
.PHONY: test-programs lint benchmark benchmark-plone43 soak soak-plone43 clean

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1	/p' Makefile | expand -t 26
	@echo 'Variables: PYTHON=python3.12 (3.11 to 3.13), PYTHON27=python2.7,'
	@echo '           TEST="-t name", PROBES=100000, SEED=1'

start: bin/instance ## set up and start Plone on 127.0.0.1:8080, wait until the monitor says OK
	@.venv/bin/python tools/start.py

stop: ## stop it
	@sh tools/stop.sh

test: bin/instance test-programs ## run all tests, or make test TEST='-t name'
	@.venv/bin/python $(RUN_TESTS)

start-plone43: plone43/bin/instance ## the same as make start, for Plone 4.3 on 127.0.0.1:8043
	@plone43/.venv/bin/python tools/start.py plone43

stop-plone43: ## stop it
	@sh tools/stop.sh plone43

test-plone43: plone43/bin/instance test-programs ## run all tests with Plone 4.3
	@plone43/.venv/bin/python $(RUN_TESTS)

# Without HAProxy or PostgreSQL most of the tests run all the same; CI wants all
# of them. Only Plone 6.2 is tested with PostgreSQL.
PROGRAMS = haproxy:haproxy nc:netcat-openbsd
test: PROGRAMS += initdb:postgresql

test-programs:
	@sh tools/need.sh $(PROGRAMS) || [ -z "$$CI" ]

lint: .venv/installed ## check the style with ruff
	@.venv/bin/ruff check ftw tests benchmarks tools setup.py

benchmark: bin/instance ## measure, see benchmarks/
	@.venv/bin/python -m benchmarks

benchmark-plone43: plone43/bin/instance ## the same with Plone 4.3
	@plone43/.venv/bin/python -m benchmarks

soak: bin/instance ## some minutes of probes, slow clients and nonsense; fails if the monitor wears out
	@.venv/bin/python -m benchmarks.soak $(PROBES) $(SEED)

soak-plone43: plone43/bin/instance ## the same with Plone 4.3
	@plone43/.venv/bin/python -m benchmarks.soak $(PROBES) $(SEED)

clean: ## remove all that was set up here, the databases included
	-@sh tools/stop.sh
	-@sh tools/stop.sh plone43
	rm -rf .venv bin parts develop-eggs eggs var .installed.cfg *.egg-info
	cd plone43 && rm -rf .virtualenv .venv src \
	    bin parts develop-eggs eggs var .installed.cfg
	rm -rf .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
	find . -name '*.pyc' -exec rm -f {} +

# Set-up. Each step leaves a file that is newer than what it was made from,
# so that the next `make` has nothing to do.

# A virtualenv of another Python than the one asked for is made anew.
version = $(shell { $(1) -c 'import sys; print(sys.version)'; } 2>/dev/null)
ifdef PYTHON
ifneq ($(call version,$(PYTHON)),$(call version,.venv/bin/python))
.PHONY: .venv/bin/python
endif
endif
ifdef PYTHON27
ifneq ($(call version,$(PYTHON27)),$(call version,plone43/.venv/bin/python))
.PHONY: plone43/.venv/bin/python
endif
endif

.venv/bin/python:
	@PYTHON='$(PYTHON)' sh tools/create_venv.sh .venv

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

# The same for Plone 4.3.

plone43/.venv/bin/python:
	@PYTHON='$(PYTHON)' PYTHON27='$(PYTHON27)' sh tools/create_venv27.sh

# The checkout once more, by links: setuptools writes *.egg-info beside the
# package. Plone 4.3 reads there what the package needs at run time, and that
# is not what it needs with Plone 6.2.
plone43/src/setup.py:
	@mkdir -p plone43/src
	@ln -sfn ../../ftw ../../setup.py ../../README.rst ../../CHANGES.rst \
	    plone43/src

plone43/.venv/installed: plone43/.venv/bin/python plone43/src/setup.py \
    $(REQUIREMENTS_43)
	@echo '==> installing Plone 4.3 into plone43/.venv (4 minutes)'
	@sh tools/quietly.sh $(PIP_43) install --no-build-isolation \
	    -r requirements/development-4.3.txt
	@touch $@

plone43/bin/instance: plone43/.venv/installed plone43/buildout.cfg \
    development.cfg
	@echo '==> building plone43/bin/instance'
	@cd plone43 && sh ../tools/quietly.sh .venv/bin/buildout
	@touch $@
