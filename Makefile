# Two commands, each of which makes its own virtual environment on a machine with nothing but Python 3.11 or newer:
#   make quickstart   install, then write a corpus of videos, fine-tune a model on it and answer questions
#   make test         install, then lint and test
# One more wants the network and some minutes:
#   make test-common  transformers' own tests of every model, from its source distribution, on the classes of this package
# Options: PYTHON=python3.12, VENV=/somewhere/else, ARGS="--help" for the quickstart, PYTEST_ARGS="-k roll" for tests.

PYTHON ?= python3
VENV ?= .venv

# Threads that wait for others sleep. Spinning, as they do otherwise, one busy neighbour on the machine makes every step
# of a small model ten times slower.
export OMP_WAIT_POLICY ?= passive

.PHONY: quickstart test test-common lint clean

quickstart: $(VENV)/.installed-demo
	$(VENV)/bin/python examples/quickstart.py $(ARGS)

test: $(VENV)/.installed-test lint
	$(VENV)/bin/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

test-common: $(VENV)/.installed-common
	COMMON_TESTS=1 $(VENV)/bin/python -m pytest -n auto tests/common $(PYTEST_ARGS)

lint: $(VENV)/.installed-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

$(VENV)/.installed-%: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.12 ..."; exit 1; }
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$*]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info outputs
