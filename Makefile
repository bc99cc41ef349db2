# Three commands, each of which makes its own virtual environment on a machine with nothing but Python 3.11 or newer:
#   make quickstart   install, then write a corpus of videos, fine-tune a model on it and answer questions
#   make test         install, then lint and test
#   make docs         install, then build the site of docs/ into build/site; warnings are errors
# Of use to developers:
#   make test-slow    tests that are marked slow: kills, loads, whole trainings, a browser
#   make doors        what other packages make of this one (sentence-transformers, exporters, …), as a table
#   make gpu-bench    where there is a CUDA device: is every way of computing right on it, and how fast is training
# Three more want the network:
#   make test-ranges  the tests with the lowest versions that setup.cfg allows, then with the newest that there are
#   make test-common  transformers' own tests of every model, from its source distribution, on the classes of this package
#   make dist         the files of a release
# Options: PYTHON=python3.12, VENV=/somewhere/else, ARGS="--help" for the quickstart and gpu-bench, PYTEST_ARGS="-k roll"
# for tests.

PYTHON ?= python3
VENV ?= .venv

# Threads that wait for others sleep. Spinning, as they do otherwise, one busy neighbour on the machine makes every step
# of a small model ten times slower.
export OMP_WAIT_POLICY ?= passive

# A test holds this list against tests/fixtures/door_table.py.
DOORS = bitsandbytes deepspeed mteb optimum-quanto torchao trackio wandb

BIN = $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)

.PHONY: quickstart test test-slow doors test-ranges test-lowest-direct test-highest test-common gpu-bench lint docs dist clean

quickstart: $(VENV)/.installed-train,search
	$(BIN)/python examples/quickstart.py $(ARGS)

test: $(VENV)/.installed-test lint
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

# Needs Chromium and ffmpeg as well, by the system's packages.
test-slow: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m "slow and not gpu" $(PYTEST_ARGS)

test-common: $(VENV)/.installed-test
	COMMON_TESTS=1 $(BIN)/python -m pytest -n auto tests/common $(PYTEST_ARGS)

# Needs a CUDA device and a torch that is built for it. The results are benchmarks/results/gpu.json.
gpu-bench: $(VENV)/.installed-test
	$(BIN)/python benchmarks/gpu.py $(ARGS)
	$(BIN)/python -m pytest -m gpu $(PYTEST_ARGS)

# Other packages that take ours as it is, those of them that the tests do without, too.
doors: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt $(DOORS)
	rm -f benchmarks/results/doors.jsonl
	failed=0; for file in $$(grep -rl --include="test_*.py" "mark.door(" tests); do \
		$(BIN)/python -m pytest -m "not gpu" --doors benchmarks/results/doors.md $$file $(PYTEST_ARGS) || failed=1; \
	done; rm benchmarks/results/doors.jsonl; exit $$failed

# Each in an environment of its own: uv knows how to choose the lowest versions.
test-ranges: test-lowest-direct test-highest

test-lowest-direct test-highest: test-%:
	$(PYTHON) -m venv $(VENV)-$*
	$(VENV)-$*/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(VENV)-$*/bin/python -m uv pip install --quiet --compile-bytecode --python $(VENV)-$*/bin/python --resolution $* --editable '.[test]'
	$(VENV)-$*/bin/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
	@echo "Open build/site/index.html; its search needs a server: $(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site"

$(VENV)/.installed-%: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.12 ..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$*]'
	@touch $@

# A page of the package index has no folders: the README's links lead to files below REPOSITORY=https://…
dist: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check build twine
	rm -rf dist build && mkdir -p build/source && git archive HEAD | tar -x -C build/source
	sed -i.links -E 's#\]\((docs/|examples/|benchmarks/|CONTRIBUTING|CHANGELOG)#](${REPOSITORY}/\1#g' build/source/README.md
	$(BIN)/python -m build --quiet --outdir dist build/source
	$(BIN)/python -m twine check --strict dist/*

clean:
	rm -rf $(VENV) $(VENV)-* build dist *.egg-info outputs
