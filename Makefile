# Each target is what a person could type; the virtual environment is made on first use.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

# Hundreds of Python processes read the same modules: none of them is to compile them anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-slow campaign lint bench docs matrix tracking-matrix clean

demo: $(VENV)/.emulator
	PATH="$(CURDIR)/$(BIN):$$PATH" mlflow run sample_project --backend azureml --backend-config sample_project/emulator.json -P alpha=0.3

test: $(VENV)/.test
	$(BIN)/pytest -n auto --dist loadfile

test-slow: $(VENV)/.test
	$(BIN)/pytest -m "slow and not campaign" -n auto --dist loadgroup

campaign: $(VENV)/.test
	$(BIN)/pytest -m campaign -n auto --dist loadgroup

lint: $(VENV)/.test
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

matrix: $(VENV)/.test
	$(BIN)/python -m tests.injection --write

tracking-matrix: $(VENV)/.test
	$(BIN)/python -m tests.tracking_matrix --write

bench: $(VENV)/.test
	$(BIN)/python benchmarks/submit.py --write benchmarks/results.md

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) build dist site *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.%: setup.cfg pyproject.toml $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@
