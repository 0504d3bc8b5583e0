# Every command of the project. `make help` lists them.

PREFIX ?= /usr/local
BUILD = cmake --build --preset
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 16

deps:  ## install what is missing: packages, the engine, the guest sysroot
	@tools/deps

build/%/build.ninja: | deps
	@mkdir -p build
	@cmake --preset $* -Wno-dev >build/$*.log 2>&1 || { cat build/$*.log; exit 1; }

build: build/release/build.ninja  ## build/release/canopy
	@$(BUILD) release --target canopy

run: build  ## build, start, deploy examples/hello, call it, stop: everything once
	@tools/run build/release/canopy

up: build  ## build and start a server that stays, at http://127.0.0.1:8080
	@build/release/canopy up

# The program holds its SDK; share/canopy has it for editors and other build tools.
install: build  ## PREFIX=/usr/local: bin/canopy, share/canopy, completions for shells
	@install -D -m 755 build/release/canopy $(DESTDIR)$(PREFIX)/bin/canopy
	@install -d $(DESTDIR)$(PREFIX)/share/canopy/sdk
	@cp -r sdk/c $(DESTDIR)$(PREFIX)/share/canopy/sdk/
	@install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	  $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	@build/release/canopy completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/canopy
	@build/release/canopy completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_canopy
	@build/release/canopy completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/canopy.fish
	@echo "installed $(DESTDIR)$(PREFIX)/bin/canopy"

cluster: build  ## start a server, two leaves and four workers, call through them, show them, stop them (STAY=1: at Ctrl-C)
	@tools/cluster $(if $(STAY),--stay) build/release/canopy

simulate: build/release/build.ninja  ## SEEDS=5000 from SEED=1: the whole tree on a fake clock and network
	@$(BUILD) release --target balance_test
	@CANOPY_SEED=$(or $(SEED),1) CANOPY_SEEDS=$(or $(SEEDS),5000) build/release/src/balance_test --gtest_filter='Tree*' --gtest_brief=1

dev: build/dev/build.ninja  ## build with all checks on
	@$(BUILD) dev

test: build/release/build.ninja  ## build and run every test that needs no cluster hardware
	@$(BUILD) release
	@tools/test build/release

asan: build/asan/build.ninja  ## the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(BUILD) asan
	@tools/test build/asan

tsan: build/tsan/build.ninja  ## the tests under ThreadSanitizer
	@$(BUILD) tsan
	@tools/test build/tsan

fuzz: build/fuzz/build.ninja  ## each fuzz target for SECONDS_EACH=60 seconds, from tests/corpus
	@$(BUILD) fuzz
	@tools/fuzz build/fuzz $(or $(SECONDS_EACH),60)

hostile: build  ## the long form of tests/hostile: a million reused slots, ten thousand connections
	@python3 tests/hostile/run.py --canopy=build/release/canopy --long

bench: build/release/build.ninja  ## the table of the README, measured on this machine (BENCH="--rounds=5")
	@tools/deps --bench
	@$(BUILD) release --target canopy cold_call auth_cost durable_calls js_call worker_call task_load frames grpc_stream place_call grpc_call relay
	@bench/run $(BENCH)

weak-scaling: build/release/build.ninja  ## tasks of FaaS Builders on 1 to 8 workers, as table and chart in bench/results
	@tools/deps --bench
	@$(BUILD) release --target canopy
	@bench/weak_scaling $(WEAK_SCALING)

check-deploy: build  ## every file of deploy/ by the strictest tool for it (DEPLOY=--start: and what Compose starts, as root)
	@tools/deps --deploy
	@tools/check_deploy $(or $(DEPLOY),--all) build/release/canopy

check-api: build  ## random requests after the API's own description, with and without keys (EXAMPLES=25 for each path, SEED=1)
	@tools/deps --api
	@tools/check_api --examples=$(or $(EXAMPLES),25) --seed=$(or $(SEED),1) build/release/canopy

check:  ## format, lint, layers, house rules, tests
	@tools/check

.PHONY: help deps build run up install cluster simulate dev test asan tsan fuzz hostile bench weak-scaling check-deploy check-api check
