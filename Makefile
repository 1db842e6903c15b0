# The two commands of the README, and what they stand on. Each does all the set-up on a fresh machine and is quick when nothing changed.
PYTHON ?= python3
BIN := .venv/bin
HORNBOOK_RUNS ?= runs
export HORNBOOK_RUNS

.PHONY: demo test test-slow lint clean
demo: .venv/installed
	$(BIN)/hornbook demo --no-open

test: .venv/installed-test
	$(BIN)/python -m pytest

test-slow: .venv/installed-test
	$(BIN)/python -m pytest -m slow

lint: .venv/installed-test
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Hornbook needs Python 3.11 or newer: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/installed-test: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[test,lint]'
	@touch .venv/installed $@

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache
