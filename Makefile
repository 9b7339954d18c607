# Two commands do everything: `make run` and `make test`. Both set up first; a second call sets up nothing.

PYTHON ?= python3
UV_VERSION := 0.13.8
VENV := .venv
BIN := $(VENV)/bin
UV := UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=$(VENV) $(BIN)/uv pip
PORT ?= 8080
DATA ?= data

.PHONY: run setup setup-dev test check bench lock clean

run: setup
	$(BIN)/armature run --port $(PORT) --data $(DATA)

setup: $(VENV)/.base

setup-dev: $(VENV)/.dev

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Armature needs Python 3.11 or newer; call: make PYTHON=/path/to/python3.11 setup")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/.base: locks/base.txt pyproject.toml | $(BIN)/uv
	$(UV) install --quiet --require-hashes -r locks/base.txt
	$(UV) install --quiet --no-deps -e .
	@touch $@

$(VENV)/.dev: locks/dev.txt $(VENV)/.base
	$(UV) install --quiet --require-hashes -r locks/dev.txt
	@touch $@

test: setup-dev
	$(BIN)/python -m tests.run

check: setup-dev
	$(BIN)/python -m tests.run --fast

bench: setup-dev
	$(BIN)/python -m bench

# The lock files name exact versions and hashes and no registry, so any mirror will do.
lock: $(BIN)/uv
	$(UV) compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o locks/base.txt
	$(UV) compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml \
		--extra otel --group test --group check --group bench -c locks/base.txt -o locks/dev.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
