# Every task is one command: each target first installs what it needs into $(VENV).
# Another interpreter: make test PYTHON=python3.13 VENV=.venv-313

PYTHON ?= python3
VENV ?= .venv
TRYTON_VENV ?= .venv-tryton
WORKERS ?= 2
SUITES := tests $(wildcard plugins/*/tests)

BIN := $(VENV)/bin
UV := $(BIN)/uv --quiet
READY := $(VENV)/.ready
TRYTON_READY := $(TRYTON_VENV)/.ready
PROJECTS := . $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate $(LOCK_OPTIONS)

# The tests start Python hundreds of times, and without compiled files each start compiles everything anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test check format bench bench-large faults lock clean python-version

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## install everything that is needed into .venv

demo: $(READY) ## run the demonstration, offline
	$(BIN)/omnibridge demo

test: $(READY) $(TRYTON_READY) ## run all tests
	OMNIBRIDGE_TRYTON_VENV=$(TRYTON_VENV) $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(SUITES) $(ARGS)

check: $(READY) ## check format, style, types, floors and generated documents
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports
	@# The one place that compares the generated documents with the code:
	@if [ -f docs/generate.py ]; then $(BIN)/python docs/generate.py --check; fi

format: $(READY) ## format the code and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(READY) ## measure; results go to bench/out
	$(BIN)/python -m bench $(ARGS)

bench-large: $(READY) ## measure a customer's card with 1,000,000 customers and 10,000,000 events: half an hour, 12 GB
	$(BIN)/python -m bench.context --large

faults: $(READY) ## cut power, kill processes 200 times, plant bugs that the tests must notice
	$(BIN)/python -m pytest tests/faults $(ARGS)
	$(BIN)/python tests/support/sigkill.py --kills 200
	$(BIN)/python tests/support/planted.py

lock: $(READY) ## pin the requirements anew (LOCK_OPTIONS=--upgrade for newer versions)
	$(LOCK) requirements/bootstrap.in -o requirements/bootstrap.txt
	$(LOCK) pyproject.toml requirements/dev.in -o requirements/dev.txt
	$(LOCK) requirements/tryton.in -o requirements/tryton.txt

clean: ## remove what the other targets made
	rm -rf .venv .venv-* bench/out build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python-version:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else \
	"OmniBridge needs Python 3.11 or later, but $(PYTHON) is %d.%d. Name a newer one: make PYTHON=python3.13" % v[:2])'

# uv only installs what the pinned list names, by hash. The editable installs come last and fetch nothing.
$(READY): requirements/bootstrap.txt requirements/dev.txt pyproject.toml $(wildcard plugins/*/pyproject.toml) \
		| python-version
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	$(UV) pip install --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(UV) pip install --python $(BIN)/python --offline --no-deps --no-build-isolation $(PROJECTS:%=-e %)
	@touch $@

# A Tryton server is GPL software and runs as a process of its own, so it has an environment of its own.
$(TRYTON_READY): requirements/tryton.txt $(READY)
	@test -x $(TRYTON_VENV)/bin/python || $(PYTHON) -m venv --without-pip $(TRYTON_VENV)
	$(UV) pip install --python $(TRYTON_VENV)/bin/python --require-hashes -r requirements/tryton.txt
	@touch $@
