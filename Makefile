# Each target makes the virtual environment and installs through constraints.txt by itself.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two training processes or test workers that each take all cores only get in each other's way.
export OMP_NUM_THREADS ?= 2

.PHONY: demo serve test check bench install clean

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
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not slow'

bench: $(STAMP)
	$(BIN)/python benchmarks/korean_g2p.py $${SORITUNE_DATA:-../shared/data}

clean:
	rm -rf $(VENV) build dist src/*.egg-info
