# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
#
# A fresh machine needs git, make and Go; `make demo`, `make e2e` and `make check` also need root and Docker's
# engine, to run a cluster of their own. `make help` lists the targets.

SHELL := /bin/sh
.DEFAULT_GOAL := build
.SUFFIXES:
MAKEFLAGS += --no-print-directory

# One setting for lint, tests and builds: each package is then compiled once for all of them.
export CGO_ENABLED := 0
export GOFLAGS := $(filter-out -trimpath -buildvcs=false,$(GOFLAGS)) -trimpath -buildvcs=false

GO ?= go
MODULE := github.com/kubectl-aml/kubectl-aml

# The plugin and its chart are released together, so the chart's version is the plugin's too. What is built between
# releases says so, with the commit; what is built for a release depends on nothing but the sources.
RELEASE = v$(shell sed -n 's/^version: *//p' charts/inference/Chart.yaml)
COMMIT = $(shell git describe --always --dirty=.dirty --exclude='*' --abbrev=12 2>/dev/null)
VERSION ?= $(RELEASE)-dev$(addprefix +,$(COMMIT))
# Helm renders offline for a Kubernetes of its own choice (1.20 without these) unless the linker names another.
KUBE_MINOR = $(shell sed -n 's|^.*k8s.io/client-go v0\.\([0-9]*\)\..*|\1|p' go.mod)

LDFLAGS = -s -w \
	-X $(MODULE)/pkg/cmd.version=$(VERSION) \
	-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 \
	-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=$(KUBE_MINOR) \
	-X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 \
	-X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=$(KUBE_MINOR)

# Tools are built from source in modules of their own; Go keeps the programs in its build cache.
TOOL = $(GO) tool -modfile=hack/tools/$(1)/go.mod

# All packages but those that have a target of their own.
UNIT_PACKAGES = $(shell $(GO) list ./... | grep -v -E '^$(MODULE)/((charts/|pkg/chart|hack/dist)|e2e$$)')

##@ Use

.PHONY: build
build: ## Build bin/kubectl-aml.
	@echo 'building bin/kubectl-aml $(VERSION)'
	@$(GO) build -ldflags '$(LDFLAGS)' -o bin/kubectl-aml ./cmd/kubectl-aml

.PHONY: demo
demo: build ## Make a cluster on this machine and serve two versions of a model on it.
	@hack/demo

.PHONY: clean
clean: ## Remove what was built here. Clusters and caches stay.
	rm -rf bin dist

##@ Test

# Each step says how long it took, also the one that fails.
.PHONY: check
check: ## Run everything: lint, tests, archives, and the suite on a cluster.
	@start=$$(date +%s); \
	for step in lint test-unit conformance test-chart test-dataplane test-dist e2e; do \
		echo "==> make $$step"; begin=$$(date +%s); \
		if $(MAKE) $$step; then result=ok; else result=FAILED; fi; \
		echo "<== make $$step: $$result after $$(($$(date +%s) - begin)) s"; \
		if [ $$result = FAILED ]; then break; fi; \
	done; \
	echo "make check: $$result after $$(($$(date +%s) - start)) s"; \
	[ $$result = ok ]

# Nothing to do where Python and curl are.
.PHONY: needs
needs:
	@hack/needs

.PHONY: lint
lint: ## Check the style of the code and who imports whom.
	$(call TOOL,golangci-lint) golangci-lint run

.PHONY: test
test: test-unit test-chart test-dist ## Run all tests that need neither a cluster nor the engines.

.PHONY: test-unit
test-unit: needs ## Test the packages.
	@$(GO) test $(UNIT_PACKAGES)

.PHONY: conformance
conformance: needs ## Compare the reading of v1's files with Microsoft's own, on generated files.
	$(GO) run ./hack/conformance

.PHONY: test-chart
test-chart: ## Test the chart: rendered manifests, every rule of its values.
	$(GO) test ./pkg/chart/... ./charts/internal/...

# Alone, because they measure time.
.PHONY: test-dataplane
test-dataplane: ## Test the configurations of router and limiter on the real engines.
	$(GO) test ./charts/dataplane

.PHONY: test-dist
test-dist: ## Test the release archive and install it with krew.
	$(GO) test -timeout 20m ./hack/dist

.PHONY: e2e
e2e: needs ## Run the suite on a cluster on this machine.
	@cluster=$$($(GO) run ./hack/cluster up) && eval "$$cluster" && \
	AML_E2E=1 $(GO) test ./e2e -v -count=1 -timeout 50m

.PHONY: soak
soak: needs ## Send a million requests while everything is done to an endpoint; takes about an hour.
	@cluster=$$($(GO) run ./hack/cluster up) && eval "$$cluster" && \
	AML_E2E=1 AML_E2E_REQUESTS=1000000 $(GO) test ./e2e -run 'TestNoRequestIsLost$$' -v -count=1 -timeout 4h

.PHONY: bench
bench: build needs ## Compare plugin and data plane with what others need for the same; BENCH='-quick' for a look.
	@cluster=$$($(GO) run ./hack/cluster up) && eval "$$cluster" && \
	$(GO) run ./hack/bench -plugin bin/kubectl-aml $(BENCH)

##@ Maintain

.PHONY: docs
docs: ## Generate what docs/ tells of commands, v1's files and conformance, and the chart's README.
	$(GO) run ./hack/docs -o docs
	$(GO) test ./charts/internal/chartdoc -update
	$(GO) run ./hack/conformance -document docs/conformance.md

.PHONY: dist
dist: VERSION = $(RELEASE)
dist: ## Build the release archives, and from them the krew manifest in plugins/.
	@echo 'building release $(VERSION)'
	@$(GO) run ./hack/dist -version '$(VERSION)' -ldflags '$(LDFLAGS)'

.PHONY: ldflags
ldflags:
	@echo '$(LDFLAGS)'

.PHONY: verify
verify: ## Check that everything generated is up to date.
	$(GO) mod tidy -diff
	@for module in hack/tools/*/; do (set -x; $(GO) -C $$module mod tidy -diff) || exit 1; done
	$(GO) run ./hack/docs -o docs -check
	$(GO) test ./charts/internal/chartdoc ./hack/conformance ./hack/dist -run 'UpToDate|Index'

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
