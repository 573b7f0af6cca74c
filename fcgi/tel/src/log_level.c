/* SPDX-License-Identifier: MIT */
#include "tel/src/log_level.h"

#include "base/ascii.h"
#include "tel/tel.h"

const char *const log_level_names[5] = {"debug", "info", "warn", "error", NULL};

bool log_level_parse(const char *name, unsigned *level)
{
	for (unsigned i = 0; log_level_names[i]; i++) {
		if (ascii_same(log_level_names[i], name)) {
			*level = i;
			return true;
		}
	}
	return false;
}

bool log_level_parse_complaints(const char *name, unsigned *level)
{
	if (log_level_parse(name, level))
		return true;
	if (!ascii_same(name, "none"))
		return false;
	*level = TEL_LEVEL_ERROR + 1;
	return true;
}
