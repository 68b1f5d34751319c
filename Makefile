# Everything is pure Go: no C compiler is needed but for `make race`.
export CGO_ENABLED ?= 0
TAGS       := gms_pure_go,hashicorpmetrics
GO         := go
SEEDS      ?= 200
FUZZTIME   ?= 30s
TESTFLAGS  ?=
VERSION    := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

.PHONY: help build run test race sim golden fuzz e2e bench chaos soak clients conformance large lint proto check clean

help: ## this list
	@grep -hE '^[a-z]+: .*## ' $(MAKEFILE_LIST) | awk -F': .*## ' '{printf "  %-12s %s\n", $$1, $$2}'

build: ## bin/sextant
	$(GO) build -tags $(TAGS) -ldflags '-X main.version=$(VERSION)' -o bin/sextant ./cmd/sextant

run: build ## build, then `sextant up` in the foreground: a whole cluster on loopback
	@exec bin/sextant up

test: ## everything a change must pass, with invariants on; only loopback traffic
	$(GO) run ./scripts/gotest -tags $(TAGS),invariants $(TESTFLAGS)

race: ## the same with the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -tags $(TAGS),invariants ./...

sim: ## the storage simulator over SEEDS seeds, each run twice
	$(GO) test -tags $(TAGS),invariants ./logstore/sim -run TestSeeds -timeout 0 -v -seeds $(SEEDS)

golden: ## rewrite testdata of the scripts; then read the diff
	$(GO) test -tags $(TAGS),invariants $(sort $(dir $(shell grep -rl cockroachdb/datadriven --include='*_test.go' . ))) -rewrite

fuzz: ## FUZZTIME for each decoder
	$(GO) run ./scripts/fuzz -tags $(TAGS) -fuzztime $(FUZZTIME)

e2e: build ## real processes: kill -9, stopped nodes and zones, failover
	$(GO) test -tags $(TAGS) -count 1 -v ./scripts/e2e

conformance: ## all of go-mysql-server's enginetest on our storage, in process and over the wire
	$(GO) run ./scripts/gotest -tags $(TAGS),invariants ./server/gms -run 'Conformance|TestSkips' -conformance

large: ## the tests of large tables, values and transactions at full size, and a minute of mixed load
	SEXTANT_LARGE=1 SEXTANT_MIXED=1m $(GO) run ./scripts/gotest -tags $(TAGS) ./server/gms \
		-run 'Large|TooManyRecords|Million|Thousand|FiveHundred|MixedWorkload|TransactionsHaveAnOrder' -timeout 0

bench: build ## sysbench against Sextant and MariaDB; prints a table of ratios
	$(GO) run -tags $(TAGS) ./scripts/bench

chaos: ## MINUTES of faults drawn from SEED under load, histories checked; MODE=kills and others measure
	$(GO) run -tags $(TAGS) ./scripts/chaos -mode $(or $(MODE),chaos) -minutes $(or $(MINUTES),10) -seed $(or $(SEED),0) $(CHAOSFLAGS)

soak: ## an hour, or MINUTES, of faults and load; memory and files of every process must level off
	$(GO) run -tags $(TAGS) ./scripts/chaos -mode soak -minutes $(or $(MINUTES),60) -seed $(or $(SEED),0) $(CHAOSFLAGS)

clients: build ## real clients, drivers and ORMs against a cluster of its own; installs them from Debian, npm and Go
	$(GO) run -tags $(TAGS) ./scripts/clients

lint: ## gofmt, go vet, the architecture's rules
	@test -z "$$(gofmt -l . | tee /dev/stderr)"
	$(GO) vet -tags $(TAGS) ./...
	$(GO) test ./internal/arch

proto: ## generated protobuf and gRPC code (needs protoc and its Go plugins)
	$(GO) generate ./...

check: lint test race sim e2e ## all of it, and a clean work tree
	@git diff --exit-code

clean: ## bin/
	rm -rf bin
