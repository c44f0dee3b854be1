# `make demo` and `make test` install what they need into .venv first.
PYTHON ?= python3
BIN := .venv/bin
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
endif
INPUT ?=

.PHONY: demo test test-slow lint install train train-smoke evaluate bench bench-smoke screenshot figures clean

install: .venv/installed

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

demo: install
	$(BIN)/clstm-segment demo --out demo $(if $(INPUT),--input "$(INPUT)")

test: install lint
	$(BIN)/python -m pytest

# Soaks: minutes each.
test-slow: install
	$(BIN)/python -m pytest -m slow -s

lint: install
	$(BIN)/ruff format --check CLSTMSegment Testing
	$(BIN)/ruff check CLSTMSegment Testing
	$(BIN)/lint-imports

# The models again: hours on a CPU for the heart. Each goes on where it was stopped; the heart model begins with what
# one half as wide learnt, and its twin without memory branches off after the stage that both share.
DATA ?= ../shared/data
CONFIGURATIONS := CLSTMSegment/CLSTMSegmentLib/training
train: install
	$(BIN)/clstm-segment train $(CONFIGURATIONS)/cardiac-cine-lv-narrow.toml --data "$(DATA)" --out training-run-narrow --resume
	$(BIN)/clstm-segment train $(CONFIGURATIONS)/cardiac-cine-lv.toml --data "$(DATA)" --out training-run --initial training-run-narrow/cardiac-cine-lv-narrow --resume
	$(BIN)/clstm-segment train $(CONFIGURATIONS)/cardiac-cine-lv-per-frame.toml --data "$(DATA)" --out training-run-per-frame --start training-run/stage-1.pt --resume
	$(BIN)/clstm-segment train $(CONFIGURATIONS)/airway-phantom.toml --out training-run-airway --resume

# The figures of the heart model's card.
evaluate: install
	$(BIN)/clstm-segment evaluate --model cardiac-cine-lv --phases-only --data "$(DATA)" --out scores.json --page hearts.png

# A minute of training on phantoms that must improve its loss; part of the tests too.
train-smoke: install
	$(BIN)/python -m pytest -s Testing/training/test_airway.py -k minute

# Speed and memory beside what else could be run: an hour on a CPU that does nothing else.
bench: install
	$(BIN)/clstm-segment bench --kind bundle --width 16 --frames 5 20 80 --out bench-bundle.json --picture bench-bundle.png
	$(BIN)/clstm-segment bench --kind published --width 64 --frames 5 --size 64,64,64 --contenders ours window forward --out bench-published.json

# A minute of it, with wide margins; part of the tests too.
bench-smoke: install
	$(BIN)/python -m pytest -s Testing/benchmarks

# Pictures of the panel in a run, after it and while teaching, and of the views.
screenshot: install
	cd Testing && PYTHONPATH=. ../$(BIN)/python -m host.screenshot ../Resources/Screenshots

# The figures of docs/from-lstm-to-4d-unet.md, by the code on that page.
figures: install
	$(BIN)/python Testing/tutorial.py docs/figures

clean:
	rm -rf .venv demo training-run training-run-narrow training-run-per-frame training-run-airway
