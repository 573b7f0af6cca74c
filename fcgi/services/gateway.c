/* SPDX-License-Identifier: MIT */
/*
 * The gateway's own program: nginx serves the requests, and this one tells what nginx has done. It turns the access log
 * into spans, which it sends to the collector, and metrics, adds nginx's own numbers, and knows whether the services
 * are ready.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "base/env.h"
#include "base/file_lock.h"
#include "gateway/log_metrics.h"
#include "gateway/nginx_status.h"
#include "gateway/readiness.h"
#include "gateway/span_shipper.h"
#include "tel/tel.h"

#define STOP_MS 1500

static char spans_checkpoint[4096], metrics_checkpoint[4096 + 16];

ENV_SETTING(stub_status_url, .name = "STUB_STATUS_URL", .kind = ENV_URL);
ENV_SETTING(ready_urls, .name = "READY_URLS", .kind = ENV_URLS);

static struct file_lock log_lock = {.fd = -1}, checkpoint_lock = {.fd = -1};

/* Two programs that follow one log, or keep one checkpoint, would send spans twice or not at all. Returns 0 or -EBUSY;
 * if no lock can be made, the program goes on without it. */
static int take(struct file_lock *lock, const char *variable, const char *path)
{
	pid_t holder;
	int error = file_lock_take(lock, path, &holder);

	if (error == -EBUSY) {
		fprintf(stderr, "%s: %s: process %d reads %s: stop it, or give this program another %s\n",
			program_invocation_short_name, variable, (int)holder, path, variable);
		tel_error("another program sends the spans of this log: stop it, or give this one another file",
			  tel_str("variable", variable), tel_str("file", path), tel_int("process", holder));
		return error;
	}
	if (error)
		tel_warn("the access log is not locked: another program may follow it, too", tel_str("file", path),
			 tel_str("reason", strerror(-error)));
	return 0;
}

static int follow_log(void)
{
	const char *access_log = env_string("ACCESS_LOG", "logs/api-gateway.log");

	snprintf(spans_checkpoint, sizeof(spans_checkpoint), "%s",
		 env_string("CHECKPOINT_FILE", "logs/api-gateway.checkpoint"));
	snprintf(metrics_checkpoint, sizeof(metrics_checkpoint), "%s.metrics", spans_checkpoint);
	int error = take(&log_lock, "ACCESS_LOG", access_log);
	error = error ? error : take(&checkpoint_lock, "CHECKPOINT_FILE", spans_checkpoint);
	if (error)
		return error;
	nginx_status_start(env_string("STUB_STATUS_URL", "http://127.0.0.1:8084/stub_status"));
	error = log_metrics_start(access_log, metrics_checkpoint);
	return error ? error : span_shipper_start(access_log, spans_checkpoint);
}

static int start(struct database *database)
{
	(void)database;
	readiness_start(env_string("READY_URLS", ""));
	return tel_enabled() ? follow_log() : 0;
}

static void stop(void)
{
	if (tel_enabled()) {
		span_shipper_stop(STOP_MS);
		log_metrics_stop();
		nginx_status_stop();
		file_lock_release(&checkpoint_lock);
		file_lock_release(&log_lock);
	}
	readiness_stop();
}

static const char settings[] =
	"  ACCESS_LOG [logs/api-gateway.log]    nginx's, followed through rotation\n"
	"  CHECKPOINT_FILE [logs/api-gateway.checkpoint]  how far its spans are sent; FILE.metrics is next to it\n"
	"  STUB_STATUS_URL [http://127.0.0.1:8084/stub_status]  nginx's own numbers\n"
	"  READY_URLS [none]            the services' /readyz, each as NAME=URL, separated by spaces\n";

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
