# The commands of a developer. Targets first set up what is missing; stamp files in .venv make that instant later.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
# TORCH=cpu at the first set-up takes PyTorch's small build. SOURCE=path runs the demo on your own tweets.
export PYTHON TORCH
# The files whose functions numba compiles; `make setup` precompiles them when one changes.
COMPILED := $(shell grep -rlE '^@(njit|entry_point|compiled)' --include=*.py vocab featurestore model)

# Our own bytecode, for shells in which Python does not keep it by itself (PYTHONDONTWRITEBYTECODE).
ROOMS := contracts sources eventtime transport vocab featurestore model trainer scoring streams simulation driftline

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast soak lint bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.servers $(VENV)/.compiled ## virtual environment, Kafka's jars, Redis; says sizes before it downloads
	@echo 'setup: done; the command is $(BIN)/driftline, or driftline after: source $(BIN)/activate'

demo: setup ## the whole pipeline in under 5 minutes; SOURCE=path for your own tweets
	$(BIN)/driftline demo $(if $(SOURCE),--source '$(SOURCE)')

test: setup lint ## as in CI: lint, types, and all tests except the soak tests, on a real Kafka and Redis
	REQUIRE_SERVICES=1 $(BIN)/pytest

test-fast: $(VENV)/.python ## quick tests without servers, to run between edits
	$(BIN)/pytest -q -n 2 -m 'not services and not slow and not soak'

soak: setup ## soak tests: the long versions of what `make test` runs briefly
	REQUIRE_SERVICES=1 $(BIN)/pytest -m soak --timeout 3600

lint: $(VENV)/.python ## ruff and the strict type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup ## sustained tweets/s on this machine
	$(BIN)/python -m benchmarks.pipeline whole

clean: ## remove what set-up, tests and tools have made; keep the data in .driftline
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.python: requirements-dev.lock requirements.in pyproject.toml scripts/venv.sh scripts/packages.sh
	@scripts/venv.sh $(VENV)
	@touch $@

$(VENV)/.servers: $(VENV)/.python scripts/setup_servers.py driftline/servers/settings_table.py driftline/servers/pom.xml
	@$(BIN)/python scripts/setup_servers.py
	@touch $@

$(VENV)/.compiled: $(VENV)/.python driftline/operations/precompile.py $(COMPILED)
	@# numba's cache of a function names the modules of its arguments' types: after a move it cannot be read any more.
	@find vocab featurestore model -name '*.nb[ic]' -delete
	@$(BIN)/python -m driftline.operations.precompile
	@$(BIN)/python -m compileall -q $(ROOMS)
	@touch $@
