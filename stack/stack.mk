# SPDX-License-Identifier: MIT
# The observability stack: included by the Makefile. Needs Docker with the compose plugin, but for load and doctor.

COMPOSE := docker compose -f stack/compose.yaml
# Beside a native system: the backends alone, on the host's network, under a project name of their own.
COMPOSE_NATIVE := docker compose -p $(or $(COMPOSE_PROJECT_NAME),apm)-backends

.PHONY: stack-down stack-status stack-logs stack-down-backends dashboards
stack-up: do-stack-up ## the services and the observability stack in containers; what has changed is replaced
do-stack-up:
	$(DO)stack/native/containers up $(OR_REFUSE)

stack-down: ## stop the containers; their data stays (docker compose -f stack/compose.yaml down -v removes it)
	$(COMPOSE) --profile '*' down --remove-orphans

stack-status: ## the containers and their health
	@$(COMPOSE) ps -a --format 'table {{.Service}}\t{{.Status}}\t{{.Ports}}'

stack-logs: ## what the containers write
	@$(COMPOSE) logs --tail 20 -f

stack-up-backends: do-stack-up-backends ## the backends in containers, for the services of make run, which comes after
do-stack-up-backends:
	$(DO)stack/native/containers up-backends $(OR_REFUSE)

stack-down-backends: ## end them
	$(COMPOSE_NATIVE) --profile '*' down --remove-orphans

load: do-load ## steady mixed traffic: RATE=20 requests a second, SECONDS=0 (until Ctrl-C)
do-load:
	$(DO)stack/native/load $(OR_REFUSE)

doctor: do-doctor ## follow a request through the system and the stack, say what does not work and what to do
do-doctor:
	$(DO)stack/native/doctor $(OR_REFUSE)

dashboards: # write the dashboards' JSON again
	stack/grafana/source/dashboards.py
