# `make demo` and `make test` first install the package and everything that they need into .venv.
PYTHON ?= python3
BIN := .venv/bin
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
endif
INPUT ?=

.PHONY: demo test test-slow lint install train train-smoke evaluate bench bench-smoke gpu-check screenshot figures clean

install: .venv/installed

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

demo: install
	$(BIN)/clstm-segment demo --out demo $(if $(INPUT),--input "$(INPUT)")

# On all cores.
test: install lint
	$(BIN)/python -m pytest

# Long tests, minutes each, one after the other.
test-slow: install
	$(BIN)/python -m pytest -n 0 -m slow -s

lint: install
	$(BIN)/ruff format --check CLSTMSegment Testing
	$(BIN)/ruff check CLSTMSegment Testing
	$(BIN)/lint-imports

# Train the bundled models again; the heart model takes hours on a CPU. A training that was stopped continues from its
# last checkpoint. The heart model needs its locator first. Its per-frame twin, which has no recurrent state, continues
# from the stage that both have in common.
DATA ?= ../shared/data
LOCATOR := training-run-locator/cardiac-cine-lv-locator
train: install
	$(BIN)/clstm-segment train recipes/cardiac-cine-lv-locator.toml --data "$(DATA)" --out training-run-locator --resume
	$(BIN)/clstm-segment train recipes/cardiac-cine-lv.toml --data "$(DATA)" --locator $(LOCATOR) --out training-run --resume
	$(BIN)/clstm-segment train recipes/cardiac-cine-lv-per-frame.toml --data "$(DATA)" --locator $(LOCATOR) --start training-run/stage-1.pt --out training-run-per-frame --resume
	$(BIN)/clstm-segment train recipes/airway-phantom.toml --out training-run-airway --resume

# Compute the scores in the README of the heart model.
evaluate: install
	$(BIN)/clstm-segment evaluate --model cardiac-cine-lv --phases-only --data "$(DATA)" --out scores.json --page hearts.png

# Train on phantoms for a minute, which must improve the loss. This is one of the slow tests, too.
train-smoke: install
	$(BIN)/python -m pytest -n 0 -m slow -s Testing/phantoms/test_airway.py -k minute

# Compare speed and memory with other ways to segment: an hour on a CPU that does nothing else.
bench: install
	cd Testing && ../$(BIN)/python -m benchmarks.bench --kind bundle --width 16 --frames 5 20 80 --out ../bench-bundle.json --picture ../bench-bundle.png
	cd Testing && ../$(BIN)/python -m benchmarks.bench --kind published --width 64 --frames 5 --size 64,64,64 --contenders ours window forward --out ../bench-published.json

# A short comparison with wide margins. This is one of the slow tests, too.
bench-smoke: install
	$(BIN)/python -m pytest -n 0 -m slow -s Testing/benchmarks

# Check and measure the GPU of this machine, with its own Python and PyTorch, and print one table.
gpu-check:
	cd Testing && PYTHONPATH=../CLSTMSegment $(PYTHON) -m gpu.gpu_table

# Take pictures of the panel during a run, after it and during a teaching job, and of the views.
screenshot: install
	cd Testing && PYTHONPATH=. ../$(BIN)/python -m host.screenshot ../Resources/Screenshots

# Draw the figures of docs/from-lstm-to-4d-unet.md with the code on that page.
figures: install
	$(BIN)/python Testing/tutorial.py docs/figures

clean:
	rm -rf .venv demo training-run training-run-locator training-run-per-frame training-run-airway
