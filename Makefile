# Two commands for everybody: `make demo` and `make test`. Each sets the machine up by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0
DEMO_EVENTS ?=
DEMO_OUTPUT ?= demo
OLDEST := .venv-oldest
WORKFLOWS := .venv-workflows
NEWEST := .venv-newest
WHEEL := .venv-wheel
RELEASE := .venv-release
# torch 2.2.2 and what of CUDA it needs to be loaded; the rest is left empty (scripts/torch_without_cuda.py).
RELEASE_TORCH := torch==2.2.2 nvidia-cuda-runtime-cu12==12.1.105 nvidia-cuda-cupti-cu12==12.1.105 nvidia-nvtx-cu12==12.1.105
RELEASE_TESTS ?= tests/b2modules tests/io/basf2 tests/filtering tests/scores tests/cli/test_basf2.py tests/cli/test_filter.py \
	tests/cli/test_flag.py tests/cli/test_ntuple.py
# Parts and levels whose machine code goes into the wheel (hatch_build.py).
MACHINE_CODE ?= all
TESTS ?= tests

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-cluster coverage lint types bench fuzz models docs wheel image test-wheel test-oldest test-newest
.PHONY: test-basf2-release clean

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

test: $(VENV)/.installed lint types ## lint, types and the whole test-suite but for clusters
	$(BIN)/python -m pytest -n auto --dist loadgroup --ignore tests/cluster

test-cluster: $(VENV)/.installed $(WORKFLOWS)/.installed ## campaigns on a real Slurm on loopback (Debian, root: installs it), under Snakemake and b2luigi, their page in Chromium; files from S3 and XRootD
	$(BIN)/python tests/cluster/slurm.py install
	SMARTBKG_WORKFLOWS=$(abspath $(WORKFLOWS)/bin) $(BIN)/python -m pytest -q tests/cluster

$(WORKFLOWS)/.installed: tests/cluster/workflows.txt
	$(PYTHON) -m venv $(WORKFLOWS)
	$(WORKFLOWS)/bin/python -m pip install --quiet -r tests/cluster/workflows.txt
	@touch $@

coverage: $(VENV)/.installed ## lines and branches that no test reaches (inside compiled code they cannot be counted)
	$(BIN)/python -m pytest -n auto --dist loadgroup --cov --cov-report=term-missing:skip-covered --cov-report=html

lint: $(VENV)/.installed ## style, and whether every import is a declared dependency
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/deptry src

types: $(VENV)/.installed ## mypy, strict
	$(BIN)/mypy

bench: $(VENV)/.installed ## the benchmark tables
	$(BIN)/python -m benchmarks

fuzz: $(VENV)/.installed ## mutated files of every format, and what the HepMC writer makes of random events
	$(BIN)/python tests/fuzzing.py
	$(BIN)/python tests/writer_fuzzing.py

models: $(VENV)/.installed ## the models in the package, from nothing (hours; can be stopped and goes on)
	$(BIN)/python models/make_models.py --folder build/models --jobs 2 --publish
	$(BIN)/python models/make_surrogate_models.py --folder build/models --jobs 2 --publish

docs: $(VENV)/.installed ## the documentation, into site/
	$(BIN)/mkdocs build --strict

wheel: $(VENV)/.installed ## sdist and wheel as PyPI takes them, with machine code of the kernels, into dist/
	rm -rf dist
	$(BIN)/python -m build --sdist --no-isolation
	SMARTBKG_MACHINE_CODE="$(MACHINE_CODE)" $(BIN)/python -m build --wheel --no-isolation
	$(BIN)/twine check --strict dist/*

test-wheel: wheel ## install the wheel into a clean environment, read-only, and filter
	rm -rf $(WHEEL)
	$(PYTHON) -m venv $(WHEEL)
	$(WHEEL)/bin/python -m pip install --quiet -c constraints.txt dist/*.whl
	$(BIN)/python scripts/check_installation.py $(WHEEL)
	rm -rf $(WHEEL)

# torch's own lower bound, 2.2.2, comes from PyPI with CUDA alone: TORCH_WHEELS=<folder with a CPU wheel> makes it part of this.
test-oldest: ## the test-suite with the lowest versions that are declared
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet $(if $(TORCH_WHEELS),--find-links $(TORCH_WHEELS) "torch==2.2.2+cpu","$(TORCH)")
	$(OLDEST)/bin/python -m pip install --quiet "pip>=25.1"
	$(OLDEST)/bin/python -m pip install --quiet -c constraints-oldest.txt -e ".[all]" --group test
	$(OLDEST)/bin/python -m pytest -n auto --dist loadgroup $(TESTS)

test-newest: ## the test-suite with the newest versions there are
	$(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --upgrade pip "$(TORCH)"
	$(NEWEST)/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager "$(TORCH)" -e ".[all]" --group test
	$(NEWEST)/bin/python -m pytest -n auto --dist loadgroup $(TESTS)

test-basf2-release: ## basf2 modules, filter, score, flag and ntuple with the libraries of a Belle II release (Python 3.11, Linux)
	$(PYTHON) -m venv $(RELEASE)
	$(RELEASE)/bin/python -m pip install --quiet --no-deps $(RELEASE_TORCH)
	$(RELEASE)/bin/python scripts/torch_without_cuda.py $(RELEASE)
	$(RELEASE)/bin/python -m pip install --quiet -r tests/b2modules/release.txt
	$(RELEASE)/bin/python -m pip install --quiet --no-deps -e .
	$(RELEASE)/bin/python -m pytest -q $(RELEASE_TESTS)

image: wheel ## the container image of the core (Containerfile), with podman or docker
	$$(command -v podman || echo docker) build --tag smartbkg .

clean: ## remove the environments and what was built
	rm -rf $(VENV) $(OLDEST) $(NEWEST) $(WHEEL) $(WORKFLOWS) $(RELEASE) site demo dist
