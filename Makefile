# What a maintainer runs; `make help` lists it. Everything is installed into .venv.
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := build/demo
# What a set-up that failed left in .venv must not make the next one.
OUTSIDE := $(PATH)
# Generated projects find uv here, and the tests find the linters.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Hundreds of processes are started below: uncompiled, each takes seconds longer.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## Make .venv with everything that the other commands need

$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) ..."
	@PATH="$(OUTSIDE)" $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv -c constraints.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group dev -c constraints.txt
	@touch $@

.PHONY: demo
demo: $(READY) ## Generate a project with the default answers and run it, from data to report
	@rm -rf $(DEMO)
	@$(BIN)/cookiecutter . --no-input --output-dir $(DEMO)
	@$(MAKE) --no-print-directory -C $(DEMO)/my-ml-project setup
	@$(MAKE) --no-print-directory -C $(DEMO)/my-ml-project pipeline
	@echo
	@echo "The project: $(CURDIR)/$(DEMO)/my-ml-project"
	@echo "Its report:  file://$(CURDIR)/$(DEMO)/my-ml-project/reports/evaluation.html"

# The environment is the template's, as are the site and what was built.
.PHONY: init
init: $(READY) ## Turn this repository into a project, in one commit (ANSWERS="serving=flask ci=none" asks nothing)
	@$(BIN)/python -m tools.init $(ANSWERS)
	@rm -rf $(VENV) build site

.PHONY: test
test: $(READY) ## Run every test: first the fast ones, then a life in generated projects
	@$(BIN)/python -m pytest -m "not slow" --numprocesses auto
	@$(BIN)/python -m pytest -m slow --numprocesses auto --dist worksteal

.PHONY: test-fast
test-fast: $(READY) ## Run the tests that need no installed project
	@$(BIN)/python -m pytest -m "not slow" --numprocesses auto

.PHONY: bench
bench: $(READY) ## Measure generation, combinations and training against their floors
	@$(BIN)/python -m benchmarks.bench

.PHONY: bench-serve
bench-serve: $(READY) ## Measure the services of generated projects beside their frameworks' limits
	@$(BIN)/python -m benchmarks.bench_serve

# Without what the loop does not need, audits by group among it: of people under thirty,
# too few earn much to judge by group.
LOOP := build/demo-loop
PICTURE := $(CURDIR)/docs/assets/loop.svg
.PHONY: demo-loop
demo-loop: $(READY) ## Live through drift, alarm, labels, retraining and recovery; draw docs/assets/loop.svg
	@rm -rf $(LOOP)
	@$(BIN)/cookiecutter . --no-input --output-dir $(LOOP) preset=minimal serving=fastapi monitoring=evidently
	@$(MAKE) --no-print-directory -C $(LOOP)/my-ml-project setup
	@cp -R tests/proofs $(LOOP)/my-ml-project/tests/
	@cd $(LOOP)/my-ml-project && .venv/bin/python -W ignore -m tests.proofs.loop.loop "$(PICTURE)"

# In a project of its own, which has the packages.
.PHONY: rates
rates: $(READY) ## Measure how often monitoring alarms, and draw docs/assets/monitoring.svg
	@rm -rf build/rates
	@$(BIN)/cookiecutter . --no-input --output-dir build/rates monitoring=evidently
	@$(MAKE) --no-print-directory -C build/rates/my-ml-project setup
	@cp -R tests/proofs build/rates/my-ml-project/tests/
	@cd build/rates/my-ml-project && .venv/bin/python -m tests.proofs.rates.rates "$(CURDIR)/docs/assets/monitoring.svg"

.PHONY: options
options: $(READY) ## Measure what each choice costs, for the options table
	@$(BIN)/python -m docs.options --measure

.PHONY: docs
docs: $(READY) ## Build the documentation site into site/
	@$(BIN)/mkdocs build --strict

.PHONY: lock
lock: $(READY) ## Renew the pinned versions, of this repository and of the template
	@$(BIN)/python -m tools.lock

.PHONY: clean
clean: ## Remove what the other commands made, also from the template
	@rm -rf $(VENV) build site
	@find . -name .git -prune -o \( -name __pycache__ -o -name '.*_cache' \) -prune -exec rm -rf {} +
