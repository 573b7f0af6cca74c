/* SPDX-License-Identifier: MIT */
/* The names of the log's levels. Internal to tel/. */
#ifndef TEL_LOG_LEVEL_H
#define TEL_LOG_LEVEL_H

#include <stdbool.h>

/* By enum tel_level; NULL is after the last. */
extern const char *const log_level_names[5];

/*
 * Read a value of LOG_LEVEL, and of OTEL_LOG_LEVEL, which may also be "none"; letters of either case. Return false for
 * anything else, and leave *level alone.
 */
bool log_level_parse(const char *name, unsigned *level);
bool log_level_parse_complaints(const char *name, unsigned *level);

#endif
