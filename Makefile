# TenkaCloud tenants. `make help` lists the targets.

# What the user gives is data: taken to the letter, `$` included, and handed over through the environment. No recipe
# and no shell reads a value; scripts/tooling/targets.py does, and says which target takes which variables.
$(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(eval override $(name) := $$(value $(name)))$(eval export $(name))))
export MAKECMDGOALS

override SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Constants; `override`, so that none can be given.
override VENV := .venv
override ENGINE_VENV := build/engine-venv
override BIN := $(VENV)/bin
override RUN := scripts/run scripts.tooling.targets

.PHONY: bench chaos load-faults help setup setup-operator build lint format test test-quick docs e2e deploy-local stop-local destroy-local plan apply destroy output state-bucket lock clean prove least-privilege simulate tenants tenant retry suspend reactivate change-tier export offboard restore certificate operations dead-letters letters redrive discard replay verify reconcile

# Headings are the lines that begin with `##@`, in their order here.
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' Makefile

##@ Begin

setup: $(VENV)/.done $(ENGINE_VENV)/.done ## make the virtual environments (each other target does, too)

# What a set-up is made of: when one of these is newer, it is made anew.
override SETUP := scripts/tooling/check-tools.sh scripts/tooling/virtualenv.py scripts/tooling/sources.py

$(VENV)/.done: requirements/dev.txt requirements/uv.txt $(SETUP)
	@scripts/tooling/check-tools.sh "$${PYTHON:-python3}"
	@"$${PYTHON:-python3}" -m scripts.tooling.virtualenv $(VENV) $^

# The engine's Lambdas can import what is in its environment, so nothing else is.
$(ENGINE_VENV)/.done: requirements/engine.txt $(SETUP) | $(VENV)/.done
	@"$${PYTHON:-python3}" -m scripts.tooling.virtualenv $(ENGINE_VENV) $^

##@ Develop

build: $(VENV)/.done ## build the Lambda zips, and prepare the roots for plain terraform
	@$(RUN) build
	@$(RUN) mirror

lint: $(VENV)/.done ## ruff, mypy --strict, terraform fmt, shellcheck, the workflows' schema, zizmor
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@terraform fmt -check -recursive infrastructure
	@$(BIN)/shellcheck scripts/tooling/*.sh scripts/run .ci/run
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(BIN)/zizmor --quiet --offline --pedantic .github

format: $(VENV)/.done ## let ruff and terraform fmt rewrite the sources
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@terraform fmt -recursive infrastructure

test: setup build ## all tests, side by side; the end-to-end tests on an engine of their own
	@$(RUN) test

test-quick: setup ## the tests that need neither an engine nor Terraform: pure parts, handlers, contracts
	@$(RUN) test-quick
##@ Run locally

deploy-local: setup build ## bring up the local stack and leave it running
	@$(RUN) deploy-local

override E2E_NEEDS :=
ifeq ($(or $(value ENV),local),local)
override E2E_NEEDS := deploy-local-quietly
endif

.PHONY: deploy-local-quietly
deploy-local-quietly: setup build
	@$(RUN) deploy-local-quietly

e2e: $(VENV)/.done $(E2E_NEEDS) ## the main job, end to end (ENV=dev: on AWS; ARGS="--keep --json")
	@$(RUN) e2e

simulate: $(VENV)/.done ## simulate delivery with faults (SEEDS=100000; FIRST=7 SEEDS=1 replays a seed)
	@$(RUN) simulate

chaos: deploy-local-quietly ## onboard many while the stack is broken and mended (TENANTS=2000; local)
	@$(RUN) chaos

load-faults: deploy-local-quietly # the old name of chaos, kept for a while
	@$(RUN) load-faults

bench: setup build ## measure onboarding and moves beside baselines (BURSTS=200,1000; PARTS=onboarding,data)
	@$(RUN) bench

prove: setup build ## prove tenant isolation from Terraform's plan (ENV=dev; ARGS="--json")
	@$(RUN) prove

least-privilege: deploy-local-quietly ## take each statement of each role away in turn, and see the flow fail (local)
	@$(RUN) least-privilege

stop-local: $(VENV)/.done ## stop the local engine
	@$(RUN) stop-local

destroy-local: $(VENV)/.done ## destroy the local stack and stop the engine
	@$(RUN) destroy-local

##@ Operate (the same and more: .venv/bin/tenkacloud --help; all of these: ENV=dev, OUTPUT=json)

tenants: $(VENV)/.done ## list tenants (STATUS=failed, TIER=free, STUCK=1, REASON=text, OLDER_THAN=15m, LIMIT=50)
	@$(RUN) tenants

tenant: $(VENV)/.done ## show one tenant with its whole history (ID=acme; WATCH=1)
	@$(RUN) tenant

retry: $(VENV)/.done ## try a FAILED tenant again (ID=acme, or ALL=1; WAIT=1, FORCE=1, DRY_RUN=1)
	@$(RUN) retry

verify: $(VENV)/.done ## compare records, resources and policies (ID=acme, or ALL=1; REPAIR=1 puts right)
	@$(RUN) verify

reconcile: $(VENV)/.done ## have stuck tenants retried now (OLDER_THAN=15m; DRY_RUN=1)
	@$(RUN) reconcile

suspend: $(VENV)/.done ## deny a tenant from now on (ID=acme REASON=text; DRY_RUN=1)
	@$(RUN) suspend

reactivate: $(VENV)/.done ## let a suspended tenant in again (ID=acme)
	@$(RUN) reactivate

change-tier: $(VENV)/.done ## give a tenant another tier, with its data (ID=acme TIER=enterprise; WAIT=1)
	@$(RUN) change-tier

export: $(VENV)/.done ## export a tenant's data (ID=acme; WAIT=1)
	@$(RUN) export

offboard: $(VENV)/.done ## delete a tenant for good (ID=acme CONFIRM=acme; RETENTION_DAYS=30, EXPORT=1, WAIT=1)
	@$(RUN) offboard

restore: $(VENV)/.done ## take an offboarding back, until the purge begins (ID=acme)
	@$(RUN) restore

certificate: $(VENV)/.done ## print the certificate of a tenant's deletion (ID=acme)
	@$(RUN) certificate

operations: $(VENV)/.done ## list moves, exports, offboardings (STATE=failed; ID=acme shows, FOLLOW=acme follows)
	@$(RUN) operations

dead-letters: $(VENV)/.done ## list what lies in the dead-letter queues (SERVICE=provisioning; MESSAGE=id shows one)
	@$(RUN) dead-letters

# The older name of `dead-letters`, as LETTER is that of MESSAGE.
letters: $(VENV)/.done
	@$(RUN) letters

redrive: $(VENV)/.done ## bring that back (SERVICE=provisioning, REJECTED=1, FORCE=1, DRY_RUN=1)
	@$(RUN) redrive

discard: $(VENV)/.done ## remove some of that for good (MESSAGE=id or REASON=text; EXPORT=file or NO_EXPORT=1)
	@$(RUN) discard

replay: $(VENV)/.done ## send archived events once more (FROM=2026-01-31T09:00:00Z TO=2026-01-31T10:00:00Z)
	@$(RUN) replay

setup-operator: build/operator-venv/.done ## set up the operator's tool alone: build/operator-venv/bin/tenkacloud

build/operator-venv/.done: requirements/operator.txt requirements/uv.txt $(SETUP)
	@scripts/tooling/check-tools.sh "$${PYTHON:-python3}"
	@"$${PYTHON:-python3}" -m scripts.tooling.virtualenv build/operator-venv $^

##@ Deploy to AWS

plan: build ## terraform plan (ENV=dev STATE_BUCKET=...)
	@$(RUN) plan

apply: build ## terraform apply (ENV=dev STATE_BUCKET=...)
	@$(RUN) apply

destroy: build ## terraform destroy (ENV=dev STATE_BUCKET=...)
	@$(RUN) destroy

output: $(VENV)/.done ## terraform's outputs as JSON (ENV=dev)
	@$(RUN) output

state-bucket: $(VENV)/.done ## create the bucket for Terraform's state (STATE_BUCKET=... STATE_REGION=...)
	@$(RUN) state-bucket

##@ Maintain

docs: $(VENV)/.done ## write the command tables of the manual anew
	@$(RUN) docs

lock: ## pin the requirements anew, with hashes
	@scripts/tooling/check-tools.sh "$${PYTHON:-python3}"
	@"$${PYTHON:-python3}" -m venv --clear build/lock-venv
	@build/lock-venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@for file in requirements/*.in; do \
	  build/lock-venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --no-annotate "$$file" -o "$${file%.in}.txt" || exit 1; \
	done

clean: ## remove what was built (stops nothing: see stop-local)
	@rm -rf build/zips build/vendor .pytest_cache .mypy_cache .ruff_cache .hypothesis
