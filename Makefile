# Every target but `help` and `clean` needs Python (3.11 or later, with venv) and nothing else: it makes .venv first, with
# the newest that it finds. PYTHON names another one.
PYTHON ?= $(or $(shell for each in python3.13 python3.12; do \
	"$$each" -c 'import ensurepip, venv' 2>/dev/null && echo "$$each" && break; done),python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready-for-cachepy
DEMO_READY := $(VENV)/.ready-for-demo
DEMO := examples/flights.py --dask
PYTEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
SCHEMA := @$(BIN)/check-jsonschema --quiet --builtin-schema

.DEFAULT_GOAL := help
.PHONY: help demo test lint unit docs stress dask examples bench build hooks clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name what; do \
		printf 'make %-7s %s\n' "$$name" "$$what"; done

demo: $(if $(wildcard $(READY)),$(READY),$(DEMO_READY)) ## the example pipeline over a year of flights
	$(BIN)/python $(DEMO)

test: lint unit docs ## lint, types, all tests, and the documentation

lint: $(READY) ## ruff, mypy, pyright's engine, and the schemas of the GitHub and citation files
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/basedpyright
	$(BIN)/yamllint --strict .
	$(SCHEMA) vendor.github-workflows .github/workflows/*.yml
	$(SCHEMA) vendor.github-issue-forms .github/ISSUE_TEMPLATE/[!c]*.yml
	$(SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(SCHEMA) vendor.dependabot .github/dependabot.yml
	$(SCHEMA) vendor.citation-file-format --default-filetype yaml CITATION.cff

unit: $(READY) ## the tests alone; PYTEST_ARGS="tests/unit -x" for some of them
	$(BIN)/python -m pytest $(PYTEST_ARGS)

docs: $(READY) ## the documentation as a site, in site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

stress: $(READY) ## long random runs, kills and faults: half an hour on two cores
	$(BIN)/python -m pytest -m stress --timeout 3600 --durations=20 $(PYTEST_ARGS)

dask: ## the tests of dask_plugin with the oldest dask that is supported and with the newest, in .venv-dask-*
	$(PYTHON) -m venv .venv-dask-oldest
	.venv-dask-oldest/bin/python -m pip --quiet install --editable ".[test]" $$($(PYTHON) .ci/lowest.py dask distributed)
	.venv-dask-oldest/bin/python -m pytest $(PYTEST_ARGS) tests/dask
	$(PYTHON) -m venv .venv-dask-newest
	.venv-dask-newest/bin/python -m pip --quiet install --editable ".[test]"
	.venv-dask-newest/bin/python -m pip --quiet install --upgrade --pre dask distributed
	.venv-dask-newest/bin/python -m pytest $(PYTEST_ARGS) tests/dask

examples: $(READY) ## those of three fields, and all kinds of objects; installs torch, scanpy and other large packages
	$(PIP) install --editable ".[examples]"
	$(BIN)/python -m pytest $(PYTEST_ARGS) tests/examples/test_pipelines.py tests/unit/test_objects.py

bench: $(READY) ## against joblib, diskcache and hand-written floors; five minutes
	@$(BIN)/python -c "import diskcache, joblib" 2>/dev/null || $(PIP) install --editable ".[bench]"
	$(BIN)/python benchmarks/run.py

build: $(READY) ## sdist and wheel, in dist/
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/twine check --strict dist/*

hooks: $(READY) ## checks before each commit, by pre-commit
	$(BIN)/pre-commit install

$(DEMO_READY): pyproject.toml
	@echo "making $(VENV), and installing cachepy, pandas and the data of the example: about a minute"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --editable ".[demo]"
	@touch $@

$(READY): pyproject.toml
	@echo "making $(VENV), and installing all that the tests need: about two minutes"
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --editable ".[test]"
	touch $@

clean: ## delete .venv, caches, site, build, dist and the example's files
	rm -rf $(VENV) .venv-dask-* build dist site examples/out .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find cachepy dask_plugin tests examples benchmarks .ci -name __pycache__ -type d -prune -exec rm -rf {} +
