# `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
KATIB_CLIENT := .venv-katib-client
PEERS := .venv-peers
GENERATOR := .venv-proto
CONSTRAINTS := constraints.txt
BIN := $(VENV)/bin
# On a terminal pip shows how far it is.
PIP := -m pip --disable-pip-version-check install $(shell [ -t 2 ] || echo --quiet)
# A package index of torch's builds for CPUs, for a machine without an NVIDIA GPU; without it the ordinary one, whose build has CUDA.
TORCH_INDEX ?=

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(VENV)/.runs: pyproject.toml $(CONSTRAINTS)
	@echo "Installing into $(VENV) what a run needs, for some minutes: $(if $(TORCH_INDEX),3 GB,7.6 GB, of which 4.8 GB are \
	torch's for NVIDIA GPUs; with TORCH_INDEX set to a package index of its CPU builds, they are left out)."
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(BIN)/python $(PIP) --constraint $(CONSTRAINTS) --index-url '$(TORCH_INDEX)' torch torchvision)
	$(BIN)/python $(PIP) --constraint $(CONSTRAINTS) --editable '.[local]'
	touch $@

$(VENV)/.installed: $(VENV)/.runs
	@echo "Installing into $(VENV) what tests, checks and docs need: another .8 GB."
	$(BIN)/python $(PIP) --constraint $(CONSTRAINTS) --editable '.[local,dev]'
	touch $@

.PHONY: install
install: $(VENV)/.installed $(KATIB_CLIENT)/.installed ## install what the tests need; the other targets do it, too

# Katib's own client pins a protobuf that TensorFlow does not run with, so it lives in an environment of its own.
$(KATIB_CLIENT)/.installed: tests/contract/katib-client.txt
	$(PYTHON) -m venv $(KATIB_CLIENT)
	$(KATIB_CLIENT)/bin/python $(PIP) --requirement tests/contract/katib-client.txt
	touch $@

# What trained networks are handed to: an MLflow server, KServe's, and clients; 1.3 GB that no other target needs.
$(PEERS)/.installed: tests/peers/requirements.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python $(PIP) --requirement tests/peers/requirements.txt --editable .
	touch $@

# The generator decides which grpcio and protobuf our code runs with; it asks for older ones than we run with ourselves.
$(GENERATOR)/.installed: proto/generator.txt
	$(PYTHON) -m venv $(GENERATOR)
	$(GENERATOR)/bin/python $(PIP) --requirement proto/generator.txt
	touch $@

.PHONY: run
run: $(VENV)/.runs ## search twice on real images: ENAS, then DARTS
	$(BIN)/katib-nas validate examples/enas-digits.yaml
	$(BIN)/katib-nas validate examples/darts-digits.yaml
	$(BIN)/katib-nas run examples/enas-digits.yaml
	$(BIN)/katib-nas run examples/darts-digits.yaml

# TensorFlow and Triton, which torchvision imports, both hold LLVM and abort in one process; no process of ours has both.
# What takes long stands first, so that no core waits for the other in the end.
WITH_TENSORFLOW := tests/contract tests/enas_service tests/upgrade/services tests/katib_suggestion tests/darts_service
WITH_TORCH := tests/peers tests/end_to_end tests/website tests/darts_trainer tests/enas_trainer tests/katib_local tests/cell_networks \
	tests/dashboard tests/trial_runtime tests/darts_genotype tests/katib_cluster tests/packaging tests/upgrade/trainers
# On as many cores as there are, a file's tests on the same one, in this order; PARALLEL= runs one after the other.
PARALLEL ?= --numprocesses=auto --maxprocesses=8 --dist=loadfile --no-loadscope-reorder

define run_tests
	$(BIN)/pytest $(PARALLEL) --durations=10 -m '$(1)' $(2) $(ARGS) $(WITH_TENSORFLOW)
	$(BIN)/pytest $(PARALLEL) --durations=10 -m '$(1)' $(2) $(ARGS) $(WITH_TORCH)
endef

.PHONY: test test-long
test test-long: export OMP_NUM_THREADS ?= 1
test: $(VENV)/.installed $(KATIB_CLIENT)/.installed ## run the tests, but for those of minutes
	$(call run_tests,not long)
test-long: $(VENV)/.installed $(KATIB_CLIENT)/.installed $(PEERS)/.installed ## run those of minutes
	$(call run_tests,long,--timeout=600)

# Such as OLDEST_PYTHON=/opt/python3.11/bin/python; MATRIX='--ends oldest --groups services' runs a part.
OLDEST_PYTHON ?= python3.11
NEWEST_PYTHON ?= python3.13
MATRIX ?=

.PHONY: test-matrix
test-matrix: $(KATIB_CLIENT)/.installed ## run every test with the oldest and the newest packages
	$(PYTHON) .ci/test_matrix.py --oldest-python $(OLDEST_PYTHON) --newest-python $(NEWEST_PYTHON) $(MATRIX)

.PHONY: lint
lint: $(VENV)/.installed ## check style, types, and for what attackers look for
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive . --exclude './.venv*,./.matrix,./build,./tests'

.PHONY: audit
audit: $(VENV)/.installed ## ask whether a pinned package has a known vulnerability
	$(BIN)/python .ci/audit.py

.PHONY: format
format: $(VENV)/.installed ## mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: hooks
hooks: $(VENV)/.installed ## have git check style and types before each commit
	$(BIN)/pre-commit install

.PHONY: proto
proto: $(GENERATOR)/.installed ## generate katib_suggestion/wire/api_pb2* from proto/api.proto
	$(GENERATOR)/bin/python -m grpc_tools.protoc --proto_path=katib_suggestion/wire=proto \
		--python_out=. --pyi_out=. --grpc_python_out=. katib_suggestion/wire/api.proto

# docker, podman or buildah, whichever is there; or any command that builds as they do.
ENGINE ?= $(shell command -v docker || command -v podman || command -v buildah)
VERSION ?= $(shell sed -nE 's/^version = "(.*)"/\1/p' pyproject.toml)
# Such as REPOSITORY=registry.example/katib-nas and BUILD_ARGS='--build-arg TORCH_INDEX=…'.
REPOSITORY ?= katib-nas
BUILD_ARGS ?=

.PHONY: images
images: ## build the five container images
	@test -n "$(ENGINE)" || { echo "make images needs docker, podman or buildah" >&2; exit 1; }
	@for name in enas darts; do for target in service trainer; do \
		BUILDAH_LAYERS=true $(ENGINE) build --file Dockerfile.$$name --target $$target $(BUILD_ARGS) \
			--build-arg VERSION=$(VERSION) --tag $(REPOSITORY)/$$name-$$target:$(VERSION) . || exit 1; \
	done; done
	BUILDAH_LAYERS=true $(ENGINE) build --file Dockerfile.dashboard $(BUILD_ARGS) \
		--build-arg VERSION=$(VERSION) --tag $(REPOSITORY)/dashboard:$(VERSION) .

# RUN_ENGINE: the command that runs what ENGINE has built, where it is another one.
RUN_ENGINE ?= $(ENGINE)

.PHONY: test-images
test-images: images $(VENV)/.installed ## build the images and test them
	KATIB_NAS_TEST_ENGINE="$(RUN_ENGINE)" $(BIN)/pytest $(ARGS) tests/images

# The others are named with their data by the pages in benchmarks/results.
BENCHMARKS ?= enas.search services.enas_cost enas_trials.child darts.step services.darts_cost robustness.kill_and_resume

.PHONY: bench
bench: $(VENV)/.installed ## run every benchmark that needs no data, ours beside its baseline
	@for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python -m benchmarks.$$name || exit 1; done

.PHONY: docs
docs: $(VENV)/.installed ## build the site of the docs in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf $(VENV) $(KATIB_CLIENT) $(PEERS) $(GENERATOR) .matrix build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache runs
