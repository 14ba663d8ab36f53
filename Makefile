# Every command that a person or CI runs. `make help` lists them.

CARGO ?= cargo
# Where the tests collect what they had to skip; absolute, since each crate's tests run in its own folder.
SKIPPED := $(CURDIR)/target/skipped-tests

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

.PHONY: setup
setup: ## install what building and testing need, where that is allowed
	@tests/setup.sh

.PHONY: build
build: ## build the release binary
	$(CARGO) build --release --locked

# The static binary, for containers without a C library. Paths of this machine stay out of it, so that the same sources
# and tools give the same bytes anywhere. It takes glibc's static library (libc6-dev). Linked at a fixed address, as
# crates/cli/build.rs does it for the others, it has nothing to relocate when it starts.
DIST_TARGET := x86_64-unknown-linux-gnu
DIST := target/dist
DIST_NAME = epitaph-$(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)-x86_64-linux
CARGO_FOLDER := $(or $(CARGO_HOME),$(HOME)/.cargo)

.PHONY: dist
dist: ## build the static binary, and its sha256, in target/dist
	RUSTFLAGS="-C target-feature=+crt-static -C relocation-model=static -C link-arg=-Wl,--build-id=sha1 \
		--remap-path-prefix=$(CURDIR)=/epitaph --remap-path-prefix=$(CARGO_FOLDER)=/cargo" \
	CFLAGS="-ffile-prefix-map=$(CURDIR)=/epitaph -ffile-prefix-map=$(CARGO_FOLDER)=/cargo" \
	EPITAPH_DIST=1 $(CARGO) build --profile dist --target $(DIST_TARGET) --locked --bin epitaph
	mkdir -p $(DIST)
	install -m 0755 target/$(DIST_TARGET)/dist/epitaph $(DIST)/$(DIST_NAME)
	cd $(DIST) && sha256sum $(DIST_NAME) >$(DIST_NAME).sha256 && cat $(DIST_NAME).sha256

.PHONY: demo
demo: setup build ## a job crashes, and its log tells the story
	tests/demo.sh

.PHONY: test
test: setup ## run every test but the long sweeps
	@mkdir -p "$(CURDIR)/target" && rm -f "$(SKIPPED)"
	@status=0; set -x; EPITAPH_SKIPPED="$(SKIPPED)" $(CARGO) test --workspace --locked || status=$$?; set +x; \
	if [ -s "$(SKIPPED)" ]; then echo; echo "These could not run here:"; sort -u "$(SKIPPED)"; fi; \
	exit $$status

# What CI systems' configurations are checked by: their schemas come with it.
SCHEMAS := target/check-jsonschema/bin/check-jsonschema

$(SCHEMAS):
	EPITAPH_TEST_ALL=1 tests/setup.sh
	python3 -m venv target/check-jsonschema && target/check-jsonschema/bin/pip -q install check-jsonschema==0.39.0 || \
		echo "check-jsonschema could not be installed: what epitaph init prints is not checked"

# What pages are checked by for people who don't see them.
AXE := target/axe/node_modules/axe-core/axe.min.js

$(AXE):
	mkdir -p target/axe && npm install --silent --no-save --prefix target/axe axe-core@4.14.1 || \
		echo "axe-core could not be installed: whether pages are accessible is not checked"

# Object stores of others, and the tools that epitaph is compared with, of PyPI and npm.
PEERS := target/peers

$(PEERS)/bin/pip:
	EPITAPH_TEST_ALL=1 tests/setup.sh
	python3 -m venv $(PEERS)

$(PEERS)/bin/moto_server: $(PEERS)/bin/pip
	$(PEERS)/bin/pip -q install 'moto[server]==5.2.1' awscli==1.45.11 || \
		echo "moto and awscli could not be installed: an object store is not tried"

$(PEERS)/bin/duckdb: $(PEERS)/bin/pip
	$(PEERS)/bin/pip -q install duckdb-cli==1.4.4.post2 duckdb-ext-httpfs==1.4.4.20260205 && chmod a+x $@ || \
		echo "DuckDB could not be installed: the queries of the fleet are not tried"

$(PEERS)/node_modules/.bin/azurite-blob: $(PEERS)/bin/pip
	npm install --silent --prefix $(PEERS) azurite@3.35.0 || \
		echo "Azurite could not be installed: an object store is not tried"

$(PEERS)/bin/gitlab: $(PEERS)/bin/pip
	$(PEERS)/bin/pip -q install python-gitlab==8.6.0 || \
		echo "python-gitlab could not be installed: the stand-in for GitLab is not checked"

$(PEERS)/node_modules/@actions/artifact: $(PEERS)/bin/pip
	npm install --silent --prefix $(PEERS) @actions/artifact@6.2.1 @octokit/openapi@23.0.2 ajv@8.20.0 ajv-formats@3.0.1 || \
		echo "GitHub's client and the description of its API could not be installed: the stand-in for GitHub is not checked"

# What people read our formats with: JUnit, SARIF, Markdown, HTML.
READERS := target/readers

$(READERS)/bin/junit2html:
	EPITAPH_TEST_ALL=1 tests/setup.sh
	python3 -m venv $(READERS) && $(READERS)/bin/pip -q install junitparser==5.0.3 junit2html==31.1.4 sarif-tools==3.0.5 \
		cmarkgfm==2025.10.22 jsonschema==4.26.0 || \
		echo "junitparser and its like could not be installed: whether our formats can be read is not tried"

$(READERS)/node_modules/.bin/html-validate: $(READERS)/bin/junit2html
	npm install --silent --no-save --prefix $(READERS) html-validate@10.17.0 @microsoft/sarif-multitool-linux@5.7.0 || \
		echo "html-validate and the validator of SARIF could not be installed: pages and SARIF are not validated"

.PHONY: peers
peers: $(PEERS)/bin/moto_server $(PEERS)/bin/duckdb $(PEERS)/node_modules/.bin/azurite-blob $(PEERS)/bin/gitlab \
	$(PEERS)/node_modules/@actions/artifact $(READERS)/node_modules/.bin/html-validate ## install what `make test-all` compares with

.PHONY: test-all
test-all: dist $(SCHEMAS) $(AXE) peers ## run the long sweeps too, and the static binary
	EPITAPH_TEST_ALL=1 $(MAKE) test

.PHONY: fixtures
fixtures: ## make the cores of testdata/cores anew
	EPITAPH_TEST_ALL=1 tests/setup.sh
	$(CARGO) run --locked -q -p epitaph-testkit --example fixtures -- testdata/cores

# The first of the generated programs that are compared with gdb, and how many.
SEED ?= 1
COUNT ?= 40

.PHONY: sweep
sweep: setup ## let COUNT generated programs crash, from SEED on, and compare with gdb
	EPITAPH_SWEEP_SEED=$(SEED) EPITAPH_SWEEP_COUNT=$(COUNT) $(CARGO) test --locked --test e2e sweep:: -- --nocapture

.PHONY: causes
causes: COUNT = 64
causes: ## ask why our programs with known causes died, and COUNT generated ones from SEED on; print tables of the answers
	@EPITAPH_TEST_ALL=1 tests/setup.sh
	EPITAPH_TEST_ALL=1 EPITAPH_CAUSES_SEED=$(SEED) EPITAPH_CAUSES_COUNT=$(COUNT) \
		$(CARGO) test --locked --test e2e causes:: -- --nocapture --test-threads 1

# What is compared: ONLY=case (or several), ROUNDS=n, QUICK=1 without what takes minutes or gigabytes,
# LIMIT=seconds that a tool may take, GROWTH=1 for how the
# cost grows instead, OVERHEAD=1 for what `epitaph run` costs a command (sets the core pattern for a while, as root; ROUNDS=200
# for the short one: ONLY=true), JSON=file.
ROUNDS ?= 5

.PHONY: bench
bench: build ## compare with gdb, eu-stack, lldb: time and memory (GROWTH=1: how they grow, OVERHEAD=1: what `run` costs)
	@EPITAPH_TEST_ALL=1 tests/setup.sh
	$(CARGO) run --release --locked -q -p epitaph-bench -- $(if $(OVERHEAD),overhead,$(if $(GROWTH),growth,compare)) --rounds $(ROUNDS) \
		$(addprefix --only ,$(ONLY)) $(if $(QUICK),--quick) $(if $(LIMIT),--limit $(LIMIT)) $(if $(JSON),--json $(JSON))

# On which server: radosgw or moto.
SERVER ?= radosgw

.PHONY: bench-transfers
bench-transfers: build peers ## compare push and pull with `aws s3 cp`: time and memory
	crates/bench/transfers.sh target/release/epitaph $(PEERS)/bin/aws $(ROUNDS) \
		$(CARGO) run --locked -q -p epitaph-testkit --example bucket -- $(SERVER)

.PHONY: lint
lint: ## check format, lints and documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --workspace --no-deps --locked
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --locked check licenses bans sources; \
	else echo "cargo-deny is not installed: licences and sources of crates are not checked"; fi

# Which fuzz target, and for how many seconds.
TARGET ?= core_file
FUZZ_SECONDS ?= 300

.PHONY: fuzz
fuzz: ## fuzz TARGET=core_file|object|unwind|symbolize|summary_json|wrapped
	$(CARGO) +nightly fuzz run --fuzz-dir tests/fuzz $(TARGET) -- -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048

.PHONY: fmt
fmt: ## format the sources
	$(CARGO) fmt --all

.PHONY: doc
doc: ## build the documentation
	$(CARGO) doc --workspace --no-deps --locked

.PHONY: clean
clean: ## remove what was built
	$(CARGO) clean
	rm -rf epitaph-demo
