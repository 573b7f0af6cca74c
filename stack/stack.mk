# The observability stack: included by the Makefile. Needs Docker with the compose plugin, but for load and doctor.

COMPOSE := docker compose -f stack/compose.yaml
# Beside a native system: the backends alone, on the host's network, under a project name of their own.
COMPOSE_NATIVE := PROMETHEUS_TARGETS=$(abspath $(or $(RUN_DIR),run))/prometheus-targets.yml \
	LOGS_VOLUME=$(abspath $(or $(LOG_DIR),logs)) ALERT_LOG_USER=$$(id -u):$$(id -g) \
	ALERTMANAGER_CONFIG=$(abspath $(or $(RUN_DIR),run))/alertmanager.yml COMPOSE_PROJECT_NAME=$(or $(COMPOSE_PROJECT_NAME),apm)-backends \
	docker compose -f stack/compose.yaml -f stack/compose.native.yaml
BACKENDS := prometheus tempo loki alertmanager alert-log $(if $(filter alloy,$(COMPOSE_PROFILES)),alloy,promtail) grafana node-exporter

.PHONY: stack-down stack-status stack-logs stack-rotate-logs stack-down-backends dashboards
stack-up: do-stack-up ## the services and the observability stack in containers
do-stack-up:
	$(DO){ stack/check-docker && $(COMPOSE) up -d --build --wait && \
		echo "Grafana: http://localhost:$(or $(GRAFANA_PORT),3000)  gateway: http://localhost:$(or $(GATEWAY_PORT),8080)"; \
	} $(OR_REFUSE)

stack-down: ## stop the containers; their data stays (docker compose -f stack/compose.yaml down -v removes it)
	$(COMPOSE) down --remove-orphans

stack-status: ## the containers and their health
	@$(COMPOSE) ps -a --format 'table {{.Service}}\t{{.Status}}\t{{.Ports}}'

stack-logs: ## what the containers write
	@$(COMPOSE) logs --tail 20 -f

stack-rotate-logs: ## start new log files in the containers; the last ones stay as *.log.1
	$(COMPOSE) exec -T api-gateway /app/container/rotate api-gateway.log nginx-error.log
	$(COMPOSE) exec -T gateway-shipper /app/container/rotate gateway-shipper.log
	@for name in user order notification; do \
		$(COMPOSE) exec -T $$name-service /app/container/rotate $$name-service.log || exit 1; done

stack-up-backends: do-stack-up-backends ## the backends in containers, for the services of make run, which comes after
do-stack-up-backends:
	$(DO)if stack/native/ctl status 2>/dev/null | grep -q '^traces  *up'; then \
		echo "The trace store has Tempo's ports: make stop, make stack-up-backends, make run." >&2; false; \
	else stack/check-docker; fi && \
	mkdir -p "$${RUN_DIR:-run}" "$${LOG_DIR:-logs}" && \
	stack/native-targets >"$${RUN_DIR:-run}/prometheus-targets.yml" && \
	sed "s/alert-log:9099/127.0.0.1:$${ALERT_LOG_PORT:-9099}/" stack/alertmanager/alertmanager.yml \
		>"$${RUN_DIR:-run}/alertmanager.yml" && \
	$(COMPOSE_NATIVE) up -d --wait $(BACKENDS) $(OR_REFUSE)

stack-down-backends: ## end them
	$(COMPOSE_NATIVE) down --remove-orphans

load: do-load ## steady mixed traffic: RATE=20 requests a second, SECONDS=0 (until Ctrl-C)
do-load:
	$(DO)stack/native/load $(OR_REFUSE)

doctor: do-doctor ## follow a request through the system and the stack, say what does not work and what to do
do-doctor:
	$(DO)stack/native/doctor $(OR_REFUSE)

dashboards: # write the dashboards' JSON anew
	stack/grafana/source/dashboards.py
