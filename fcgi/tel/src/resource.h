/* SPDX-License-Identifier: MIT */
/* The resource: what this process is, as every span and target_info say it. Internal to tel/. */
#ifndef TEL_RESOURCE_H
#define TEL_RESOURCE_H

#include <stddef.h>

struct resource_attr {
	const char *key;
	const char *value; /* valid UTF-8 */
};

/* The instrumentation scope of every span. */
struct scope {
	const char *name, *version; /* "": no version */
};

struct tel_config;

/*
 * Reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES (OpenTelemetry specification, "Resource SDK"); what the
 * environment says wins over `config` and the other defaults. Once, before threads; a second call starts anew (for
 * tests). A malformed variable is ignored as a whole, with a warning in the log. Returns 0 or -ENOMEM.
 */
int resource_init(const struct tel_config *config);

/* In a forked child, which is another instance. */
void resource_in_child(void);

const struct scope *resource_scope(void);

/* The attributes; service.name is the first. Valid until the next resource_init. */
const struct resource_attr *resource_attrs(size_t *count);

/* service.name; "unknown_service" before resource_init. */
const char *resource_service_name(void);

#endif
