# A thin layer for people over CMake presets (CMakePresets.json) and tools/. `make` alone lists the targets.
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
export CTEST_PARALLEL_LEVEL ?= $(JOBS)

BUILD = cmake --build --preset $(1) -j $(JOBS)
CONFIGURE = cmake --preset $(1) $(if $(VERBOSE),,--log-level=WARNING)

.DEFAULT_GOAL := help
.PHONY: help demo demo-real builtin-model check check-all build dev asan fuzz install format format-check lint tidy bench clean
MAKEFLAGS += --no-print-directory

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## the whole study on the built-in model, offline, in minutes: build/demo/report/report.html
	@tools/install-deps.sh build report
	@$(call CONFIGURE,release)
	@$(call BUILD,release) --target slick
	@build/release/slick demo -o build/demo

demo-real: ## label 200 real facts with SmolLM2-135M (about 100 MB download, a few minutes)
	@tools/install-deps.sh build model
	@$(call CONFIGURE,release)
	@$(call BUILD,release) --target slick
	@tools/demo-real.sh build/release/slick

builtin-model: ## make data/builtin/ anew from its plan (a quarter of an hour)
	@tools/install-deps.sh build
	@$(call CONFIGURE,release)
	@$(call BUILD,release) --target slick
	OMP_WAIT_POLICY=passive build/release/slick pretrain data/builtin/plan.yaml -o data/builtin/builtin.gguf --threads 2 --force
	mv data/builtin/builtin.facts.tsv data/builtin/facts.tsv

check: ## build without warnings, format, lints, clang-tidy, all fast tests, also under sanitizers
	@tools/install-deps.sh build check
	@tools/format.sh --check
	@$(MAKE) build
	@tools/tidy.sh build/release
	@$(MAKE) asan
	ctest --preset asan -LE slow
	ctest --preset release -LE slow

check-all: ## check, then the slow tests with real models (downloads them)
	@$(MAKE) check
	@tools/install-deps.sh model report browser
	CTEST_PARALLEL_LEVEL=1 ctest --preset release -L slow

build: ## the release build: build/release/slick
	@tools/install-deps.sh build
	@$(call CONFIGURE,release)
	@$(call BUILD,release)

dev: ## unoptimised, with debug information: build/dev/slick
	@tools/install-deps.sh build
	@$(call CONFIGURE,dev)
	@$(call BUILD,dev)

asan: ## with address and undefined-behaviour sanitizers: build/asan/slick
	@tools/install-deps.sh build
	@$(call CONFIGURE,asan)
	@$(call BUILD,asan)

FUZZ_SECONDS ?= 60
fuzz: ## fuzz every parser for FUZZ_SECONDS (60) each, with libFuzzer
	@tools/install-deps.sh build fuzz
	@$(call CONFIGURE,fuzz)
	@$(call BUILD,fuzz)
	@tools/fuzz.sh build/fuzz $(FUZZ_SECONDS)

install: ## program, man page, completion and data under PREFIX (/usr/local); DESTDIR is honoured
	@tools/install-deps.sh build
	@cmake --preset release --log-level=WARNING -DCMAKE_INSTALL_PREFIX='$(abspath $(PREFIX))'
	@$(call BUILD,release) --target slick
	@cmake --install build/release

format: ## format all C files (clang-format 14)
	@tools/format.sh

format-check: ## say which C files are not formatted
	@tools/format.sh --check

lint: build ## layering, comments, symbols, scripts, man page
	ctest --preset release -L lint

tidy: ## clang-tidy over src/ and cli/
	@$(MAKE) build
	@tools/tidy.sh build/release

bench: build ## rates of the parts: GEMM, forward pass, labelling
	@build/release/slick bench

clean: ## remove build/
	rm -rf build
