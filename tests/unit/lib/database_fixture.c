/* SPDX-License-Identifier: MIT */
#include "database_fixture.h"

#include <stdio.h>
#include <stdlib.h>

void write_file(const char *name, const char *text)
{
	FILE *file = fopen(in_temporary(name), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

int make_dir(void **state)
{
	if (temporary_setup(state))
		return -1;
	setenv("DATA_DIR", temporary, 1);
	setenv("SCHEMA_DIR", temporary, 1);
	unsetenv("SEED_DIR");
	setenv("BUSY_TIMEOUT_MS", "200", 1);
	return 0;
}

int remove_dir(void **state)
{
	return temporary_teardown(state);
}

const char *database_path(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s.db", temporary, name);
	return path;
}

sqlite3 *open_outside(const char *name)
{
	sqlite3 *sqlite;

	assert_int_equal(sqlite3_open(database_path(name), &sqlite), SQLITE_OK);
	sqlite3_busy_timeout(sqlite, 5000);
	return sqlite;
}

int64_t number_of(const char *name, const char *sql)
{
	sqlite3 *sqlite = open_outside(name);
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(sqlite, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(sqlite));
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	int64_t number = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(sqlite);
	return number;
}

void run_outside(const char *name, const char *sql)
{
	sqlite3 *sqlite = open_outside(name);

	if (sqlite3_exec(sqlite, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(sqlite));
	sqlite3_close(sqlite);
}
