/* SPDX-License-Identifier: MIT */
/* Reading a variable of the environment. A value that cannot be used is logged once. Internal to the settings. */
#ifndef TEL_SETTINGS_READ_H
#define TEL_SETTINGS_READ_H

#include <stdbool.h>
#include <stdint.h>

struct settings;

/* Logs that a variable is not used as it is set. A `value` that may hold a secret is NULL, and not shown. */
void setting_ignored(const char *variable, const char *value, const char *reason, const char *used);

#define SETTING_NO_LIMIT ((long)UINT32_MAX) /* a fallback that is told as such */

/* Returns a whole number from `min` to `max`, or `fallback` if the variable is not set, or set to something else. */
long setting_number(const char *variable, long fallback, long min, long max);

/* Returns milliseconds, where 0 means no limit, as the specification says of time-outs. */
unsigned setting_timeout(const char *variable, unsigned fallback);

/*
 * A list of names, separated by commas, as bits: 1 << i for names[i]; `names` ends with NULL. names[0] is "none", which
 * stands alone: its bit is set only when no other is. Names that are not known are left out, and that is said; without
 * one that is known the list is `fallback`, which `fallback_text` writes out.
 */
unsigned setting_list(const char *variable, const char *const names[], unsigned fallback, const char *fallback_text);

/* ---- what is not supported (settings_known.c) ---- */

/* Says once of each variable OTEL_… that is set and has no effect, mistyped ones too, what is used instead. */
void settings_warn_of_others(void);

/* ---- the exporters (settings_exporter.c) ---- */

/* Reads OTEL_…_EXPORTER and OTEL_EXPORTER_OTLP_… into `signals`, `prometheus` and `failed`. */
void settings_read_exporters(struct settings *s);

/* Returns true if this is one of the variables that settings_read_exporters reads. */
bool settings_is_exporter_variable(const char *variable);

void settings_done_exporters(struct settings *s);

#endif
