/* SPDX-License-Identifier: MIT */
/* The resource: what this process is, as every span and target_info say it. Internal to tel/. */
#ifndef TEL_RESOURCE_H
#define TEL_RESOURCE_H

#include <stddef.h>

struct resource_attr {
	const char *key;
	const char *value; /* valid UTF-8 */
};

/*
 * Reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES (OpenTelemetry specification, "Resource SDK"); what the
 * environment says wins over `service_name` and the other defaults. Once, before threads; a second call starts anew
 * (for tests). A malformed variable is ignored as a whole, with a warning in the log.
 */
void resource_init(const char *service_name);

/* The attributes; service.name is the first. Valid until the next resource_init. */
const struct resource_attr *resource_attrs(size_t *count);

/* service.name; "unknown_service" before resource_init. */
const char *resource_service_name(void);

#endif
