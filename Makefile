# make demo: from nothing to a trained, evaluated model on the sample. make test: all checks.
# make docs: the documentation as a site, in site/.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
IMBTOOL := $(BIN)/imbtool
SAMPLE := data/sample/train.csv
DEMO := runs/demo
PROFILE := profiles/moderation.yaml

.PHONY: demo data test test-all lint types imports docs wheel clean

demo: $(VENV)/.bundled $(SAMPLE)
	rm -rf $(DEMO) $(DEMO)-analysis
	$(IMBTOOL) analyze $(PROFILE) -o $(DEMO)-analysis
	$(IMBTOOL) weights $(PROFILE) -o $(DEMO)-analysis
	$(IMBTOOL) train --profile $(PROFILE) --run demo
	$(IMBTOOL) predict $(DEMO) data/sample/test.csv -o $(DEMO)/predicted.csv
	$(IMBTOOL) evaluate $(DEMO)

data: $(VENV)/.bundled $(SAMPLE)

$(SAMPLE): data/generate.py data/templates.py | $(VENV)/.bundled
	$(BIN)/python data/generate.py

test: lint types imports $(VENV)/.s3
	$(BIN)/python -m pytest

test-all: lint types imports docs $(VENV)/.s3
	$(BIN)/python -m pytest -m "slow or not slow"

lint: $(VENV)/.dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

wheel: $(VENV)/.dev
	rm -rf dist
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps -w dist .
	$(BIN)/python tests/wheel.py dist

$(VENV)/.bundled: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bundled]'
	touch $@

$(VENV)/.dev: $(VENV)/.bundled
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bundled,dev]'
	touch $@

# an environment of its own: the server's libraries need older versions than ours
$(VENV)/.s3: tests/inference/s3server.txt | $(VENV)/.bundled
	$(PYTHON) -m venv $(VENV)/s3-server
	$(VENV)/s3-server/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/inference/s3server.txt
	touch $@

$(VENV)/.docs: $(VENV)/.bundled
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bundled,docs]'
	touch $@

clean:
	rm -rf $(VENV) data/sample dist site
