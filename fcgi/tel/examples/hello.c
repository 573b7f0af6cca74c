/* SPDX-License-Identifier: MIT */
/*
 * The whole library in twelve lines: a span, a metric and a log line.
 *
 * The span goes to the collector at http://localhost:4318 (OTEL_EXPORTER_OTLP_ENDPOINT names another), the log line to
 * stderr. Without a collector the program does its work all the same.
 */
#include "tel.h"

/* At file scope: the variable, OpenTelemetry's name, the unit, a sentence for the reader of a chart. */
TEL_COUNTER(resized, "images.resized", "{image}", "Images resized.");

static void resize(void)
{
	/* The span ends where this function does, on every way out of it. */
	TEL_SPAN(span, "resize image", TEL_INTERNAL);
	tel_span_set(span, tel_int("image.width", 640));
	tel_counter_add(&resized, 1);
	/* A line of JSON that carries the ids of the span. */
	tel_info("image resized", tel_int("image.width", 640));
}

int main(void)
{
	if (tel_init(&(struct tel_config){.service_name = "hello"}))
		return 1; /* no memory or no thread */
	resize();
	tel_shutdown(5000); /* sends what is queued, for five seconds at most */
}
