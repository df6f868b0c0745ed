# `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
KATIB_CLIENT := .venv-katib-client
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check install --quiet

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) --constraint constraints.txt --editable '.[local,dev]'
	touch $@

# Katib's own client pins a protobuf that TensorFlow does not run with, so it lives in an environment of its own.
$(KATIB_CLIENT)/.installed: tests/contract/katib-client.txt
	$(PYTHON) -m venv $(KATIB_CLIENT)
	$(KATIB_CLIENT)/bin/python $(PIP) --requirement tests/contract/katib-client.txt
	touch $@

.PHONY: run
run: $(VENV)/.installed ## search twice on real images: ENAS, then DARTS
	$(BIN)/katib-nas validate examples/enas-digits.yaml
	$(BIN)/katib-nas validate examples/darts-digits.yaml
	$(BIN)/katib-nas run examples/enas-digits.yaml
	$(BIN)/katib-nas run examples/darts-digits.yaml

# TensorFlow and Triton, which torchvision imports, both hold LLVM and abort in one process; no process of ours has both.
.PHONY: test
test: $(VENV)/.installed $(KATIB_CLIENT)/.installed ## run every test
	$(BIN)/pytest $(ARGS) tests/katib_suggestion tests/darts_service tests/enas_service tests/contract
	$(BIN)/pytest $(ARGS) tests/darts_genotype tests/trial_runtime tests/darts_trainer tests/enas_trainer tests/katib_local tests/katib_cluster tests/packaging tests/end_to_end

.PHONY: lint
lint: $(VENV)/.installed ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: format
format: $(VENV)/.installed ## mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: proto
proto: $(VENV)/.installed ## generate katib_suggestion/api_pb2* from proto/api.proto
	$(BIN)/python -m grpc_tools.protoc --proto_path=katib_suggestion=proto \
		--python_out=. --pyi_out=. --grpc_python_out=. katib_suggestion/api.proto

.PHONY: images
images: ## build the four container images
	@engine=$$(command -v docker || command -v podman || command -v buildah) || { echo "make images needs docker, podman or buildah" >&2; exit 1; }; \
	for name in enas darts; do for target in service trainer; do \
		"$$engine" build --file Dockerfile.$$name --target $$target --tag katib-nas/$$name-$$target:$(VERSION) . || exit 1; \
	done; done

VERSION ?= $(shell sed -nE 's/^version = "(.*)"/\1/p' pyproject.toml)

.PHONY: bench
bench: $(VENV)/.installed ## run every benchmark, ours beside its baseline
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf $(VENV) $(KATIB_CLIENT) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache runs
