/* SPDX-License-Identifier: MIT */
/*
 * What the library says about itself: settings that cannot be used, calls that make no sense, a collector that does not
 * answer. It goes to the host's tel_config.complain, else to the log as a line, and never to the log exporter: what
 * that one complains of would make more of it. Used as tel_info and so on. Internal to tel/.
 */
#ifndef TEL_COMPLAIN_H
#define TEL_COMPLAIN_H

#include "tel/tel.h"

void complain(enum tel_level level, const char *message, const struct tel_attr *attrs, size_t count);

/* Returns true when the host takes complaints: then those about the log itself go there, and not to stderr. */
bool complain_to_host(void);

#define complain_info(...) COMPLAIN_(TEL_LEVEL_INFO, __VA_ARGS__)
#define complain_warn(...) COMPLAIN_(TEL_LEVEL_WARN, __VA_ARGS__)
#define complain_error(...) COMPLAIN_(TEL_LEVEL_ERROR, __VA_ARGS__)
#define COMPLAIN_(level, ...) complain((level), TEL_FIRST_(__VA_ARGS__, 0), TEL_ATTRS_(__VA_ARGS__))

#endif
