# Every command of the project. `make help` lists them.

PREFIX ?= /usr/local
BUILD = cmake --build --preset
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 16

deps:  ## install what is missing: packages, the engine, the guest sysroot
	@tools/deps

build/%/build.ninja: | deps
	@cmake --preset $* -Wno-dev >build/$*.log 2>&1 || { mkdir -p build; cmake --preset $*; }

build: build/release/build.ninja  ## build/release/canopy
	@$(BUILD) release --target canopy

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

check:  ## format, lint, layers, house rules, tests
	@tools/check

.PHONY: help deps build dev test asan tsan check
