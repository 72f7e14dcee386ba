# The commands of README.md and CONTRIBUTING.md; .ci/run calls the same.
#
# VENV    the environment, made if it is not there
# PYTHON  the Python (3.11 or later) that makes it
# TORCH   cpu: the CPU build from PyTorch's own index, else what pip finds; pypi: what pip finds;
#         existing: the one that PYTHON already has

VENV ?= .venv
PYTHON ?= python3
TORCH ?= cpu
JOBS ?= 2
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
CONSTRAINTS := $(VENV)/constraints.txt

.PHONY: demo test install lint types tests dist format clean

demo: $(VENV)/.installed  ## the main job on the embedded model
	$(BIN)/constrain demo

test: lint types tests  ## all that has to pass before a change goes in

install: $(VENV)/.installed-test  ## the package, editable, and all that developing needs

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-test
	$(BIN)/mypy

# Kernels are compiled once here, so that the test processes do not all compile them.
tests: $(VENV)/.installed-test
	$(BIN)/constrain warmup
	$(BIN)/pytest -n $(JOBS) $(PYTEST_ARGS)

dist: $(VENV)/.installed-test  ## sdist, and the wheel made from it
	rm -rf dist
	$(BIN)/python -m build --outdir dist .

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.torch: constraints.txt
ifeq ($(TORCH),existing)
	$(PYTHON) -m venv --system-site-packages $(VENV)
	grep -v -e '^torch==' -e '^triton==' constraints.txt > $(CONSTRAINTS)
else
	$(PYTHON) -m venv $(VENV)
	cp constraints.txt $(CONSTRAINTS)
endif
ifeq ($(TORCH),cpu)
	$(PIP) install --constraint $(CONSTRAINTS) --retries 1 --timeout 20 --extra-index-url $(TORCH_INDEX) torch
endif
	touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	$(PIP) install --constraint $(CONSTRAINTS) --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) install --constraint $(CONSTRAINTS) --editable '.[test]'
	touch $@
