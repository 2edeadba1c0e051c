# The two commands of the README do all the set-up on a fresh machine: `make train` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: train test test-all check setup clean

train: setup ## train the quick start: people of a replica of Market-1501, a few minutes
	$(BIN)/python train.py experiment=quickstart

test: setup ## the fast tests
	$(BIN)/python -m pytest -m "not slow"

test-all: setup ## every test
	$(BIN)/python -m pytest

check: setup ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

setup: $(VENV)/.installed

# Made anew whenever the dependencies change; the exact versions are the tested ones.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

clean: ## remove the environment
	rm -rf $(VENV)
