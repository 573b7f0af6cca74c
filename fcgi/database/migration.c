/* SPDX-License-Identifier: MIT */
#include "database/migration.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/env.h"
#include "database/connection.h"
#include "database/refusal.h"

#define FILE_MAX_BYTES (1 << 20)
#define STEPS_MAX 256

struct migration {
	struct db_connection *db;
	struct refusal *refusal;
	struct buf text;
	const char *steps[STEPS_MAX]; /* SQL of step i + 1, in `text` */
	int64_t count;
	char doing[32]; /* for the message when it fails */
	char schema_path[PATH_MAX];
};

/* ---- the schema file ---- */

static bool read_file(const char *path, struct buf *out)
{
	char chunk[4096];
	size_t len;

	errno = 0;
	FILE *file = fopen(path, "re");

	if (!file)
		return false;
	while ((len = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_add(out, chunk, len);
	bool ok = !ferror(file) && !out->failed;
	if (!ok && !errno)
		errno = EFBIG;
	fclose(file);
	return ok;
}

/* Returns the number of a line "-- step N: …", 0 for another line. */
static long step_number(const char *line)
{
	static const char head[] = "-- step ";
	char *end;

	if (strncmp(line, head, sizeof(head) - 1) != 0)
		return 0;
	long number = strtol(line + sizeof(head) - 1, &end, 10);
	return *end == ':' ? number : 0;
}

/* Cuts the text at the heads of the steps. Only comments may come before the first. */
static bool split_steps(struct migration *m)
{
	for (char *line = m->text.data, *next; line && *line; line = next) {
		long number = step_number(line);

		next = strchrnul(line, '\n');
		next += *next == '\n';
		if (number) {
			if (number != m->count + 1 || number > STEPS_MAX)
				return false;
			*line = '\0'; /* ends the step before */
			m->steps[m->count++] = next;
		} else if (m->count == 0 && strncmp(line, "--", 2) != 0 && *line != '\n') {
			return false;
		}
	}
	return m->count > 0;
}

static bool load_steps(struct migration *m)
{
	if (!read_file(m->schema_path, &m->text))
		return refusal_set(m->refusal, false, "set SCHEMA_DIR to the directory db/schema",
				   "the schema %s cannot be read: %s", m->schema_path, strerror(errno));
	if (!split_steps(m))
		return refusal_set(m->refusal, false, "head every step by a line \"-- step N: what it does\"",
				   "the steps of the schema %s are not numbered 1, 2, 3", m->schema_path);
	return true;
}

/* ---- steps ---- */

static bool run_step(struct migration *m, int64_t number)
{
	struct db_connection *db = m->db;
	char version[48];

	snprintf(m->doing, sizeof(m->doing), "step %d", (int)number);
	if (!connection_exec(db, m->steps[number - 1]))
		return false;
	if (sqlite3_get_autocommit(db->sqlite)) {
		snprintf(db->error_text, sizeof(db->error_text), "it ends its transaction by itself");
		return false;
	}
	snprintf(version, sizeof(version), "PRAGMA user_version = %d", (int)number);
	return connection_exec(db, version);
}

static bool run_seed(struct migration *m)
{
	const char *directory = env_string("SEED_DIR", NULL);
	char path[PATH_MAX];
	BUF(text, FILE_MAX_BYTES);

	if (!directory)
		return true;
	snprintf(m->doing, sizeof(m->doing), "seed");
	snprintf(path, sizeof(path), "%s/%s.sql", directory, m->db->vitals->location->name);
	if (!read_file(path, &text)) {
		snprintf(m->db->error_text, sizeof(m->db->error_text), "%s", strerror(errno));
		return errno == ENOENT; /* a database without seed data */
	}
	return connection_exec(m->db, text.data);
}

/* All steps and the seed are one transaction: a program that is killed half-way leaves an empty file. */
static bool make_new(struct migration *m)
{
	for (int64_t number = 1; number <= m->count; number++)
		if (!run_step(m, number))
			return false;
	return run_seed(m);
}

/* Does the next thing, inside a transaction. Sets *version to the version that the database then has. */
static bool advance(struct migration *m, int64_t *version)
{
	struct db_connection *db = m->db;

	if (!connection_int(db, "PRAGMA user_version", version))
		return false;
	if (*version >= m->count)
		return true;
	if (*version == 0) {
		*version = m->count;
		return make_new(m);
	}
	++*version;
	return run_step(m, *version);
}

/* Says why, and undoes the part of the step that was done. */
static bool step_failed(struct migration *m)
{
	struct db_connection *db = m->db;
	struct diagnosis diagnosis = diagnosis_of(db->error_code, db->error_errno, db->vitals->location->path);
	/* The steps do not fit a database of another program or another version. */
	bool damaged = diagnosis_is_damage(db->error_code) || (db->error_code & 0xff) == SQLITE_ERROR;

	refusal_set(m->refusal, damaged, diagnosis.remedy ? diagnosis.remedy : "correct the schema or the seed",
		    "%s of %s failed: %s (%s)", m->doing, m->schema_path,
		    diagnosis.cause ? diagnosis.cause : "SQL error", db->error_text);
	if (!sqlite3_get_autocommit(db->sqlite))
		connection_exec(db, "ROLLBACK");
	return false;
}

static bool run(struct migration *m)
{
	struct db_connection *db = m->db;
	int64_t version = 0;

	do {
		if (!connection_exec(db, "BEGIN IMMEDIATE") || !advance(m, &version) || !connection_exec(db, "COMMIT"))
			return step_failed(m);
	} while (version < m->count);

	if (version > m->count)
		return refusal_set(m->refusal, true, "run that version of the program, or restore a backup of this one",
				   "it was made by a newer version of the program (schema step %d; this one knows %d)",
				   (int)version, (int)m->count);
	return true;
}

/* ---- a cache: its tables are those of the schema ---- */

/* Removes comments and blanks, which may change without the tables. */
static void strip(char *sql)
{
	char *out = sql;

	for (const char *in = sql; *in;) {
		if (in[0] == '-' && in[1] == '-')
			in = strchrnul(in, '\n');
		else if (strchr(" \t\n", *in))
			in++;
		else
			*out++ = *in++;
	}
	*out = '\0';
}

/* Returns the definitions of all tables, "" if there are none or they cannot be read. The caller frees it. */
static char *tables_of(sqlite3 *sqlite)
{
	sqlite3_stmt *stmt = NULL;
	const char *text = "";

	if (sqlite3_prepare_v2(sqlite,
			       "SELECT group_concat(type || name || coalesce(sql, ''), char(10)) FROM"
			       " (SELECT * FROM sqlite_schema ORDER BY type, name)",
			       -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_text(stmt, 0))
		text = (const char *)sqlite3_column_text(stmt, 0);
	char *copy = strdup(text);
	sqlite3_finalize(stmt);
	if (!copy)
		abort();
	strip(copy);
	return copy;
}

/* Compares them with the tables of a new database in memory. */
static bool check_tables(const struct migration *m)
{
	sqlite3 *fresh = NULL;
	bool made = sqlite3_open(":memory:", &fresh) == SQLITE_OK;

	for (int64_t i = 0; i < m->count && made; i++)
		made = sqlite3_exec(fresh, m->steps[i], NULL, NULL, NULL) == SQLITE_OK;
	char *wanted = tables_of(fresh), *found = tables_of(m->db->sqlite);
	bool same = strcmp(found, wanted) == 0;
	free(found);
	free(wanted);
	sqlite3_close(fresh);
	return !made || same ||
	       refusal_set(m->refusal, true, "move it away", "its tables are not those of %s", m->schema_path);
}

bool migration_run(struct db_connection *writer, struct refusal *refusal)
{
	const struct location *location = writer->vitals->location;
	struct migration m = {.db = writer, .refusal = refusal, .doing = "begin"};

	buf_init(&m.text, FILE_MAX_BYTES);
	snprintf(m.schema_path, sizeof(m.schema_path), "%s/%s.sql", env_string("SCHEMA_DIR", "db/schema"),
		 location->name);
	bool ok = load_steps(&m) && run(&m) && (!location->cache || check_tables(&m));
	buf_done(&m.text);
	return ok;
}
