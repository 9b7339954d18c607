# Two commands do everything: `make run` and `make test`. Both set up first; a second call sets up nothing.

PYTHON ?= python3
UV_VERSION := 0.13.8
VENV := .venv
BIN := $(VENV)/bin
UV := UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=$(VENV) $(BIN)/uv pip
PORT ?= 8080
DATA ?= data
TOPOLOGY ?= fleet
SECONDS ?= 3600
SEED ?= 1
SIZE ?= 1
ONLY ?=

.PHONY: run fleet setup setup-dev test check soak sql bench lock clean

run: setup
	$(BIN)/armature run --port $(PORT) --data $(DATA)

# The same modules as a fleet, on a PostgreSQL, a NATS and a Redis of its own; TOPOLOGY=fleet-redis does without NATS.
fleet: $(VENV)/.fleet
	$(BIN)/armature run --topology $(TOPOLOGY) --servers --port $(PORT) --data $(DATA)

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

$(VENV)/.fleet: locks/fleet.txt $(VENV)/.base
	$(UV) install --quiet --require-hashes -r locks/fleet.txt
	@touch $@

$(VENV)/.dev: locks/dev.txt $(VENV)/.base
	$(UV) install --quiet --require-hashes -r locks/dev.txt
	@touch $@

test: setup-dev
	$(BIN)/python -m tests.run

check: setup-dev
	$(BIN)/python -m tests.run --fast

# For as long as there is, with other seeds; what it has done it does not repeat, so it can be stopped and goes on.
# SIZE=10 multiplies every figure, ONLY=drill runs nothing else.
soak: setup-dev
	$(BIN)/python -m tests.soak --seconds $(SECONDS) --seed $(SEED) --size $(SIZE) --only "$(ONLY)"

# Asks a PostgreSQL of its own about every statement, and writes contracts/sql.json.
sql: setup-dev
	$(BIN)/python -m tests.checks.record_sql

bench: setup-dev
	$(BIN)/python -m bench

# The lock files name exact versions and hashes and no registry, so any mirror will do.
lock: $(BIN)/uv
	$(UV) compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o locks/base.txt
	$(UV) compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml \
		--extra postgres --extra nats --extra redis --extra grpc -c locks/base.txt -o locks/fleet.txt
	$(UV) compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml \
		--extra otel --extra postgres --extra nats --extra redis --extra grpc --group test --group check --group bench -c locks/base.txt -o locks/dev.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
