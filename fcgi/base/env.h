/* Settings from the environment. Call before threads start. */
#ifndef APM_BASE_ENV_H
#define APM_BASE_ENV_H

#include <stdbool.h>

/* The value, or `fallback` when unset or empty (OpenTelemetry treats both alike). Owned by the environment. */
const char *env_string(const char *name, const char *fallback);

/* A decimal number within [min, max]; otherwise `fallback`, with one line on stderr that names the variable. */
long env_long(const char *name, long fallback, long min, long max);

/*
 * "true" in any case; all else is false, as the OpenTelemetry specification defines booleans, and what is neither
 * "false" nor empty costs one line on stderr.
 */
bool env_bool(const char *name);

#endif
