# Two commands: `make report` and `make test`. Both set up .venv by themselves; both can be run again at any time.
# `make check` is `make test` without what takes more than a few seconds.
SCALE ?= laptop
CORES ?= $(shell python3 -c "import os; print(len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count())")
PYTHON ?= python3
# Programs are called as modules of the interpreter: the first line of a script in .venv/bin holds no quotes or long paths.
BIN := .venv/bin
SIDE_BY_SIDE := --numprocesses $(CORES) --maxprocesses 8 --dist loadfile --no-loadscope-reorder
# Snakemake keeps a cache under the user's home; where that cannot be written, one lies here.
CACHE := $(shell d="$${XDG_CACHE_HOME:-$${HOME:-/dev/null}/.cache}"; mkdir -p "$$d" 2>/dev/null && test -w "$$d" && echo "$$d")
ifeq ($(CACHE),)
export XDG_CACHE_HOME := $(CURDIR)/.cache
endif

.PHONY: report smoke test check lint clean
.DEFAULT_GOAL := report

report: .venv/ready
	@$(BIN)/python -m snakemake --cores $(CORES) --config scale=$(SCALE) --quiet rules host
	@$(BIN)/python -m flopwise --scale $(SCALE) report summary

smoke:
	@$(MAKE) --no-print-directory report SCALE=smoke

test: lint
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE)

check: lint
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not slow"

lint: .venv/ready-dev
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m snakefmt --check Snakefile workflow
	@$(BIN)/python -m flopwise config --check

clean:
	rm -rf results/smoke results/laptop .snakemake

# The lock pins every version; it holds no hashes, so that a CPU build and a CUDA build of torch both satisfy it.
.venv/bin/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'flopwise needs Python 3.11 or newer; this is ' + sys.version.split()[0])"
	@echo "setting up .venv (once; a few minutes)"
	@$(PYTHON) -m venv .venv

.venv/ready: .venv/bin/python pyproject.toml requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable .
	@touch $@

.venv/ready-dev: .venv/ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable ".[dev]"
	@touch $@
