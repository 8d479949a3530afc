# Everything a person or CI does here. `make help` lists it.
PYTHON ?= python3
VENV ?= .venv
# CPU-only torch instead of gigabytes of CUDA; TORCH_INDEX= takes whatever your pip is set up for.
TORCH_INDEX ?=
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo venv check test format bench-load bench-accuracy clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

demo: venv  ## real household electricity, forecast while you watch; Ctrl-C stops it
	$(BIN)/forecaster demo

venv: $(STAMP)  ## the environment alone, in .venv

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt $(if $(TORCH_INDEX),--no-deps --index-url $(TORCH_INDEX)) torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

check: venv  ## format, lint, types, architecture, duplicated code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest tests/test_architecture.py -p no:randomly
	$(BIN)/pylint --disable=all --enable=duplicate-code --min-similarity-lines=8 forecaster

test: venv  ## all tests; installs mosquitto and prometheus when they are missing and apt is there
	deploy/install-test-services.sh
	$(BIN)/pytest

format: venv  ## put everything in the house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench-load: venv  ## messages per second, latency, memory against a real mosquitto
	$(BIN)/python -m benchmarks.load

bench-accuracy: venv  ## errors and intervals beside others; DATA=folder of Parquet files
	$(BIN)/python -m benchmarks.accuracy --data $(or $(DATA),data) --seeds $(or $(SEEDS),5) \
		--json benchmarks/results/accuracy.json
	$(BIN)/python -m benchmarks.accuracy.table benchmarks/results/accuracy.json

clean:  ## remove the environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info build
