/* SPDX-License-Identifier: MIT */
#include "database/refusal.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>

#include "database/diagnosis.h"

bool refusal_set(struct refusal *refusal, bool damaged, const char *remedy, const char *error, ...)
{
	va_list args;

	if (refusal->remedy)
		return false;
	refusal->damaged = damaged;
	refusal->remedy = remedy;
	va_start(args, error);
	vsnprintf(refusal->error, sizeof(refusal->error), error, args);
	va_end(args);
	for (char *c = refusal->error; *c; c++)
		*c = (char)(*c == '\n' ? ' ' : *c); /* SQLite's check of a file writes several lines */
	return false;
}

bool refusal_set_errno(struct refusal *refusal, const char *path, int error)
{
	struct diagnosis diagnosis = diagnosis_of_errno(error);

	return refusal_set(refusal, false, diagnosis.remedy, "%s: %s", path, diagnosis.cause);
}

bool refusal_set_code(struct refusal *refusal, const char *path, struct sqlite3 *sqlite, int code)
{
	struct diagnosis diagnosis = diagnosis_of(code, sqlite ? sqlite3_system_errno(sqlite) : 0, path);
	const char *text = sqlite ? sqlite3_errmsg(sqlite) : sqlite3_errstr(code);

	if (!diagnosis.cause)
		return refusal_set(refusal, false, "check the file and DATA_DIR", "%s", text);
	return refusal_set(refusal, diagnosis_is_damage(code), diagnosis.remedy, "%s (%s)", diagnosis.cause, text);
}
