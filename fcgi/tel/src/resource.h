/* SPDX-License-Identifier: MIT */
/* The resource: the attributes of this process, which all spans and target_info have. Internal to tel/. */
#ifndef TEL_RESOURCE_H
#define TEL_RESOURCE_H

#include <stddef.h>

struct resource_attr {
	const char *key;
	const char *value; /* valid UTF-8 */
};

/* The instrumentation scope of every span. */
struct scope {
	const char *name, *version; /* the version may be "" */
};

struct tel_config;

/*
 * Reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES (OpenTelemetry specification, "Resource SDK"). The environment
 * wins over `config` and the other defaults. A malformed variable is ignored as a whole, with a warning in the log.
 * Call it once, before threads start; a second call starts over (for tests). Returns 0 or -ENOMEM.
 */
int resource_init(const struct tel_config *config);

/* Gives a forked child, which is another instance, an id of its own. */
void resource_in_child(void);

const struct scope *resource_scope(void);

/* Returns the attributes, of which service.name is the first. They are valid until the next resource_init. */
const struct resource_attr *resource_attrs(size_t *count);

/* Returns service.name, which is "unknown_service" before resource_init. */
const char *resource_service_name(void);

#endif
