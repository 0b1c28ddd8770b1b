# The commands of this repository; `make help` lists them. Needs GNU make and bash.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# What `make test` and `make check` do, in order. The tests are built before the schema is looked
# at, because that build has the executable, too.
TEST_STAGES  := test-deps test-build test-run
CHECK_STAGES := fmt-check clippy docs test-deps test-build schema-check test-run

# Runs the stages given as $(1), each announced by a line, up to the first that fails. Then prints
# how long each took.
define stages
+@report=; status=0; \
for stage in $(1); do \
    printf '\n==> %s\n' "$$stage"; \
    begun=$$SECONDS; \
    $(MAKE) "$$stage" || status=$$?; \
    word=ok; [ $$status -eq 0 ] || word=FAILED; \
    report+=$$(printf '%-14s %6d s  %s' "$$stage" $$((SECONDS - begun)) "$$word")$$'\n'; \
    [ $$status -eq 0 ] || break; \
done; \
printf '\n%-14s %8s\n%s%-14s %6d s\n' stage seconds "$$report" together $$SECONDS; \
exit $$status
endef

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: ## start the server on http://localhost:8080 with nothing else installed
	cargo run

.PHONY: test
test: ## install what the tests need, then run all tests
	$(call stages,$(TEST_STAGES))

.PHONY: check
check: ## everything CI checks: format, lint, docs, schema, and all of `make test`
	$(call stages,$(CHECK_STAGES))

.PHONY: test-deps
test-deps: ## install PostgreSQL, Redis, Node.js and the npm clients where they are missing
	@scripts/test-deps.sh

.PHONY: test-build
test-build: ## build all tests
	cargo test --workspace --all-targets --locked --no-run

.PHONY: test-run
# Tests mostly wait, for databases and for each other: more of them at a time than cores.
test-run: export RUST_TEST_THREADS ?= $(shell echo $$(( 2 * $$(getconf _NPROCESSORS_ONLN) )))
test-run: ## run all tests (without looking whether what they need is installed)
	cargo test --workspace --all-targets --locked

# `make bench PARTS="work pages"` measures these alone and writes nothing; `BENCH_TASKS=10000000` adds a
# larger database to the pages.
.PHONY: bench
bench: ## measure everything beside other servers, and write docs/BENCHMARKS.md (half an hour)
	@scripts/bench-deps.sh
	cargo bench --locked --bench main -- $(PARTS)

# `make chaos MINUTES=30 SEED=7 ROW=R4 MODE=sqlite SOCKETS=5000`; all may be left out.
.PHONY: chaos
chaos: ## prove with real faults that nothing is lost (MINUTES, SEED, ROW, MODE, SOCKETS)
	cargo test --locked --test chaos -- $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) \
	    $(if $(ROW),--row $(ROW)) $(if $(MODE),--mode $(MODE)) $(if $(SOCKETS),--sockets $(SOCKETS))

.PHONY: fmt
fmt: ## format the Rust code
	cargo fmt --all

.PHONY: fmt-check
fmt-check: ## fail if the Rust code is not formatted
	cargo fmt --all --check

.PHONY: clippy
clippy: ## lint; a warning is an error
	cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: docs
docs: ## build the documentation of the code; a warning is an error
	RUSTDOCFLAGS="$${RUSTDOCFLAGS:-} -D warnings" cargo doc --workspace --locked --no-deps --document-private-items

.PHONY: schema
schema: ## write schema.graphql anew
	cargo run --quiet --locked -- schema > schema.graphql.new
	mv schema.graphql.new schema.graphql

# Takes the executable of the tests' build: another build would compile parts of it again.
.PHONY: schema-check
schema-check: test-build ## fail if schema.graphql is not what the code says
	@target=$$(cargo metadata --locked --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'); \
	if ! "$$target/debug/taskflow" schema | diff -u schema.graphql -; then \
	    echo 'schema.graphql differs from the code (lines with + are the code). If that is meant, run `make schema` and commit the file.' >&2; \
	    exit 1; \
	fi

.PHONY: graphiql
graphiql: ## build web/graphiql/dist anew (needs Node.js 20 or newer)
	cd web/graphiql && npm ci --ignore-scripts && npm run build

.PHONY: docker
docker: ## build the container image taskflow
	docker build --tag taskflow .

.PHONY: clean
clean: ## remove what cargo built
	cargo clean
