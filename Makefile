# Two commands do everything: `make run` and `make test`. Each sets up its own environment from the project's files.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
OUT ?= runs/main
# One more than a small machine has cores: many tests wait for processes of their own.
TEST_PROCESSES ?= 3

.PHONY: run test test-slow lint docs bench clean

run: $(VENV)/.installed-core  ## the paper's day with real contacts and its idealised twin, side by side
	$(BIN)/orbitsim run leo12-vitg leo12-vitg-idealised --out $(OUT) --force

test: lint  ## everything that must hold: style, types, layers, tests
	$(BIN)/python -m pytest --quiet --numprocesses=$(TEST_PROCESSES) --dist=worksteal

test-slow: $(VENV)/.installed-dev  ## what takes longer: notebooks, the commands of the documentation, kills and lost processes
	$(BIN)/python -m pytest --quiet --numprocesses=$(TEST_PROCESSES) --dist=worksteal -m slow

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-dev  ## the documentation site, in build/site; every warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.installed-bench  ## our speed as ratios against named rivals, in the same run
	$(BIN)/python -m benchmarks

$(VENV)/.installed-core: pyproject.toml constraints.txt | $(VENV)
	$(PIP_INSTALL) --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)
	$(PIP_INSTALL) --editable '.[dev,neural,pretrained,sweep,report,download]'
	touch $@

$(VENV)/.installed-bench: pyproject.toml constraints.txt | $(VENV)
	$(PIP_INSTALL) --editable '.[dev,neural,pretrained,sweep,report,download,bench]'
	touch $@

$(VENV):
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
