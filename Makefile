# Each target does all the set-up it needs; nothing is installed, downloaded or trained twice
# unless its inputs changed.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PYTHON := $(VENV)/bin/python
UV_VERSION := 0.13.9
# The uv of the machine, or else our own under .cache/uv.
UV := $(or $(shell command -v uv 2>/dev/null),.cache/uv/bin/uv)
STAMP := $(VENV)/.installed
# The Prometheus of the machine, or else Debian's package under .cache: installed, it would start a service.
PROMETHEUS := $(or $(shell command -v prometheus 2>/dev/null),.cache/prometheus/usr/bin/prometheus)
OBSERVE := tests/integration/observe
BROWSER := tests/browser
UPGRADE := tests/integration/upgrade
# The commit of docs/upgrading.md.
EARLIER_VERSION := 0.2.0
EARLIER_COMMIT := ceb11117ce1cc960ad605d27a982cfd0d871865c
EARLIER := .cache/earlier/$(EARLIER_VERSION)
DOCKER := tests/docker
COMPOSE_VERSION := 2.40.3
# Without an engine of Docker: podman and what its containers and its stand-in for base images need.
PODMAN_PACKAGES := podman runc debootstrap golang-github-containernetworking-plugin-dnsname dnsmasq-base
# Tests that need more than Java: each has a target of its own.
APART := $(OBSERVE) $(BROWSER) $(UPGRADE) $(DOCKER)
AXE_VERSION := 4.14.1
AXE_SHA256 := e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745

BENCHMARKS := scoring.engines scoring.ceiling kafka.host_path kafka.end_to_end kafka.delivery operation.metrics_cost \
	operation.traces_cost kafka.latency kafka.planned kafka.scaling training.reading operation.http_clients

.PHONY: help setup demo test test-upgrade upgrade-setup test-browser browser-setup test-docker docker-setup test-observe observe-setup unit coverage hostile lint types chaos mutants bench bench-setup kafka reference clean

help: ## Lists the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.cache/uv/bin/uv:
	@echo "Installing uv $(UV_VERSION) into .cache/uv"
	@python3 -m venv .cache/uv
	@.cache/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(STAMP): pyproject.toml constraints.txt | $(filter .cache/uv/bin/uv,$(UV))
	@test -x $(PYTHON) || $(UV) venv --quiet --no-python-downloads --python '>=3.11' $(VENV)
	@echo "Installing the pinned environment into $(VENV)"
	@$(UV) pip install --quiet --python $(PYTHON) --constraints constraints.txt --editable '.[dev]'
	@touch $@

setup: $(STAMP) ## Makes .venv with the pinned versions of constraints.txt and this project in it.

demo: setup ## Trains once, starts an embedded broker, streams real tweets through the consumer, shows the page and the results; ONCE=1: no page, and it ends.
	@$(PYTHON) -m demo $(if $(ONCE),--once) $(ARGS)

test: setup ## Runs every test; the Kafka ones on a real Apache Kafka, which it starts itself.
	@$(PYTHON) -m pytest --numprocesses 2 --dist loadfile $(addprefix --ignore=,$(APART)) $(ARGS)

test-observe: setup observe-setup ## Checks the alerts with promtool, and all queries on a Prometheus that scrapes a real run.
	@PATH="$(abspath $(dir $(PROMETHEUS))):$$PATH" $(PYTHON) -m pytest $(OBSERVE) $(ARGS)

observe-setup: $(PROMETHEUS)

.cache/prometheus/usr/bin/prometheus:
	@command -v apt-get >/dev/null || { echo "error: no Prometheus and no apt-get: put prometheus and promtool on the PATH" >&2; exit 1; }
	@echo "Fetching Debian's prometheus into .cache/prometheus"
	@mkdir -p .cache/prometheus
	@cd .cache/prometheus && { apt-get -qq download prometheus 2>/dev/null || { apt-get -qq update && apt-get -qq download prometheus; }; }
	@cd .cache/prometheus && dpkg-deb --extract prometheus_*.deb . && rm prometheus_*.deb

test-upgrade: setup upgrade-setup ## Upgrades and downgrades a group under load, with version 0.2.0 from the history.
	@$(PYTHON) -m pytest $(UPGRADE) $(ARGS)

upgrade-setup: $(EARLIER)/.installed

$(EARLIER)/.installed: | $(filter .cache/uv/bin/uv,$(UV))
	@if git cat-file -e $(EARLIER_COMMIT) 2>/dev/null; then \
		echo "Installing version $(EARLIER_VERSION) into $(EARLIER)" && \
		rm -rf $(EARLIER) && mkdir -p $(EARLIER) && git archive $(EARLIER_COMMIT) | tar -x -C $(EARLIER) && \
		$(UV) venv --quiet --no-python-downloads --python '>=3.11' $(EARLIER)/.venv && \
		$(UV) pip install --quiet --python $(EARLIER)/.venv/bin/python --constraints $(EARLIER)/constraints.txt '$(EARLIER)[cpu,trainer]' && \
		touch $@; \
	else \
		echo "version $(EARLIER_VERSION) is not in the history of this clone: git fetch --unshallow"; \
	fi

test-browser: setup browser-setup ## Tests the dashboard's page in Debian's Chromium on a real Apache Kafka, with axe-core.
	@$(PYTHON) -m pytest $(BROWSER) $(ARGS)

browser-setup: .cache/axe/$(AXE_VERSION)
	@command -v chromium >/dev/null || { \
		command -v apt-get >/dev/null || { echo "error: no chromium and no apt-get: put chromium on the PATH" >&2; exit 1; }; \
		echo "Installing Debian's chromium"; \
		apt-get -qq install --yes chromium >/dev/null 2>&1 || { apt-get -qq update && apt-get -qq install --yes chromium >/dev/null; }; }

.cache/axe/$(AXE_VERSION):
	@command -v npm >/dev/null || { echo "error: npm is needed, to fetch axe-core $(AXE_VERSION)" >&2; exit 1; }
	@echo "Fetching axe-core $(AXE_VERSION) into .cache/axe"
	@mkdir -p .cache/axe
	@cd .cache/axe && npm pack --silent axe-core@$(AXE_VERSION) >/dev/null
	@cd .cache/axe && echo "$(AXE_SHA256)  axe-core-$(AXE_VERSION).tgz" | sha256sum --check --quiet
	@cd .cache/axe && rm -rf package && tar -xzf axe-core-$(AXE_VERSION).tgz && touch $(AXE_VERSION)

test-docker: setup docker-setup ## Builds the images and runs the stack of docker-compose.yml, on Docker or else podman; REQUIRE_DOCKER=1: no skip.
	@$(PYTHON) -m pytest $(DOCKER) $(ARGS)

# What is missing makes the tests skip, with the reason, so a failure here is only said.
docker-setup:
	@docker info >/dev/null 2>&1 || command -v podman >/dev/null && command -v debootstrap >/dev/null || { \
		command -v apt-get >/dev/null && echo "Installing podman, since no Docker answers" && \
		{ apt-get -qq install --yes --no-install-recommends $(PODMAN_PACKAGES) >/dev/null 2>&1 || { \
			apt-get -qq update && \
			apt-get -qq install --yes --no-install-recommends $(PODMAN_PACKAGES) >/dev/null; }; }; } \
		|| echo "no Docker answers, and podman cannot be installed here"
	@docker compose version >/dev/null 2>&1 || test -x .cache/compose/docker-compose || $(MAKE) .cache/compose/docker-compose \
		|| echo "no Docker Compose, and none can be built here: Go is needed"

# Compose is a program of the module, not a package that `go install` takes: its go.mod has replacements.
.cache/compose/docker-compose:
	@command -v go >/dev/null || { echo "error: no Docker Compose and no go: put one on the PATH" >&2; exit 1; }
	@echo "Building Docker Compose $(COMPOSE_VERSION) into .cache/compose"
	@mkdir -p .cache/compose
	@cd .cache/compose && printf 'module compose\n\ngo 1.24\n' >go.mod
	@cd .cache/compose && printf 'package compose\n\nimport _ "github.com/docker/compose/v2/cmd"\n' >compose.go
	@cd .cache/compose && go get github.com/docker/compose/v2/cmd@v$(COMPOSE_VERSION) 2>go-get.log || { tail -5 go-get.log >&2; exit 1; }
	@cd .cache/compose && go build -ldflags "-s -w -X github.com/docker/compose/v2/internal.Version=v$(COMPOSE_VERSION)" \
		-o docker-compose github.com/docker/compose/v2/cmd

coverage: setup ## Runs every test and shows the lines and branches that none reaches.
	@$(MAKE) test ARGS="--cov --cov-report=term $(ARGS)"

unit: setup ## Runs the unit tests that need neither a broker nor a trained model, in less than a minute.
	@$(PYTHON) -m pytest tests/unit --numprocesses 2 --dist loadfile -m 'not kafka and not slow' $(ARGS)

hostile: setup ## Tries 100,000 hostile records, texts and settings, and 10,000 requests; writes docs/reliability/hostile*.json.
	@$(PYTHON) -m tests.chaos.hostile --output docs/reliability/hostile.json $(ARGS)
	@$(PYTHON) -m tests.chaos.hostile.requests --output docs/reliability/hostile-http.json

lint: setup ## Checks formatting, style, types and the import rule.
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

chaos: setup ## Runs the full chaos campaign, parts that were done left out, and 100,000 hostile inputs (over an hour).
	@$(PYTHON) -m tests.chaos campaign $(ARGS)
	@$(MAKE) hostile

mutants: setup ## Shows that each known bug is caught by the chaos suite.
	@$(PYTHON) -m tests.chaos mutants $(ARGS)

bench: bench-setup ## Runs all benchmarks (hours; ARGS=--quick tries them), then writes their tables and charts.
	@for name in $(BENCHMARKS); do echo "== $$name"; $(PYTHON) -m benchmarks.$$name $(ARGS); done
	@$(PYTHON) -m benchmarks.tables
	@$(PYTHON) -m benchmarks.charts

bench-setup: setup $(VENV)/.bench

$(VENV)/.bench: $(STAMP)
	@echo "Installing what the benchmarks compare with into $(VENV)"
	@$(UV) pip install --quiet --python $(PYTHON) --constraints constraints.txt --editable '.[dev,bench]'
	@touch $@

kafka: setup ## Starts a local Apache Kafka in the foreground (Java 17 and Maven); Ctrl-C stops it.
	@$(PYTHON) -m sentiment_testing $(ARGS)

reference: setup ## Writes docs/schemas/, docs/settings.md and the table of docs/metrics.md anew from the code.
	@$(PYTHON) -m shared.messages docs/schemas
	@$(PYTHON) -m consumer.http.documentation docs/schemas/openapi.json
	@$(PYTHON) -m shared.settings_reference docs/settings.md \
		consumer.settings:ConsumerSettings dashboard.settings:DashboardEnvironment \
		trainer.settings:TrainerEnvironment
	@$(PYTHON) -m consumer.monitoring.reference docs/metrics.md

clean: ## Removes what the targets above made here.
	@umount .cache/docker/storage/overlay 2>/dev/null || true  # podman's, a mount of its own
	rm -rf $(VENV) .cache .demo
