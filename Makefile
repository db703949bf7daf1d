# Two commands for everybody: `make demo` and `make test`. Each sets the machine up by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0
DEMO_EVENTS ?=
DEMO_OUTPUT ?= demo

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-cluster lint types bench fuzz models docs clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

venv: $(VENV)/.installed ## the environment, with the versions of constraints.txt

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11"; exit 1; }
	@echo "Setting up $(VENV) (a few minutes, once)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "pip==26.2"
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[all]" --group dev --group docs
	@touch $@

demo: $(VENV)/.installed ## generate, simulate, skim, train, filter, check: ends with the path of a report
	$(BIN)/smartbkg demo --output $(DEMO_OUTPUT) $(if $(DEMO_EVENTS),--events $(DEMO_EVENTS))

test: $(VENV)/.installed lint types ## lint, types and the whole test-suite
	$(BIN)/python -m pytest -n auto --dist loadgroup

test-cluster: $(VENV)/.installed ## campaigns on a real Slurm on loopback (Debian, root: installs it)
	$(BIN)/python tests/cluster/slurm.py install
	$(BIN)/python -m pytest -q tests/cluster

lint: $(VENV)/.installed ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed ## mypy, strict
	$(BIN)/mypy

bench: $(VENV)/.installed ## the benchmark tables
	$(BIN)/python -m benchmarks

fuzz: $(VENV)/.installed ## mutated files of every format: errors or the same numbers, nothing else
	$(BIN)/python tests/fuzzing.py

models: $(VENV)/.installed ## the models in the package, from nothing (hours; can be stopped and goes on)
	$(BIN)/python models/make_models.py --folder build/models --jobs 2 --publish

docs: $(VENV)/.installed ## the documentation, into site/
	$(BIN)/mkdocs build --strict

clean: ## remove the environment and what was built
	rm -rf $(VENV) site demo dist
