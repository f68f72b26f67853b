# make help lists the targets.

ROOT := $(CURDIR)
BUILD ?= $(ROOT)/build
JOBS ?= $(shell nproc)
# Tests of t/ mostly wait.
TEST_JOBS ?= $(shell expr $(JOBS) + 1)
PREFIX_MODULES ?= /usr/lib/nginx/modules
SANITIZERS := -fsanitize=address,undefined

MODULE := $(BUILD)/ngx_http_upstream_502_module.so

export JOBS NGINX_SRC NGINX_ARGS CC_OPT LD_OPT V
export TEST_MODULE ?= $(MODULE)
# The nginx that goes with another source tree, where it is built there.
ifneq ($(NGINX_SRC),)
NGINX_BUILT := $(firstword $(wildcard $(NGINX_SRC)/objs/nginx $(NGINX_SRC)/objs/angie))
ifneq ($(NGINX_BUILT),)
export TEST_NGINX_BINARY ?= $(abspath $(NGINX_BUILT))
endif
endif

.DEFAULT_GOAL := module
.PHONY: help module demo picture test test-unit test-nginx test-asan test-unit-asan \
	test-long-way test-versions test-package bench bench-core coverage fuzz soak \
	install deb format lint clean deps-build deps-test deps-demo deps-deb deps-lint \
	deps-bench deps-fuzz

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | \
	  awk -F '\t' '{ printf "  make %-15s %s\n", $$1, $$2 }'
	@echo
	@echo "  NGINX_SRC=dir      build against another nginx source tree"
	@echo "  NGINX_ARGS='...'   with these configure arguments"
	@echo "  BUILD=dir          build there (default build)"
	@echo "  V=1                show the compiler's command lines"

module: deps-build  ## build the module (the default)
	@BUILD=$(BUILD) tools/build-module.sh
	@echo $(MODULE)

demo: deps-demo module  ## nginx with the module before broken backends
	@demo/run.pl $(MODULE)

picture: deps-demo module  ## docs/page.png anew, from the demo
	@tools/install-npm.sh
	@demo/picture.pl $(MODULE) docs/page.png

test: deps-test test-unit test-nginx  ## everything below that proves it works

test-unit: deps-test  ## unit tests of the core
	@tools/unit-tests.sh $(BUILD)/cmake

test-unit-asan: deps-test  ## unit tests under ASan and UBSan
	@tools/unit-tests.sh $(BUILD)/cmake-asan -DSANITIZE=ON

test-nginx: deps-test module  ## the module in a real nginx (T=t/some.t)
	@$(if $(T),,rm -rf $(BUILD)/sites)
	prove -I t/lib -j $(TEST_JOBS) -r $(or $(T),t)

test-asan: deps-test  ## the same with module and sanitizers in one (T=...)
	@BUILD=$(BUILD)/asan CC_OPT="-g -O1 -fno-omit-frame-pointer $(SANITIZERS)" \
	  LD_OPT="$(SANITIZERS)" tools/build-module.sh
	tools/with-asan.sh $(BUILD)/asan/$(notdir $(MODULE)) \
	  prove -I t/lib -j $(TEST_JOBS) -r $(or $(T),t)

test-long-way: deps-test  ## t/ with a module that takes no shortcut (T=...)
	@UPSTREAM_502_LONG_WAY=1 BUILD=$(BUILD)/long CC_OPT="-g -O0 -fPIC" \
	  tools/build-module.sh
	TEST_MODULE=$(BUILD)/long/$(notdir $(MODULE)) \
	  prove -I t/lib -j $(TEST_JOBS) $(or $(T),$(filter-out t/success.t,$(wildcard t/*.t)))

test-versions:  ## against other nginx: of Debian releases, source trees (VERSIONS=, T=)
	@tools/test-versions.sh

bench: deps-bench module  ## what the module costs, beside its budgets (minutes)
	bench/run $(MODULE)
	@BUILD=$(BUILD) bench/core.sh contention

bench-core: deps-bench  ## what the core takes, in time
	@BUILD=$(BUILD) bench/core.sh core_bench

fuzz: deps-fuzz  ## hostile bytes into the core (FUZZ=log_line, SECONDS=60 each, SEED=)
	@SECONDS_EACH=$(or $(SECONDS),60) SEED=$(SEED) tools/fuzz.sh $(BUILD)/fuzz $(FUZZ)

soak: deps-test module  ## all kinds of traffic and accidents at once (MINUTES=30)
	@perl -I t/lib t/soak.pl $(or $(MINUTES),30)

coverage: deps-test  ## line coverage of the core by its unit tests
	@tools/unit-tests.sh $(BUILD)/cmake-coverage -DCOVERAGE=ON
	@tools/coverage.sh $(BUILD)/cmake-coverage

install: module  ## into nginx's modules (DESTDIR=, PREFIX_MODULES=)
	install -d $(DESTDIR)$(PREFIX_MODULES)
	install -m 0644 $(MODULE) $(DESTDIR)$(PREFIX_MODULES)/

deb: deps-deb  ## a Debian package in build/, as Debian builds them
	@tools/build-deb.sh $(BUILD)

test-package:  ## installs, upgrades, removes it in Debian releases (VERSIONS=)
	@tools/test-package.sh

format: deps-lint  ## clang-format all C++ in place
	@tools/lint.sh --fix

lint: deps-lint module  ## format, house rules, clang-tidy
	@tools/lint.sh $(BUILD)

clean:  ## remove what was built
	rm -rf $(BUILD)

deps-build deps-test deps-demo deps-deb deps-lint deps-bench deps-fuzz:
	@tools/install-deps.sh $(@:deps-%=%)
