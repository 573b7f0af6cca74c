/* SPDX-License-Identifier: MIT */
#include "database/operation.h"

#include <sqlite3.h>
#include <stdio.h>

#include "base/clock.h"
#include "database/diagnosis.h"

TEL_HISTOGRAM(duration_seconds, "db.client.operation.duration", "s", "Duration of database operations.", tel_db_bounds,
	      "db.operation.name", "db.collection.name");

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

static struct db_statement *statements;
unsigned db_statement_count;

void db_statement_register(struct db_statement *statement)
{
	statement->index = db_statement_count++;
	statement->next = statements;
	statements = statement;
}

void db_operation_declare(void)
{
	for (struct db_statement *s = statements; s; s = s->next)
		s->duration = tel_series(&duration_seconds, s->operation, s->collection);
}

static const char *error_name(int code)
{
	switch (code & 0xff) {
	case SQLITE_BUSY: return "SQLITE_BUSY";
	case SQLITE_LOCKED: return "SQLITE_LOCKED";
	case SQLITE_CONSTRAINT: return "SQLITE_CONSTRAINT";
	case SQLITE_FULL: return "SQLITE_FULL";
	case SQLITE_IOERR: return "SQLITE_IOERR";
	case SQLITE_CORRUPT: return "SQLITE_CORRUPT";
	case SQLITE_NOTADB: return "SQLITE_NOTADB";
	case SQLITE_CANTOPEN: return "SQLITE_CANTOPEN";
	case SQLITE_READONLY: return "SQLITE_READONLY";
	case SQLITE_NOMEM: return "SQLITE_NOMEM";
	case SQLITE_PERM: return "SQLITE_PERM";
	case SQLITE_TOOBIG: return "SQLITE_TOOBIG";
	default: return "SQLITE_ERROR";
	}
}

void db_operation_start(struct db_operation *operation, const char *database, const struct db_statement *statement)
{
	operation->statement = statement;
	operation->database = database;
	operation->start_ns = clock_monotonic_ns();
	operation->traced = tel_context_valid(tel_span_context(tel_span_current()));
	if (!operation->traced)
		return;
	tel_span_start(&operation->span, statement->span_name, TEL_CLIENT);
	tel_span_set(&operation->span, tel_lit("db.system.name", "sqlite"), tel_lit("db.namespace", database),
		     tel_lit("db.operation.name", statement->operation),
		     tel_lit("db.collection.name", statement->collection), tel_lit("db.query.text", statement->sql));
}

void db_operation_end(struct db_operation *operation, enum db_result result, int code, const char *text)
{
	double seconds = (double)(clock_monotonic_ns() - operation->start_ns) / 1e9;

	tel_series_record(operation->statement->duration, seconds, operation->traced ? &operation->span : NULL);
	/* The watch logs once that a database was moved; the operations that it fails do not. */
	if (result == DB_FAILED || (result == DB_UNAVAILABLE && code != SQLITE_READONLY_DBMOVED))
		tel_error("database operation failed", tel_lit("db.namespace", operation->database),
			  tel_lit("db.query.summary", operation->statement->span_name), tel_int("sqlite.code", code),
			  tel_str("error", text));
	if (!operation->traced)
		return;
	if (code) {
		char number[16];
		snprintf(number, sizeof(number), "%d", code);
		tel_span_set(&operation->span, tel_str("db.response.status_code", number));
		tel_span_fail(&operation->span, error_name(code));
	}
	tel_span_end(&operation->span);
}
