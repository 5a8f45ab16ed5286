# Two commands are all a newcomer needs:
#   make demo   set up, build a classifier from 47 class names with the embedded models, print where the report is
#   make test   set up, then run the whole test suite
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Bytecode is kept: where the environment says otherwise, each of the many processes would compile torch and Prefect anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test setup check check-pythons bench docs lock clean

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

# One thread a process: two processes with two threads each on two cores wait for each other most of the time. Three processes for two cores: a
# third of the time is waiting, for servers that start and processes that end (half of it on the pages of the docs).
test: export OMP_NUM_THREADS = 1
test: setup
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations=30 --durations-min=10

check: setup
	@$(BIN)/ruff format --check susx tests flows benchmarks
	@$(BIN)/ruff check susx tests flows benchmarks
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

# The other Pythons that are supported (versions, or paths of interpreters), each in an environment of its own: the fast part of the suite, which is
# what needs no browser, no server of Prefect's and no fresh installation, without files that take 20 s of processor time and more
# (3,500 tests in some 400 s of it; SLOW as measured). One that fails does not stop the next.
PYTHONS ?= 3.10 3.12 3.13
SLOW := tests/docs tests/flows tests/packaging tests/api tests/pipeline tests/report/test_browser.py tests/bundle tests/servers tests/fuzz tests/images/generate \
  tests/labelling/test_review_page.py tests/labelling/test_of_bundle.py tests/commands/test_imports.py tests/classifier/test_serve.py tests/classifier/test_exposed.py \
  tests/classifier/test_ending.py tests/classifier/test_artefact_and_export.py tests/naming/test_fallback.py tests/store/test_power_cut.py tests/store/test_remote.py \
  tests/test_activity.py tests/demo/test_train_clip.py tests/demo/test_diffusion_model.py tests/demo/test_diffusion_text.py \
  tests/images/retrieve/test_lance_backend.py tests/images/retrieve/test_bad_input.py
FAST ?= tests $(SLOW:%=--ignore=%)
check-pythons: export OMP_NUM_THREADS = 1
check-pythons: setup
	@failed=""; for python in $(PYTHONS); do \
	  name=$$(basename $${python%/bin/python*}); venv=.venv-$$name; \
	  echo "== Python $$name ($$venv)"; \
	  { { test -x $$venv/bin/python || $(BIN)/uv venv --quiet --python $$python $$venv; } \
	    && $(BIN)/uv pip install --quiet --no-config --no-deps --python $$venv/bin/python -r requirements.lock \
	    && $(BIN)/uv pip install --quiet --no-deps --python $$venv/bin/python -e . \
	    && $$venv/bin/python -m pytest -n 2 --dist loadfile $(FAST); } || failed="$$failed $$name"; \
	done; test -z "$$failed" || { echo "Failed with Python$$failed"; exit 1; }

bench: setup
	@$(BIN)/python benchmarks/run.py

docs: setup
	@$(BIN)/mkdocs build --strict

lock:
	uv pip compile --universal --python-version 3.10 --no-emit-index-url --no-annotate --no-header requirements.in -o requirements.lock

clean:
	rm -rf $(VENV) build site *.egg-info
