# llmhub. `make` alone lists what there is.

GO      ?= go
BIN     := bin/llmhub
# The product is one static binary, built by go build alone.
BUILD   := CGO_ENABLED=0 $(GO) build -trimpath
PACKAGES := ./...

.DEFAULT_GOAL := help
.PHONY: help build run test test-kill test-replicas test-outage test-keystone test-cluster test-postgres test-e2e fuzz check bench bench-portal bench-limits bench-replicas clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/llmhub
	$(BUILD) -o $(BIN) ./cmd/llmhub

run: build ## Run the demo on 127.0.0.1:8080: gateway, portal, built-in model server, people to sign in as
	./$(BIN) demo

test: build ## Run everything: checks, tests with the race detector, short kill loop, fuzzing
	./test.sh

test-kill: ## Kill the gateway at full load, 30 rounds, and count what is lost or doubled
	LLMHUB_KILL_ROUNDS=30 $(GO) test -count=1 -v -run '^TestKill' -timeout 40m ./cmd/llmhub

test-replicas: ## Three replicas on PostgreSQL for half an hour: killed, cut off, their database killed and replaced
	LLMHUB_REPLICAS=30m $(GO) test -count=1 -v -run '^TestReplicas$$' -timeout 50m ./cmd/llmhub

test-outage: ## Kill, slow and limit three model servers for a minute at 200 requests a second: none may fail
	LLMHUB_DRILL=1m $(GO) test -count=1 -v -run '^TestOutageDrill' -timeout 5m ./cmd/llmhub

test-keystone: ## Sign in at a real Keystone (Debian packages python3-keystone and gunicorn, about a minute)
	./test-keystone.sh

test-cluster: ## Deploy to a real Kubernetes control plane (its first build takes 5 to 20 minutes)
	testcluster/with.sh $(GO) test -count=1 -run '^TestCluster' -timeout 20m ./deployer/... ./cmd/llmhub

test-postgres: ## Keep everything in PostgreSQL 14 and 18, from npm (Node 20, about a minute)
	./test-postgres.sh

test-e2e: ## Use the portal in Chromium (Debian packages chromium and fonts-inter, Node 20; about 5 minutes)
	testcluster/with.sh ./test-e2e.sh

fuzz: ## Fuzz each target for FUZZTIME (default 30s)
	./fuzz.sh

check: ## What needs no tests: formatting, vet, tidy modules, the example configuration
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'not formatted: run gofmt -w on these'; exit 1; }
	$(GO) vet $(PACKAGES)
	$(GO) mod tidy -diff

bench: ## Measure against a plain nginx: CPU, latency, memory (about 7 minutes; Debian package nginx-light)
	$(GO) run ./bench

bench-portal: ## Measure the portal's pages on the large demo: 100,000 keys (about 3 minutes)
	$(GO) run ./bench portal

bench-limits: ## Use 1,000 keys beyond their limits and compare with the ledger (about 2 minutes)
	$(GO) run ./bench limits

bench-replicas: ## Measure 1, 2 and 3 processes on PostgreSQL beside one with its data folder (about 3 minutes)
	$(GO) run ./bench replicas

clean: ## Remove what was built
	rm -rf bin
