# Two commands are all a newcomer needs:
#   make demo   set up, build a classifier from 47 class names with the embedded models, print where the report is
#   make test   set up, then run the whole test suite
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Bytecode is kept: where the environment says otherwise, each of the many processes would compile torch and Prefect anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test setup check bench docs lock clean

$(STAMP): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing from requirements.lock into $(VENV) (about 7 GB with the CUDA libraries of torch) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8
	@# --no-deps: the lock is complete. --no-config: pyproject's overrides would win over its pins (docs/decisions/0001).
	@$(BIN)/uv pip install --quiet --no-config --no-deps --python $(BIN)/python -r requirements.lock
	@$(BIN)/uv pip install --quiet --no-deps --python $(BIN)/python -e .
	@touch $@

setup: $(STAMP)

demo: setup
	@$(BIN)/python -m susx.flows.build --dataset textures --mode retrieve

# One thread a process: two processes with two threads each on two cores wait for each other most of the time.
test: export OMP_NUM_THREADS = 1
test: setup
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: setup
	@$(BIN)/ruff format --check susx tests flows benchmarks
	@$(BIN)/ruff check susx tests flows benchmarks
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

bench: setup
	@$(BIN)/python benchmarks/run.py

docs: setup
	@$(BIN)/mkdocs build --strict

lock:
	uv pip compile --universal --python-version 3.10 --no-emit-index-url --no-annotate --no-header requirements.in -o requirements.lock

clean:
	rm -rf $(VENV) build site *.egg-info
