# Two environments: .venv (everything that installs from wheels) and .venv-core (core requirements only).
# Needs Python 3.11 or later with venv, make and git; PYTHON=... chooses the interpreter.

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3,$(shell command -v $(name) 2>/dev/null)))
EXTRAS = test,demo,report,vision,compressai,transformers,anchors,vmaf,docs,types
INPUTS = pyproject.toml setup.py constraints.txt
PIP = bin/python -m pip --disable-pip-version-check

# Threads that spin while they wait bring a shared machine to a halt: a hundred times slower has been seen.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test test-core lint types docs fuzz format clean

demo: .venv/installed
	.venv/bin/python -m triptych.tools.demo --out demo

test: .venv/installed
	.venv/bin/pytest

# The tests whose optional packages are missing skip themselves; all others must pass on the core requirements.
test-core: .venv-core/installed
	.venv-core/bin/pytest

lint: .venv/installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

# pyright runs on node, which its package fetches the first time where there is none.
types: .venv/installed
	.venv/bin/pyright

docs: .venv/installed
	.venv/bin/python docs/make.py --out build/docs

fuzz: .venv/installed
	.venv/bin/python fuzz/mutate.py --seconds 600
	.venv/bin/python fuzz/crash.py --times 204

format: .venv/installed
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

.venv/installed: $(INPUTS)
	@$(call environment,.venv)
	.venv/$(PIP) install --no-build-isolation -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

.venv-core/installed: $(INPUTS)
	@$(call environment,.venv-core)
	.venv-core/$(PIP) install --no-build-isolation -c constraints.txt -e . pytest hypothesis
	@touch $@

clean:
	rm -rf .venv .venv-core build dist demo triptych.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# $(1) is the folder. The build backend is installed first, so that it is pinned like everything else.
define environment
test -x $(1)/bin/python || { echo "creating $(1): the first installation takes a few minutes"; \
  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
    || { echo "Triptych needs Python 3.11 or later; run make PYTHON=/path/to/python3.11" >&2; exit 1; }; \
  $(PYTHON) -m venv $(1) \
    || { rm -rf $(1); echo "python -m venv failed: on Debian and Ubuntu install the package python3-venv" >&2; exit 1; }; }; \
$(1)/$(PIP) install --quiet -c constraints.txt setuptools wheel
endef
