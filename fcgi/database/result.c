/* SPDX-License-Identifier: MIT */
#include "database/result.h"

#include <sqlite3.h>

#include "database/diagnosis.h"

enum db_result db_result_of(int code)
{
	switch (code) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
	case SQLITE_CONSTRAINT_CHECK:
	case SQLITE_CONSTRAINT_FOREIGNKEY: return DB_CONFLICT;
	}
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE: return DB_OK;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return DB_BUSY;
	default: return diagnosis_is_disk(code) ? DB_UNAVAILABLE : DB_FAILED;
	}
}
