/* SPDX-License-Identifier: MIT */
/* "key=value,key=value" as OTEL_RESOURCE_ATTRIBUTES and OTEL_EXPORTER_OTLP_HEADERS have it. Internal to tel/. */
#ifndef TEL_PAIRS_H
#define TEL_PAIRS_H

#include <stdbool.h>
#include <stddef.h>

#define PAIRS_MAX 64

struct pair {
	const char *key, *value;
};

/*
 * Takes `text` apart, in place: the pairs point into it. Keys and values lose the white space around them and are
 * percent-decoded (OpenTelemetry specification, "Resource SDK", "Specifying resource information via an environment
 * variable"). Returns false if it is malformed or has more than PAIRS_MAX pairs.
 */
bool pairs_parse(char *text, struct pair pairs[PAIRS_MAX], size_t *count);

#endif
