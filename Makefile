# What one does with Kept. `make` alone lists the targets. `demo`, `up`, `test` and `check` set themselves up first.
PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
WAY := PYTHONPATH=. PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=
VAR ?= $(or $(KEPT_VAR),var)
KEPT = KEPT_VAR="$(VAR)" $(WAY) $(PYTHON) -m services.kit.cli

.DEFAULT_GOAL := help
.PHONY: help setup demo up restart down status fmt check test itest e2e simulate fuzz teeth chaos-quick chaos bench bench-chain bench-ledger config topics dead-letters clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv with the locked dependencies; does nothing while the lock is the same
	@sh deploy/setup.sh

demo: setup ## one real day of a shop, from order to door, and what came of it (STORY=television: a story, step by step; KEEP=1: leave its stack up)
	@$(WAY) $(PYTHON) -m demo$(if $(STORY),.story $(STORY))$(if $(KEEP), --keep)

up: setup ## start the stack and keep it running (VAR=folder: another one beside it)
	@$(WAY) $(PYTHON) -m deploy.local up --var "$(VAR)"

restart: setup ## restart every process of Kept, one at a time, while the others work
	@$(WAY) $(PYTHON) -m deploy.local restart --var "$(VAR)"

down: setup ## stop the stack
	@$(WAY) $(PYTHON) -m deploy.local down --var "$(VAR)"

status: setup ## how the running stack is
	@$(KEPT) status

fmt: setup ## put the code in its one form
	@$(PYTHON) -m ruff check --fix --quiet . ; $(PYTHON) -m ruff format .

check: setup ## form, types, import contracts, sizes, schemas, docs
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check --quiet .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-logo
	$(PYTEST) tests/contract/test_sizes.py tests/contract/test_schemas.py tests/contract/test_docs.py

test: setup ## every test, on real servers and in a real browser (BROWSER=none: without one)
	@sh deploy/browser.sh
	@$(WAY) BROWSER="$$(sh deploy/browser.sh --path)" $(PYTEST) tests --numprocesses 3 --dist loadscope --no-loadscope-reorder --durations 5

itest: setup ## the tests on real Kafka and PostgreSQL
	@$(WAY) $(PYTEST) tests/integration

e2e: setup ## a customer's day through topics, HTTP and a real browser
	@sh deploy/browser.sh
	@$(WAY) BROWSER="$$(sh deploy/browser.sh --path)" $(PYTEST) tests/e2e

simulate: setup ## the kit in a simulated world, SEEDS=300 runs of it (SEED=n: one, step by step)
	@$(WAY) $(PYTHON) -m simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),300))

fuzz: setup ## a thousand requests of every kind per operation, then bytes into the reader of events (FUZZ_SECONDS=n, SEED=n)
	@$(WAY) FUZZ_EXAMPLES=1000 FUZZ_SEED=$(or $(SEED),1) $(PYTEST) tests/fuzz --numprocesses 2 --dist loadscope
	@$(WAY) $(PYTHON) -m tests.fuzz $(or $(FUZZ_SECONDS),180)

chaos-quick: setup ## three brokers, PostgreSQL, two of each process, and each fault once; audited (SEED=n)
	@$(WAY) $(PYTHON) -m chaos.run $(if $(SEED),--seed $(SEED))

chaos: setup ## all faults at full counts, then by chance until MINUTES=60 are over; audited (SEED=n)
	@$(WAY) $(PYTHON) -m chaos.run --minutes $(or $(MINUTES),60) $(if $(SEED),--seed $(SEED))

teeth: setup ## bugs planted one at a time, each of which the tests must catch
	@$(WAY) $(PYTHON) -m teeth

bench: setup ## the speed of our kit beside its rivals, written to var/bench.json (ONLY="relay posting": those parts)
	@$(WAY) $(PYTHON) -m bench $(ONLY)

bench-chain: setup ## whole orders by public HTTP only, at 1, 8 and 32 callers, audited; added to var/bench.json
	@$(WAY) $(PYTHON) -m bench.public

bench-ledger: setup ## the promise ledger: entries in batches, by HTTP, verified, compared with a view, due, seen; var/bench-ledger.json (ONLY="append due")
	@$(WAY) $(PYTHON) -m bench.ledger $(ONLY)

config: setup ## every setting, its value and where it came from
	@$(WAY) $(PYTHON) -m services.kit.cli config

topics: setup ## make Kafka agree with schemas/topics.toml
	@$(KEPT) topics apply

dead-letters: setup ## what the running stack has set aside
	@$(KEPT) dead-letters list

clean: ## stop the stacks and remove what was made here: var, .venv, caches
	@for each in var var/demo; do if [ -x $(PYTHON) ] && [ -f $$each/stack.json ]; then $(WAY) $(PYTHON) -m deploy.local down --var $$each; fi; done
	@rm -rf var .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
