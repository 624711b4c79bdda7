# make demo   first contact: install into .venv, train on real census rows, sample, report
# make test   all quick tests; make check: style, types, import directions; make help: the rest
PYTHON ?= python3
# Address of another PyTorch build, e.g. the CPU wheels on Linux (see README, "Install"); empty: what pip finds.
TORCH_INDEX ?=
TORCH = $(shell sed -n 's/^torch==/torch==/p' constraints.txt)
BIN = .venv/bin

.PHONY: help setup demo test test-slow check bench clean
help:
	@sed -n 's/^# make/make/p' Makefile
	@echo "make setup  only the installation; make test-slow: long tests; make bench: measurements; make clean"

.venv/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Genwright needs Python 3.11 or newer; name one with: make setup PYTHON=python3.12"; exit 2; }
	@test -x $(BIN)/python || { echo "Making .venv ..."; $(PYTHON) -m venv .venv; }
	@echo "Installing PyTorch and the other packages into .venv (a few minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

setup: .venv/.ready

demo: setup
	@$(BIN)/genwright demo

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadscope

test-slow: setup
	$(BIN)/python -m pytest -m slow

check: setup
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_imports.py

bench: setup
	$(BIN)/python benchmarks/tables.py
	$(BIN)/python benchmarks/conditions.py
	$(BIN)/python benchmarks/rules.py
	$(BIN)/python benchmarks/large_table.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/text_speed.py
	TORCH_INDEX=$(TORCH_INDEX) $(BIN)/python benchmarks/peers.py
	$(BIN)/python benchmarks/dirty_peers.py

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .mypy_cache
