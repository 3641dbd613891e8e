# Every target sets up what it needs; a second run only checks that it is there. `make` alone lists the targets.
#   PYTHON=python3.12 make setup    uses that Python for the virtual environment
#   make test ARGS="-k roster"      hands arguments to pytest (or to coachsim serve, or JupyterLab)

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
JOBS ?= 2
PROJECT := pyproject.toml constraints.txt
NOTEBOOKS := $(wildcard dashboards/*.ipynb notebooks/*.ipynb)
UV := $(shell command -v uv 2>/dev/null)
BROWSERS := chromium chromium-browser google-chrome google-chrome-stable
# Compiled once here, because a machine may forbid Python to do it later (PYTHONDONTWRITEBYTECODE), and the desk then
# takes 25 s to start instead of 6. A few packages ship files for other Pythons, which cannot be compiled.
COMPILE = $(BIN)/python -m compileall -qq -j 0 "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" || true
# The script that draws charts is made once too: 4 s that the first visitor of a page with charts need not wait.
CHARTS = $(BIN)/python -m coachsim.charts.offline || true
# JupyterLab asks each newcomer whether it may fetch its news from outside, over the page that they look at.
QUIET_LAB = $(BIN)/jupyter labextension disable --level=sys_prefix @jupyterlab/apputils-extension:announcements >/dev/null 2>&1 || true
ifdef UV
INSTALL := uv pip install --quiet --python $(BIN)/python
else
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

.PHONY: help setup serve test check bench soak notebooks lab docs
.DELETE_ON_ERROR:

help:
	@echo "make setup   the virtual environment $(VENV), with everything to run, test and change coachsim"
	@echo "make serve   a practice floor with the agents of data/roster.csv; prints its address"
	@echo "make test    all tests, those in a real browser included"
	@echo "make check   format, lint, types, and notebooks without outputs; quick"
	@echo "make bench   every claim of speed and size against its reference, as a table; ARGS=row_1 for some"
	@echo "make soak    every fault that a site may meet, done to a server under load, as a table; before you go live"
	@echo "make notebooks   runs the notebooks, each from top to bottom"
	@echo "make lab     JupyterLab, with coachsim ready to import"
	@echo "make docs    the documentation as pages, in site/; a link that leads nowhere fails it"

setup: $(VENV)/.has-test

serve: $(VENV)/.has-coachsim
	@$(BIN)/coachsim serve --practice weekday $(ARGS)

# Without --max-worker-restart=0, a run that lost a process to a test's timeout may wait for its last tests without end.
test: $(VENV)/.has-test $(VENV)/.has-browser $(VENV)/.has-nginx
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --max-worker-restart 0 $(ARGS)

check: $(VENV)/.has-test
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/nbstripout --keep-id --verify $(NOTEBOOKS) >&2 \
	|| { echo "These have outputs in them; run: $(BIN)/nbstripout --keep-id dashboards/*.ipynb notebooks/*.ipynb" >&2; exit 1; }

bench: $(VENV)/.has-test
	@$(BIN)/python -m benchmarks $(ARGS)

soak: $(VENV)/.has-test
	@$(BIN)/python -m tests.faults $(ARGS)

notebooks: $(VENV)/.has-test
	@$(BIN)/python -m pytest tests/notebooks $(ARGS)

lab: $(VENV)/.has-notebooks
	@$(BIN)/jupyter lab $(ARGS)

docs: $(VENV)/.has-docs
	@$(BIN)/python -m sphinx --quiet --fresh-env --fail-on-warning --keep-going -c docs . site
	@echo "Open site/index.html in a browser."

# --- What the targets above need. Each file says that a part of the set-up is done, and with which versions. ---

$(VENV)/.has-python:
	@python=; \
	for each in $${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do \
		"$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { python=$$each; break; }; \
	done; \
	if [ -z "$$python" ]; then \
		echo "coachsim needs Python 3.11 or newer, and none was found. Install one, or say where it is: PYTHON=/path/to/python3 make setup" >&2; \
		exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$python" --version) …"; \
	if [ -n "$(UV)" ]; then uv venv --quiet --allow-existing --python "$$python" $(VENV); else \
		if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
			version=$$("$$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
			if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
				echo "Installing $$version, which venv needs here …"; \
				apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$$version" >/dev/null; \
			else \
				echo "This Python cannot make virtual environments. Install its package $$version (on Debian: sudo apt-get install $$version), or uv." >&2; \
				exit 1; \
			fi; \
		fi; \
		"$$python" -m venv $(VENV); \
	fi
	@touch $@

$(VENV)/.has-coachsim: $(VENV)/.has-python $(PROJECT)
	@echo "Installing coachsim …"
	@$(INSTALL) -c constraints.txt -e .
	@$(COMPILE)
	@$(CHARTS)
	@touch $@

$(VENV)/.has-test: $(VENV)/.has-python $(PROJECT)
	@echo "Installing coachsim and what its tests need (a few minutes the first time) …"
	@$(INSTALL) -c constraints.txt -e '.[test]'
	@$(COMPILE)
	@$(CHARTS)
	@touch $@ $(VENV)/.has-coachsim

$(VENV)/.has-notebooks: $(VENV)/.has-python $(PROJECT)
	@echo "Installing coachsim and JupyterLab …"
	@$(INSTALL) -c constraints.txt -e '.[notebooks]'
	@$(COMPILE)
	@$(CHARTS)
	@$(QUIET_LAB)
	@touch $@ $(VENV)/.has-coachsim

$(VENV)/.has-docs: $(VENV)/.has-python $(PROJECT)
	@echo "Installing coachsim and what makes its documentation …"
	@$(INSTALL) -c constraints.txt -e '.[docs]'
	@touch $@

# The proxy that docs/operations puts in front; the package is of a megabyte, and nothing of it is started here.
$(VENV)/.has-nginx: $(VENV)/.has-test
	@found() { PATH="$$PATH:/usr/sbin:/usr/local/sbin" command -v nginx >/dev/null; }; \
	as_root() { if [ "$$(id -u)" = 0 ]; then "$$@"; else sudo -n "$$@"; fi; }; \
	if ! found && command -v apt-get >/dev/null && as_root true 2>/dev/null; then \
		echo "Installing nginx for the tests of the proxy in front …"; \
		as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
			apt-get install -y -qq --no-install-recommends nginx-light >/dev/null || true; \
	fi; \
	if ! found; then \
		echo "The tests of the proxy in front need nginx: install it, or run make test ARGS=\"-k 'not proxy_in_front'\" after 'touch $@'." >&2; \
		exit 1; \
	fi
	@touch $@

# The system's Chromium where there is one or can be one, else the build that Playwright brings.
$(VENV)/.has-browser: $(VENV)/.has-test
	@found() { for each in $(BROWSERS); do command -v "$$each" >/dev/null && return 0; done; return 1; }; \
	as_root() { if [ "$$(id -u)" = 0 ]; then "$$@"; else sudo -n "$$@"; fi; }; \
	if ! found && command -v apt-get >/dev/null && as_root true 2>/dev/null; then \
		echo "Installing Chromium for the browser tests …"; \
		as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core fonts-noto-color-emoji >/dev/null || true; \
	fi; \
	if ! found; then \
		echo "Fetching Playwright's Chromium for the browser tests …"; \
		$(BIN)/playwright install chromium || { \
			echo "The browser tests need Chromium: install it so that 'chromium' is on the PATH, or run make test ARGS=\"-m 'not browser'\" after 'touch $@'." >&2; \
			exit 1; \
		}; \
	fi
	@touch $@
