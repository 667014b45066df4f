# Each target makes the virtual environment and installs through constraints.txt by itself.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two training processes or test workers that each take all cores only get in each other's way.
export OMP_NUM_THREADS ?= 2

.PHONY: demo serve test check bench install clean test-long long-tests load soak lost-worker lost-replica

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/soritune demo --output demo

serve: $(STAMP)
	$(BIN)/soritune serve

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: $(STAMP)
	$(BIN)/ruff check src tests benchmarks release
	$(BIN)/ruff format --check src tests benchmarks release
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not slow and not long'

# Kills at more moments, lost nodes and slow benchmarks at toy size; then the server under load, for 20 minutes, and with
# a process that is killed: three quarters of an hour of two idle cores.
CLIPS ?= $${SORITUNE_DATA:-../shared/data}/ko_speech_selvas
LOAD := benchmarks/serve_load.py $(CLIPS) --check
test-long: long-tests load soak lost-worker lost-replica

long-tests: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m long

load: $(STAMP)
	OMP_NUM_THREADS=2 $(BIN)/python $(LOAD) --clients 50 --seconds 60

soak: $(STAMP)
	OMP_NUM_THREADS=2 $(BIN)/python $(LOAD) --clients 50 --seconds 1200

lost-worker: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python $(LOAD) --workers 2 --kill --seconds 30

lost-replica: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python $(LOAD) --workers 2 --kill --seconds 30 --under ray

bench: $(STAMP)
	$(BIN)/python benchmarks/korean_g2p.py $${SORITUNE_DATA:-../shared/data}

clean:
	rm -rf $(VENV) build dist src/*.egg-info
