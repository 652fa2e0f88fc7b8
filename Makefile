# Everything a person does with a checkout of Reelkeep. `make` alone prints what there is.
# ARGS is passed on: make run ARGS="--port 9000", make test ARGS="tests/unit -x".
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
ARGS ?=

.PHONY: help setup setup-dev run test check bench docs clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
	@echo '  ARGS="…" is passed on to run, test and bench.'

setup: ## Install Reelkeep into this checkout (.venv, the web app); no root needed
	@scripts/setup.sh

run: setup ## Install what is missing, then start Reelkeep on http://127.0.0.1:8000
	@.venv/bin/reelkeep serve $(ARGS)

setup-dev:
	@scripts/setup.sh --dev

test: ## Install what the tests need, then run the whole suite
	@scripts/test.sh $(ARGS)

check: setup-dev ## Formatting, lint, types and import contracts
	@scripts/check.sh

bench: setup-dev ## Measure; figures and their meaning: docs/performance.md
	@.venv/bin/python -m bench $(ARGS)

docs: setup-dev ## Make the generated documents again
	@.venv/bin/python scripts/generate_docs.py

clean: ## Remove everything that was installed or built; never data
	rm -rf .venv .tools .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	rm -rf dist build web/node_modules sdk/typescript/node_modules sdk/typescript/dist src/reelkeep/http/static
