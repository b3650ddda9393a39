# TenkaCloud tenants. `make help` lists the targets.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
ENV ?= local

VENV := .venv
ENGINE_VENV := build/engine-venv
BIN := $(VENV)/bin
SOURCES := backend/shared/src:backend/services/control-plane/provisioning/src:backend/services/control-plane/provisioning-completion/src:backend/services/control-plane/reconciler/src:backend/services/application-plane/tenant-provisioner/src:backend/services/application-plane/problem-data/src
RUN := PYTHONPATH=$(SOURCES) $(BIN)/python -m
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes

.PHONY: bench load-faults help setup build lint format test e2e deploy-local stop-local destroy-local plan apply destroy output state-bucket lock clean prove least-privilege simulate tenants tenant retry letters redrive replay verify reconcile

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.done $(ENGINE_VENV)/.done ## make the virtual environments (each other target does, too)

$(VENV)/.done: requirements/dev.txt scripts/check-tools.sh
	@scripts/check-tools.sh "$(PYTHON)"
	@echo "  setting up $(VENV)" >&2
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python $(PIP_INSTALL) -r requirements/dev.txt
	@touch $@

# The engine's Lambdas can import what is in its environment, so nothing else is.
$(ENGINE_VENV)/.done: requirements/engine.txt scripts/check-tools.sh
	@scripts/check-tools.sh "$(PYTHON)"
	@echo "  setting up the local AWS engine" >&2
	@$(PYTHON) -m venv --clear $(ENGINE_VENV)
	@$(ENGINE_VENV)/bin/python $(PIP_INSTALL) -r requirements/engine.txt
	@touch $@

build: $(VENV)/.done ## build the Lambda zips, and prepare the roots for plain terraform
	@$(RUN) scripts.build
	@$(RUN) scripts.terraform mirror

lint: $(VENV)/.done ## ruff, mypy --strict, terraform fmt, shellcheck
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@terraform fmt -check -recursive infrastructure
	@$(BIN)/shellcheck scripts/*.sh .ci/run

format: $(VENV)/.done ## let ruff and terraform fmt rewrite the sources
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@terraform fmt -recursive infrastructure

test: setup build ## all tests, with one run of the flow on an engine of their own
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

deploy-local: setup build ## bring up the local stack and leave it running
	@$(RUN) scripts.local deploy

ifeq ($(ENV),local)
E2E_NEEDS := deploy-local-quietly
endif

.PHONY: deploy-local-quietly
deploy-local-quietly: setup build
	@$(RUN) scripts.local deploy --quiet

e2e: $(VENV)/.done $(E2E_NEEDS) ## the main job, end to end (ENV=dev: on AWS; ARGS="--keep --json")
	@$(RUN) scripts.e2e $(ARGS) $(ENV)

simulate: $(VENV)/.done ## simulate delivery with faults (SEEDS=100000; FIRST=7 SEEDS=1 replays a seed)
	@$(RUN) tests.simulation.run --first $(or $(FIRST),0) --seeds $(or $(SEEDS),2000)

load-faults: deploy-local-quietly ## onboard many while the stack is broken and mended (TENANTS=2000; local)
	@$(RUN) scripts.faults $(if $(TENANTS),--tenants $(TENANTS)) $(if $(SEED),--seed $(SEED))

bench: setup build ## measure latency, bursts, cold starts, calls and price (BURSTS=200,1000,5000)
	@$(RUN) scripts.bench $(if $(BURSTS),--bursts $(BURSTS))

prove: setup build ## prove tenant isolation from Terraform's plan (ENV=dev; ARGS="--json")
	@$(RUN) scripts.prove $(ARGS) $(ENV)

least-privilege: deploy-local-quietly ## take each statement of each role away in turn, and see the flow fail (local)
	@$(RUN) scripts.least_privilege $(ENV)

OPERATE := $(RUN) scripts.operations
JSON_FLAG := $(if $(JSON),--json)
ONE_OR_ALL = $(if $(ALL),--all,--id "$(ID)")

tenants: $(VENV)/.done ## list tenants (STATUS=FAILED, TIER=FREE, STUCK=1, LIMIT=50; all of these: ENV=dev, JSON=1)
	@$(OPERATE) tenants $(JSON_FLAG) $(if $(STATUS),--status $(STATUS)) $(if $(TIER),--tier $(TIER)) $(if $(STUCK),--stuck) $(if $(LIMIT),--limit $(LIMIT)) $(ENV)

tenant: $(VENV)/.done ## show one tenant with its whole history (ID=acme)
	@$(OPERATE) tenant $(JSON_FLAG) --id "$(ID)" $(ENV)

retry: $(VENV)/.done ## try a FAILED tenant again (ID=acme, or ALL=1; RATE=10 a second)
	@$(OPERATE) retry $(JSON_FLAG) $(ONE_OR_ALL) $(if $(RATE),--rate $(RATE)) $(ENV)

letters: $(VENV)/.done ## list what lies in the dead-letter queues (SERVICE=provisioning; LETTER=id shows one)
	@$(OPERATE) letters $(JSON_FLAG) $(if $(SERVICE),--service $(SERVICE)) $(if $(LETTER),--letter $(LETTER)) $(ENV)

redrive: $(VENV)/.done ## bring that back (SERVICE=provisioning, REJECTED=1, RATE=10 a second)
	@$(OPERATE) redrive $(JSON_FLAG) $(if $(SERVICE),--service $(SERVICE)) $(if $(REJECTED),--rejected) $(if $(RATE),--rate $(RATE)) $(ENV)

replay: $(VENV)/.done ## send archived events once more (FROM=2026-01-31T09:00:00Z TO=2026-01-31T10:00:00Z)
	@$(OPERATE) replay $(JSON_FLAG) --from "$(FROM)" --to "$(TO)" $(ENV)

verify: $(VENV)/.done ## compare records, resources and policies (ID=acme, or ALL=1; REPAIR=1 puts right)
	@$(OPERATE) verify $(JSON_FLAG) $(ONE_OR_ALL) $(if $(REPAIR),--repair) $(ENV)

reconcile: $(VENV)/.done ## have stuck tenants resumed now (OLDER_THAN=60 seconds)
	@$(OPERATE) reconcile $(JSON_FLAG) $(if $(OLDER_THAN),--older-than $(OLDER_THAN)) $(ENV)

stop-local: $(VENV)/.done ## stop the local engine
	@$(RUN) scripts.local stop

destroy-local: $(VENV)/.done ## destroy the local stack and stop the engine
	@$(RUN) scripts.local destroy

plan: build ## terraform plan (ENV=dev STATE_BUCKET=...)
	@$(RUN) scripts.terraform plan $(ENV) $(ARGS)

apply: build ## terraform apply (ENV=dev STATE_BUCKET=...)
	@$(RUN) scripts.terraform apply $(ENV) $(ARGS)

destroy: build ## terraform destroy (ENV=dev STATE_BUCKET=...)
	@$(RUN) scripts.terraform destroy $(ENV) $(ARGS)

output: $(VENV)/.done ## terraform's outputs as JSON (ENV=dev)
	@$(RUN) scripts.terraform output $(ENV)

state-bucket: $(VENV)/.done ## create the bucket for Terraform's state (STATE_BUCKET=... STATE_REGION=...)
	@$(RUN) scripts.state_bucket

lock: ## pin the requirements anew, with hashes
	@$(PYTHON) -m venv --clear build/lock-venv
	@build/lock-venv/bin/python -m pip install --quiet --disable-pip-version-check uv
	@for name in lambda engine dev runtime-floor; do \
	  build/lock-venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --no-annotate requirements/$$name.in -o requirements/$$name.txt || exit 1; \
	done

clean: ## remove what was built (stops nothing: see stop-local)
	@rm -rf build/zips build/vendor .pytest_cache .mypy_cache .ruff_cache .hypothesis
