/* SPDX-License-Identifier: MIT */
/*
 * Settings from the environment. Call before threads start. Numbers are read without regard to the locale: digits, and
 * a minus before them.
 */
#ifndef APM_BASE_ENV_H
#define APM_BASE_ENV_H

#include <stdbool.h>

#include "base/buf.h"

/*
 * Returns the value, which the environment owns, or `fallback` when it is unset or empty: OpenTelemetry treats both
 * alike.
 */
const char *env_string(const char *name, const char *fallback);

/* Returns true for "true" in any case and false for all else, as OpenTelemetry defines booleans. */
bool env_bool(const char *name);

/* Reads a whole decimal number within [min, max]. Returns false for any other text and leaves *out alone. */
bool env_parse_number(const char *text, long min, long max, long *out);

/* Returns true for an absolute http or https URL of visible ASCII, with a host and perhaps a port from 1 to 65535. */
bool env_is_url(const char *text);

/* Returns the URL of "NAME=URL", whose name has no capitals; the text itself when it has no such name. */
const char *env_url_of(const char *text);

#define ENV_URL_MAX 255 /* bytes; of a URL that is a setting of apm */

/* ---- settings of apm: its programs refuse to start with a value that they do not understand ---- */

enum env_kind {
	ENV_NUMBER,
	ENV_CHOICE, /* one of `choices`, in any case */
	ENV_URL,
	ENV_URLS /* each NAME=URL or a URL alone, separated by spaces */
};

struct env_setting {
	const char *name;
	enum env_kind kind;
	const char *unit; /* of a number: "milliseconds" */
	long fallback, min, max;
	const char *const *choices; /* ends with NULL */
	struct env_setting *next;   /* private */
};

/*
 * ENV_SETTING(time_out, .name = "CALL_TIMEOUT_MS", .unit = "milliseconds", .fallback = 2000, .min = 1, .max = 60000);
 * declares a setting at file scope, which registers itself in every program that its file is part of.
 */
#define ENV_SETTING(var, ...)                                                                                          \
	static struct env_setting var = {__VA_ARGS__};                                                                 \
	__attribute__((constructor)) static void var##_register(void)                                                  \
	{                                                                                                              \
		env_register(&var);                                                                                    \
	}                                                                                                              \
	struct env_semicolon_

/* Adds a setting to those that env_check looks at. It must outlive the program. Called before main. */
void env_register(struct env_setting *setting);

/* Returns false when a registered setting has a bad value, and appends the problems, separated by "; ". */
bool env_check(struct buf *problems);

/* Returns the value of a number, `fallback` when it is unset or bad (env_check tells that). */
long env_number(const struct env_setting *setting);

/* Returns the index of a choice, `fallback` when it is unset or bad. */
unsigned env_choice(const struct env_setting *setting);

#endif
