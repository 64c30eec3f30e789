# The two commands: `make run` and `make test`. Everything else is for whoever works on this.
SHELL := /bin/bash
.DEFAULT_GOAL := help
HOST ?= 127.0.0.1
PORT ?= 8000
PEOPLE ?= 3
PACE ?= 0
PY := .venv/bin/python
BY_FILE := -n 2 --dist loadfile --no-loadscope-reorder -p tests.long_first
export PYTHONUNBUFFERED := 1

.PHONY: help run demo worker test test-engine test-app test-postgres test-journeys test-all lint format bench messages map screenshots pictures clean

help:  ## say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: .venv/.run-ready  ## set everything up and start the product (HOST=0.0.0.0 for the local network, PORT=8000)
	@exec $(PY) manage.py up --host $(HOST) --port $(PORT)

demo: .venv/.run-ready  ## the product plus simulated annotators (PEOPLE=3, PACE=0 seconds per answer)
	@exec $(PY) manage.py demo --host $(HOST) --port $(PORT) --people $(PEOPLE) --pace $(PACE)

worker: .venv/.run-ready  ## one more worker for an installation that grew up
	@exec $(PY) manage.py worker

test: .venv/.dev-ready  ## set everything up and pass all tests
	@$(MAKE) --no-print-directory --keep-going test-engine test-app test-postgres test-journeys

test-engine: .venv/.dev-ready  ## the engine's tests, with Django blocked from being imported
	$(PY) -m pytest tests/engine $(BY_FILE) -q -p no:django -p tests.no_django

test-app: .venv/.dev-ready  ## the app's tests on SQLite, and the architecture's
	$(PY) -m pytest tests/app tests/architecture $(BY_FILE) -q

test-postgres: .venv/.dev-ready  ## services, selectors and tasks once more on PostgreSQL
	@bash tools/test_postgres.sh

test-journeys: .venv/.dev-ready  ## whole journeys in a real browser
	$(PY) -m pytest tests/journeys -n 2 -q

test-all: .venv/.dev-ready  ## every test, the slow ones too
	$(PY) -m pytest tests -q -m ""

lint: .venv/.dev-ready  ## ruff, mypy, import contracts
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy mcal_engine labelapp
	.venv/bin/lint-imports

format: .venv/.dev-ready  ## format the code
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

bench: .venv/.dev-ready  ## measure speed and memory (minutes; nothing is asserted)
	@for bench in tests/bench/bench_*.py; do echo "== $$bench"; PYTHONPATH=. $(PY) $$bench || exit 1; done
	@for bench in queue label_studio; do echo "== benchmarks/$$bench.py"; $(PY) -m benchmarks.$$bench || exit 1; done

messages: .venv/.dev-ready  ## collect the words to translate into locale/ and compile them (needs GNU gettext)
	$(PY) tools/messages.py

map: .venv/.dev-ready  ## write the map of modules into docs/architecture.md
	$(PY) tools/module_map.py

screenshots: .venv/.dev-ready  ## the pictures in docs/screenshots/: a real run, light, dark and phone (minutes)
	$(PY) tools/screenshots.py

pictures: .venv/.dev-ready  ## every page whole, light and dark, narrow and wide, in screenshots/, to look at
	$(PY) tools/screenshots.py --every

clean:  ## remove the virtual environment and caches (never var/, which holds the data)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/.run-ready: requirements.txt tools/venv.sh
	@bash tools/venv.sh requirements.txt && touch $@

.venv/.dev-ready: requirements.txt requirements-dev.txt tools/venv.sh
	@bash tools/venv.sh requirements-dev.txt && touch $@ .venv/.run-ready
