/* SPDX-License-Identifier: MIT */
/*
 * The library's own messages: about settings that cannot be used, calls that make no sense, a collector that does not
 * answer. They go to the host's tel_config.complain, else into the log as lines. They never go to the log exporter,
 * whose complaints would then cause more log records. The macros are used like tel_info. Internal to tel/.
 */
#ifndef TEL_COMPLAIN_H
#define TEL_COMPLAIN_H

#include "tel/tel.h"

void complain(enum tel_level level, const char *message, const struct tel_attr *attrs, size_t count);

/* Returns true if the host takes complaints. Those about the log itself then go to the host, and not to stderr. */
bool complain_to_host(void);

#define complain_info(...) COMPLAIN_(TEL_LEVEL_INFO, __VA_ARGS__)
#define complain_warn(...) COMPLAIN_(TEL_LEVEL_WARN, __VA_ARGS__)
#define complain_error(...) COMPLAIN_(TEL_LEVEL_ERROR, __VA_ARGS__)
#define COMPLAIN_(level, ...) complain((level), TEL_FIRST_(__VA_ARGS__, 0), TEL_ATTRS_(__VA_ARGS__))

#endif
