# `make demo` and `make test` need python3 (3.11 or later, with venv) and nothing else: each makes .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready-for-cachepy
DEMO := examples/flights.py --dask
PYTEST_ARGS ?= -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test lint unit stress bench clean

help:
	@echo "make demo    the example pipeline over a year of flights"
	@echo "make test    lint, types and all tests"
	@echo "make lint    ruff and mypy only"
	@echo "make stress  long random runs"
	@echo "make bench   against joblib, diskcache and hand-written floors; five minutes"
	@echo "make clean   delete .venv, caches and the example's files"

demo: $(READY)
	$(BIN)/python $(DEMO)

test: lint unit

lint: $(READY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

unit: $(READY)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

stress: $(READY)
	$(BIN)/python -m pytest -m stress --timeout 3600 $(PYTEST_ARGS)

bench: $(READY)
	@$(BIN)/python -c "import diskcache, joblib" 2>/dev/null \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[bench]"
	$(BIN)/python benchmarks/run.py

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) build dist examples/out .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find cachepy dask_plugin tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
