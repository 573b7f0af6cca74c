/*
 * The gateway's own program: nginx serves the requests, this one tells what nginx has done. It turns the access log
 * into spans (sent to the collector) and metrics, adds nginx's numbers, and knows whether the services behind are
 * ready.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/env.h"
#include "gateway/log_metrics.h"
#include "gateway/nginx_status.h"
#include "gateway/readiness.h"
#include "gateway/shipper.h"
#include "http/app.h"
#include "telemetry/telemetry.h"

#define STOP_MS 1500

static char spans_checkpoint[4096], metrics_checkpoint[4096 + 16];

static int follow_log(void)
{
	const char *access_log = env_string("ACCESS_LOG", "logs/api-gateway.log");

	snprintf(spans_checkpoint, sizeof(spans_checkpoint), "%s",
		 env_string("CHECKPOINT_FILE", "logs/api-gateway.checkpoint"));
	snprintf(metrics_checkpoint, sizeof(metrics_checkpoint), "%s.metrics", spans_checkpoint);
	nginx_status_start(env_string("STUB_STATUS_URL", "http://127.0.0.1:8084/stub_status"), app_set_active);
	int error = log_metrics_start(access_log, metrics_checkpoint, app_observe);
	return error ? error : shipper_start(access_log, spans_checkpoint);
}

static int start(struct store *store)
{
	(void)store;
	readiness_start(env_string("READY_URLS", ""));
	return tel_enabled() ? follow_log() : 0;
}

static void stop(void)
{
	if (tel_enabled()) {
		shipper_stop(STOP_MS);
		log_metrics_stop();
		nginx_status_stop();
	}
	readiness_stop();
}

static const char settings[] =
	"  ACCESS_LOG [logs/api-gateway.log]    nginx's, followed through rotation\n"
	"  CHECKPOINT_FILE [logs/api-gateway.checkpoint]  how far its spans are sent; beside it FILE.metrics\n"
	"  STUB_STATUS_URL [http://127.0.0.1:8084/stub_status]  nginx's own numbers\n"
	"  READY_URLS [none]            the services' /readyz, separated by spaces\n";

int main(int argc, char **argv)
{
	static const struct route routes[] = {{0}};

	return app_main(&(struct app){.service_name = "api-gateway",
				      .log_name = "gateway-shipper",
				      .routes = routes,
				      .settings = settings,
				      .no_exporter = true,
				      .start = start,
				      .stop = stop,
				      .unready = readiness_missing},
			argc, argv);
}
