/* SPDX-License-Identifier: MIT */
/* One OTLP/HTTP request at a time to the collector, by libcurl or by what the program brings. Internal to tel/. */
#ifndef TEL_OTLP_HTTP_H
#define TEL_OTLP_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "tel/src/otlp.h"
#include "tel/src/self_metrics.h"

struct exporter_settings;

enum otlp_outcome {
	OTLP_ACCEPTED,    /* 2xx; some spans may be rejected */
	OTLP_REFUSED,     /* any other status: must not be sent again */
	OTLP_BUSY,        /* 429, 502, 503, 504: send again later */
	OTLP_UNREACHABLE, /* no connection, or it broke before an answer: send again later */
	OTLP_UNKNOWN      /* sent, but no answer in time, or none that is HTTP: it may have arrived */
};

struct otlp_result {
	enum otlp_outcome outcome;
	enum export_error error;
	long status;               /* of HTTP; 0 if there was none */
	unsigned retry_after_ms;   /* the collector's Retry-After, 5 minutes at most; 0 without one */
	struct otlp_answer answer; /* `message` says what failed */
};

struct otlp_http;

/* `settings` must outlive it. Call it after transport_begin. Returns NULL if memory or descriptors are short. */
struct otlp_http *otlp_http_new(const struct exporter_settings *settings);
void otlp_http_free(struct otlp_http *http);

/* Sends a body, compressed if the settings say so, and waits for the answer, up to the time-out. For one thread. */
void otlp_http_post(struct otlp_http *http, const void *body, size_t bytes, struct otlp_result *result);

/* Ends requests, those under way and later ones, within `grace_ms` from now. Any thread may call. */
void otlp_http_stop(struct otlp_http *http, unsigned grace_ms);

#endif
