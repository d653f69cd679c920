# Every target makes the environment first if it is absent.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python

.PHONY: help demo test test-slow lint format docs bench clean

help:  ## Say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip

# torch first and alone: asked for by name it is taken as pinned, never as a newer build
$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(RUN) -m pip install --quiet --constraint constraints.txt torch
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	$(RUN) -m pip install --quiet --constraint constraints.txt --group $*
	@touch $@

demo: $(VENV)/.installed  ## Type real blood cells and show which genes decided
	$(BIN)/tgem demo --out results/demo

test: $(VENV)/.installed-test  ## Run the tests
	$(RUN) -m pytest

test-slow: $(VENV)/.installed-test  ## Run the long tests
	$(RUN) -m pytest -m slow

lint: $(VENV)/.installed-lint  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-lint  ## Mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-docs  ## Build the documentation into docs/_build/html
	$(RUN) -m sphinx -W --keep-going -b html docs docs/_build/html

bench: $(VENV)/.installed-test  ## Measure; results go to benchmarks/results
	$(RUN) benchmarks/attention.py
	$(RUN) benchmarks/attribution.py
	$(RUN) benchmarks/networks.py
	$(RUN) benchmarks/deeplift.py
	$(RUN) benchmarks/epiattention.py
	$(RUN) benchmarks/bin_signal.py

clean:  ## Remove everything that can be made again
	rm -rf $(VENV) build dist docs/_build docs/generated .pytest_cache .mypy_cache .ruff_cache
