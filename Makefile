# The front door: `make demo` shows zonepulse at work, `make test` proves it. Both set up .venv by themselves.
PYTHON ?= python3
DIR ?= tests/cases
ARGS ?=

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Without pandas: chdb wants it for data frames only, and pyarrow would import it into every worker (30 MB, a third of a second).
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --generate-hashes --custom-compile-command "make lock" --no-emit-package pandas

# Programs that a package only lends (promtool) lie here; see deploy/system-packages.txt.
export PATH := $(CURDIR)/.venv/tools:$(PATH)
# Both cores; a file's tests stay together, so that the servers of a module start once, and the longest files begin first.
UNITS := -n 2 --dist worksteal
SERVERS := -n 4 --dist loadfile --no-loadscope-reorder
# A broker that lives for seconds is worth neither the thorough compiler nor reading its classes anew: a start takes 2.5 CPU seconds, not 6.
BRIEF_JVM := -XX:TieredStopAtLevel=1
KAFKA_ARCHIVE := .venv/kafka.jsa

.PHONY: help demo test servers uncompiled kernels quick units soak hunt cases dashboards contracts fmt lint typecheck bench setup dev lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: needs-demo .venv/.ready ## run a whole zone on this machine and show its ledger (ARGS="--keep" leaves it running)
	$(BIN)/zonepulse demo $(ARGS)

test: needs-test dev ## everything that must hold; the last line is pytest's summary
	@echo "== 1/3 style, types, and the kernels compiled, side by side"
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=line lint typecheck kernels $(KAFKA_ARCHIVE)
	@echo "== 2/3 unit and property tests, compiled, with bounds checked"
	NUMBA_BOUNDSCHECK=1 $(BIN)/python -m pytest $(UNITS) -m "not soak" tests/unit tests/property
	@echo "== 3/3 contracts, and real Kafka and ClickHouse; behind them, where these wait, unit tests of the kernels without the compiler"
	@$(MAKE) --no-print-directory --jobs=2 servers uncompiled

servers: $(KAFKA_ARCHIVE)
	PYTHONPATH=$(CURDIR)/tests/as_installed JAVA_TOOL_OPTIONS="$(BRIEF_JVM) -XX:SharedArchiveFile=$(CURDIR)/$(KAFKA_ARCHIVE)" $(BIN)/python -m pytest $(SERVERS) --durations=60 -m "not soak" tests/contract tests/integration

uncompiled: dev
	@log=$$(mktemp); trap 'rm -f $$log' EXIT; \
	NUMBA_DISABLE_JIT=1 nice -n 19 $(BIN)/python -m pytest -n 1 --hypothesis-profile=brief -m "not large" $$(grep -rl --include=test_*.py zonepulse.processors tests/unit) > $$log 2>&1 \
	&& echo "without the compiler: $$(tail -n 1 $$log)" || { cat $$log; exit 1; }

kernels: dev
	@NUMBA_BOUNDSCHECK=1 $(BIN)/python tests/compile_kernels.py & $(BIN)/python tests/compile_kernels.py && wait $$!

quick: dev .typeroot ## what a developer runs after each change: style, types, unit tests, side by side
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target lint typecheck units

units: dev
	$(BIN)/python -m pytest $(UNITS) --quiet -m "not large" tests/unit

soak: needs-test dev ## the long versions of what `make test` does in short, one after another
	$(BIN)/python -m pytest --durations=0 --timeout=0 tests/soak $(ARGS)
	$(BIN)/python -m pytest --durations=0 --timeout=0 -m soak tests/property tests/integration
	ZONEPULSE_SOAK_PROMOTES=1000 $(BIN)/python -m pytest --timeout=0 tests/integration/test_promotions.py -k "nothing_between or open_end or handed_over_and_back"
	ZONEPULSE_SOAK_HAND_OVERS=20 $(BIN)/python -m pytest --timeout=0 tests/integration/test_replay_hand_over.py

hunt: dev ## property tests and hostile requests with thousands of new examples (ARGS="-k carbon")
	$(BIN)/python -m pytest --hypothesis-profile=hunt --timeout=0 tests/property $(ARGS)
	ZONEPULSE_HUNT_ROUNDS=20000 $(BIN)/python -m pytest --timeout=0 tests/integration/test_clickhouse_gate.py tests/integration/test_clickhouse_hostile_http.py -k hostile

cases: .venv/.ready ## run case files (DIR=tests/cases)
	$(BIN)/python tests/cases/run.py $(DIR)

dashboards: .venv/.ready ## write grafana/dashboards anew (ARGS="--zone zone.yaml" for a zone of your own)
	$(BIN)/python grafana/build.py $(ARGS)

sbom: dev ## write sbom.cdx.json: what zonepulse is made of, with licences (CycloneDX)
	$(BIN)/python -m zonepulse.deploy.sbom > sbom.cdx.json

contracts: .venv/.ready ## write schemas/contracts anew: JSON Schemas and the AsyncAPI document
	$(BIN)/python -m zonepulse.schemas.documents.build schemas/contracts

fmt: dev ## write the code as the linter wants it
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

lint: dev ## style, and which way imports point
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

typecheck: dev .typeroot ## mypy --strict
	$(BIN)/mypy

bench: dev ## throughput and latency
	$(BIN)/python -m pytest --benchmark-enable --benchmark-only tests/bench $(ARGS)

setup: .venv/.ready ## .venv with what running needs
dev: .venv/.ready-dev ## .venv with what developing needs

lock: dev ## resolve both lock files anew from pyproject.toml (UPGRADE=--upgrade for newer versions)
	$(LOCK) $(UPGRADE) --group build pyproject.toml -o requirements.lock
	$(LOCK) $(UPGRADE) --group dev --constraint requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## remove everything that was built, .venv included
	rm -rf .venv .typeroot build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .benchmarks

needs-%: # what the system must bring; installed, or named in one line
	@PYTHON=$(PYTHON) deploy/system-packages.sh $* $(CURDIR)/.venv/tools

# Stamps: a step runs again only when what it was made from changes.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "zonepulse needs Python 3.11, 3.12 or 3.13, $(PYTHON) is $$($(PYTHON) --version 2>&1); name another one: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.installed: requirements.lock | .venv/bin/python
	@echo "installing what zonepulse runs on (requirements.lock)"
	$(PIP) install --require-hashes --no-deps -r requirements.lock
	@touch $@

.venv/.ready: pyproject.toml .venv/.installed
	$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

.venv/.ready-dev: requirements-dev.lock .venv/.ready
	@echo "installing what developing needs (requirements-dev.lock)"
	$(PIP) install --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

$(KAFKA_ARCHIVE): tests/kafka_archive.py deploy/kafka/pom.xml | .venv/.ready-dev needs-test
	@JAVA_TOOL_OPTIONS="$(BRIEF_JVM)" $(BIN)/python tests/kafka_archive.py $@

.typeroot: pyproject.toml
	@rm -rf $@ && mkdir -p $@/zonepulse
	@for p in schemas processors streams deploy; do ln -s ../../$$p $@/zonepulse/$$p; done
	@ln -s ../../tests/oracle $@/zonepulse/oracle
	@touch $@
