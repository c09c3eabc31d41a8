# `make` runs the main job, `make test` the tests of five minutes, `make test-all` all tests; each first sets up .venv from
# requirements.lock where it is missing or out of date. Required: Python >= 3.11 with pip, make, git. To use another
# interpreter: `make PYTHON=python3.13`.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
CORES ?= all
WORKERS ?= logical
SNAKEMAKE_ARGS ?=
# Snakemake's own log in place of the progress: `make VERBOSE=1`.
VERBOSE ?=
PYTEST_ARGS ?=
LAB_ARGS ?= $(if $(filter 0,$(shell id -u)),--allow-root)
LOCK_ARGS ?=

VENV ?= .venv
PY := $(VENV)/bin/python
SNAKEMAKE = $(RUN) snakemake --cores $(CORES) $(if $(VERBOSE),--logger-pcpo-show snakemake) $(SNAKEMAKE_ARGS)
STAMP := $(VENV)/.installed
# Not exported for the whole file: the recipe that makes .venv needs the interpreter outside .venv.
RUN := PATH="$$(cd $(VENV)/bin && pwd):$$PATH" $(PY) -m

ifneq ($(words $(CURDIR)),1)
ifneq ($(words $(filter /%,$(VENV))),1)
$(error found a space in the path of the interpreter ("$(CURDIR)/.venv"), with which Snakemake starts no script; expected: make VENV=/path/without/spaces)
endif
endif

export PYTHONNOUSERSITE := 1
unexport PYTHONPATH PYTHONHOME

.PHONY: all quick status notebooks test test-all coverage bench lint format docs pages wheel lock setup clean help

# Without a folder for its cache, Snakemake stops with a traceback.
define CHECK_HOME
@cache="$${XDG_CACHE_HOME:-$$HOME}"; mkdir -p "$$cache" 2> /dev/null && test -w "$$cache" || { \
  echo "HOME: found \"$$cache\", which cannot be written, expected a folder for caches: HOME=\$$(mktemp -d) make $@" >&2; exit 1; }
endef

all: $(STAMP)  ## run the main job (results/, figures/)
	$(CHECK_HOME)
	@echo "== main job on $(CORES) cores: results/ and figures/"
	$(SNAKEMAKE)
	@! test -f results/report.html || echo "== to read: results/report.html; in JupyterLab: make notebooks"

quick: $(STAMP)  ## run a small version of the pipeline in minutes (build/quick/)
	$(CHECK_HOME)
	@echo "== quick job on $(CORES) cores: build/quick/"
	$(SNAKEMAKE) --configfile config/quick.yaml
	@! test -f build/quick/results/report.html || echo "== to read: build/quick/results/report.html"

status: $(STAMP)  ## show what is running, progress and remaining time
	@$(RUN) pcpo.pipeline.status

notebooks: $(STAMP)  ## open the notebooks in JupyterLab, on results/ or else build/quick/ (PCPO_ROOT=... for others)
	@echo "== JupyterLab on notebooks/; end it with Ctrl-C"
	$(RUN) jupyterlab $(LAB_ARGS) notebooks

PYTEST := $(RUN) pytest -n $(WORKERS) --maxprocesses 4 --dist worksteal

test: $(STAMP)  ## run the tests but those marked slow: 5 minutes on two cores
	@echo "== tests but those marked slow"
	$(PYTEST) -m 'not slow' $(PYTEST_ARGS)

test-all: $(STAMP)  ## run all tests
	@echo "== all tests"
	$(PYTEST) $(PYTEST_ARGS)

# numba reports lines to coverage when it compiles them, so the cache of compiled functions must start empty.
coverage: $(STAMP)  ## run all tests and measure coverage, compiled lines included (at least 90 %)
	@echo "== tests with coverage"
	cache=$$(mktemp -d); trap 'rm -rf "$$cache"' EXIT; NUMBA_JIT_COVERAGE=1 NUMBA_CACHE_DIR="$$cache" $(MAKE) test-all \
	  PYTEST_ARGS="--ignore=tests/workflow/test_slurm.py --cov --cov-report=term --cov-fail-under=90 $(PYTEST_ARGS)"

bench: $(STAMP)  ## run the benchmarks
	@echo "== benchmarks"
	$(RUN) pytest benchmarks $(PYTEST_ARGS)

lint: $(STAMP)  ## check style, types, layers and the workflow
	@echo "== lint"
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(RUN) mypy
	$(VENV)/bin/lint-imports
	$(RUN) snakefmt --check Snakefile workflow
	$(RUN) snakemake --lint

format: $(STAMP)  ## format the code
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	$(RUN) snakefmt Snakefile workflow

docs: $(STAMP)  ## build the documentation as a site (build/site/index.html)
	@echo "== site of all pages, the API and the figures: build/site/"
	$(RUN) tools.site

pages: $(STAMP)  ## regenerate what pages take from the code and from docs/reference
	$(RUN) tools.head
	$(RUN) tools.rulegraph
	$(RUN) tools.evidence_page
	$(RUN) tools.captions
	$(RUN) tools.cost
	$(RUN) tools.version

# What an earlier build has left in build/lib would become part of the wheel, removed modules included.
wheel: $(STAMP)  ## build the package for installation elsewhere (dist/)
	rm -rf build/lib build/bdist.*
	$(PY) -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	rm -rf build/lib build/bdist.*

lock: $(STAMP)  ## renew requirements.lock (LOCK_ARGS=--upgrade for newer versions)
	$(VENV)/bin/uv pip compile pyproject.toml --extra dev --output-file requirements.lock --python-version 3.11 \
	  --universal --fork-strategy fewest --generate-hashes --no-emit-index-url --no-header --quiet $(LOCK_ARGS)

setup: $(STAMP)  ## set up .venv and nothing else

# `venv --without-pip` needs no ensurepip, which some systems package separately; the interpreter's pip then installs the
# locked pip, which installs everything else. The build constraint pins the backend for the few packages without a wheel.
$(STAMP): requirements.lock pyproject.toml
	@echo "== setting up $(VENV) from requirements.lock: $$(grep -c '^[a-z0-9].*==' $<) packages, a minute or two"
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python >= 3.11 is needed: make PYTHON=...")'
	@test -x $(PY) || $(PYTHON) -m venv --without-pip $(VENV)
	@awk '/^pip==/ {keep = 1} keep; !/\\$$/ {keep = 0}' $< > $(VENV)/pip.txt
	@sed -nE 's/^(setuptools==[^ ]+).*/\1/p' $< > $(VENV)/build-constraint.txt
	$(PYTHON) -m pip --python $(PY) install --quiet --no-deps --require-hashes -r $(VENV)/pip.txt
	$(PY) -m pip install --quiet --no-deps --require-hashes --build-constraint $(VENV)/build-constraint.txt -r $<
	$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

clean:  ## remove all generated files, .venv included
	rm -rf .venv .snakemake build dist results figures/*.pdf figures/*.png figures/*.csv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* *.egg-info
	find . -type d -name __pycache__ -prune -exec rm -rf {} +

help:  ## list these targets
	@sed -nE 's/^([a-z-]+):.*##/make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 15
