# make run        serve the examples at http://127.0.0.1:8000, on one SQLite file
# make run-flask  a Flask app with its own queue, consumers and state, at http://127.0.0.1:5000
# make test       everything, against private RabbitMQ and Redis instances
# make chaos      real processes under faults for SECONDS=300, by the schedule of SEED=1, and a report
# make check      format, lint, types, import contracts, file sizes
# make bench      measure against a bare pipeline, Celery and taskiq
# make lock       write the pinned requirements anew

.PHONY: run run-flask test chaos check bench format lock services clean
.DEFAULT_GOAL := help

PYTHON ?= python3
export PYTHON
BIN := .venv/bin
PORT ?= 8000
JOBS ?= 3
SECONDS ?= 300
SEED ?= 1
IMAGE := examples/images/invoice.png

help:
	@sed -n 's/^# //p' Makefile

.venv/run-installed: requirements/run.txt requirements/uv.txt pyproject.toml requirements/install
	@sh requirements/install run
	@touch $@

.venv/dev-installed: requirements/dev.txt requirements/uv.txt pyproject.toml requirements/install
	@sh requirements/install dev
	@touch $@ .venv/run-installed

.venv-bench/installed: requirements/bench.txt .venv/dev-installed
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-bench
	@$(BIN)/uv pip install --quiet --python .venv-bench/bin/python --require-hashes -r requirements/bench.txt
	@touch $@

services:
	@sh requirements/services

run: .venv/run-installed
	@echo 'As soon as it says "ready", try in another terminal, in this folder:'
	@echo
	@echo "  curl -s -H 'Prefer: wait' -H 'Content-Type: application/json' \\"
	@echo "    -d '{\"input\": {\"image\": \"data:image/png;base64,'\$$(base64 -w0 $(IMAGE))'\"}}' \\"
	@echo "    http://127.0.0.1:$(PORT)/v1/models/local/ocr/predictions"
	@echo
	@$(BIN)/leveret serve examples/ocr.py examples/factorial.py --port $(PORT)

run-flask: PORT := $(if $(filter file,$(origin PORT)),5000,$(PORT))
run-flask: .venv/run-installed services
	@PORT=$(PORT) $(BIN)/python examples/flask_factorial

test: .venv/dev-installed services
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

chaos: .venv/dev-installed services
	@$(BIN)/python -m tests.chaos --seconds $(SECONDS) --seed $(SEED)

check: .venv/dev-installed
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: .venv/dev-installed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: .venv/dev-installed .venv-bench/installed services
	@$(BIN)/python -m benchmarks $(ARGS)
	@$(BIN)/python -m benchmarks.backlog
	@$(BIN)/python -m benchmarks.streaming
	@$(BIN)/python -m benchmarks.batching
	@$(BIN)/python -m benchmarks.fairness
	@$(BIN)/python -m benchmarks.eta
	@$(BIN)/python -m benchmarks.overload
	@$(BIN)/python -m benchmarks.tracing

lock: .venv/dev-installed
	@sh requirements/lock

clean:
	@rm -rf .venv .venv-bench .leveret .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
