# `make demo` and `make test` install what they need into .venv first.
PYTHON ?= python3
BIN := .venv/bin
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
endif
INPUT ?=

.PHONY: demo test lint install train clean

install: .venv/installed

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

demo: install
	$(BIN)/clstm-segment demo --out demo $(if $(INPUT),--input "$(INPUT)")

test: install lint
	$(BIN)/python -m pytest

lint: install
	$(BIN)/ruff format --check CLSTMSegment Testing
	$(BIN)/ruff check CLSTMSegment Testing
	$(BIN)/lint-imports

# Trains the bundled model again: hours on a CPU. It goes on where it was stopped.
DATA ?= ../shared/data
train: install
	$(BIN)/clstm-segment train CLSTMSegment/CLSTMSegmentLib/training/cardiac-cine-lv.toml --data "$(DATA)" --out training-run --resume

clean:
	rm -rf .venv demo training-run
