# Two commands for a fresh machine: `make demo` and `make test`. Each sets up what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test quick check bench serve clean

help:  ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup: $(READY)  ## a virtual environment with everything, pinned by constraints.txt

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("shoal needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing shoal into $(VENV) (about 1.5 GB with PyTorch; a few minutes once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,documents,pii,local-llm,dev]'
	@touch $(READY)

demo: $(READY)  ## the main job on real input: train, certify, serve, escalate, report
	@$(BIN)/python examples/helpdesk/demo.py

test: $(READY)  ## the checks and every test
	@$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest -n 2 --dist loadfile

quick: $(READY)  ## the fast tests only
	$(BIN)/python -m pytest -m 'not slow and not public_data'

check: $(READY)  ## format, lint, types, import order
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: $(READY)  ## measurements beside peers; SHOAL_DATA names the folder of public data
	$(BIN)/python bench/run.py

serve: $(READY)  ## the helpdesk example behind the gateway, as `make demo` or `shoal train` left it
	@for project in examples/helpdesk .demo; do \
	  if test -d $$project/.shoal/registry; then cd $$project && exec "$(CURDIR)/$(BIN)/shoal" serve; fi; \
	done; echo "Nothing is trained yet. First: make demo"; exit 3

clean:  ## remove the environment and what the demo made
	rm -rf $(VENV) .demo
