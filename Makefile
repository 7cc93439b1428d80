# Development commands. PYCTI=6.9.29 uses that version of pycti instead of the pinned one.
PYTHON ?= python3
PYCTI ?=
VENV := .venv$(if $(PYCTI),-$(PYCTI))
BIN := $(VENV)/bin
INSTALL := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python

# Another pycti version has other dependencies, so the pins of requirements.txt do not apply.
RUNS := $(if $(PYCTI),-r requirements.in pycti==$(PYCTI),-r requirements.txt)

# Without Docker: a command that starts an engine with the given base image and prints how to reach it.
ENGINE ?= $(wildcard ../shared/bin/docker-engine)

# Shared equally by the two fuzzers.
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint fuzz audit bench bench-sources bench-hostile bench-broker soak docs image image-test requirements clean

help:
	@echo "make demo           enrich a domain and an address in a local sandbox"
	@echo "make test           run the tests"
	@echo "make test-slow      run the slow tests: large loads, a browser and the image"
	@echo "make lint           run ruff and mypy"
	@echo "make fuzz           search for input that breaks an invariant"
	@echo "make audit          check the dependencies for known vulnerabilities"
	@echo "make bench          measure the conversion of answers"
	@echo "make bench-sources  measure reading answers, and three sources in parallel"
	@echo "make bench-hostile  measure the memory that the worst answers take"
	@echo "make bench-broker   measure enrichments over a real broker"
	@echo "make soak           run ten minutes of traffic, faults and restarts"
	@echo "make docs           generate the samples, schema, tables and pictures"
	@echo "make image          build the image"
	@echo "make image-test     build the image and test it in containers"
	@echo "make requirements   pin the dependencies to their newest versions"
	@echo "make clean          remove virtual environments and caches"
	@echo
	@echo "Variables:"
	@echo "  SOURCES=circl,dnsdb  sources of the demo"
	@echo "  TESTS=tests/unit     run only these tests"
	@echo "  COVERAGE=1           measure the coverage of the tests"
	@echo "  PYCTI=6.9.29         test with, or build the image with, this version of pycti"
	@echo "  FUZZ_SECONDS=600     duration of make fuzz (default: 60)"
	@echo "  SECONDS=60           duration of make soak (default: 600)"

$(VENV)/runs: requirements.in requirements.txt
	@echo "Installing the requirements into $(VENV); this takes up to a minute ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check uv==0.13.9
	@$(INSTALL) $(RUNS)
	@touch $@

$(VENV)/tests: $(VENV)/runs requirements-dev.txt
	$(INSTALL) $(RUNS) -r requirements-dev.txt
	@touch $@

demo: $(VENV)/runs
	@$(BIN)/python -m sandbox.demo $(if $(SOURCES),--sources $(SOURCES)) $(if $(DATA),--data $(DATA)) $(ENRICH)

# In the order of testpaths: files that mostly wait start first, so that those that compute run meanwhile.
test: $(VENV)/tests
	$(BIN)/python -m pytest $(TESTS) -m "not slow" -n 4 --dist loadfile --no-loadscope-reorder $(if $(COVERAGE),--cov --cov-report=term)

# Only two at a time, since some tests measure.
test-slow: $(VENV)/tests
	$(BIN)/python -m pytest $(TESTS) -m slow -n 2 --dist loadfile
	$(if $(TESTS)$(PYCTI),,$(MAKE) image-test)

lint: $(VENV)/tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src sandbox tests benchmarks

$(VENV)/fuzzes: $(VENV)/runs tests/fuzz/requirements.txt
	$(INSTALL) -r tests/fuzz/requirements.txt
	@touch $@

fuzz: $(VENV)/fuzzes
	for target in records converter; do \
		PYTHONPATH=src $(BIN)/python -m tests.fuzz $$target $(VENV)/fuzz/$$target \
			-max_total_time=$$(( ($(FUZZ_SECONDS) + 1) / 2 )) || exit; \
	done

# Strict, since pip-audit otherwise skips packages that PyPI does not know.
audit: $(VENV)/tests
	$(BIN)/uv tool run pip-audit==2.10.1 --strict --no-deps --disable-pip --requirement requirements.txt

bench: $(VENV)/tests
	PYTHONPATH=src $(BIN)/python -m benchmarks.convert

bench-sources: $(VENV)/tests
	PYTHONPATH=src $(BIN)/python -m benchmarks.sources

bench-hostile: $(VENV)/tests
	PYTHONPATH=src $(BIN)/python -m benchmarks.hostile

bench-broker: $(VENV)/tests
	PYTHONPATH=src $(BIN)/python -m benchmarks.broker

soak: $(VENV)/tests
	PYTHONPATH=src $(BIN)/python -m benchmarks.soak $(SECONDS)

docs: $(VENV)/runs
	PYTHONPATH=src $(BIN)/python -m docs.generate

image:
	docker build --network=host $(if $(PYCTI),--build-arg PYCTI_VERSION=$(PYCTI)) \
		--tag opencti/connector-riskiq-passive-total:latest .

image-test: $(VENV)/tests
	docker version >/dev/null 2>&1 $(if $(ENGINE),|| eval "$$($(ENGINE) python:3.12-slim-bookworm)"); \
		$(BIN)/python -m pytest tests/image

requirements: $(VENV)/tests
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate requirements.in \
		| sed '1i # Made by `make requirements` from requirements.in; pins what runs.' > requirements.txt

clean:
	rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.*
