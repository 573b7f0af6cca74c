/* SPDX-License-Identifier: MIT */
/*
 * The telemetry of one operation on a database: an observation of its duration, and a CLIENT span when there is a
 * current span. Background work without one makes no traces of a single span.
 */
#ifndef APM_DATABASE_OPERATION_H
#define APM_DATABASE_OPERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "database/result.h"
#include "database/statement.h"
#include "tel/tel.h"

struct db_operation {
	const struct db_statement *statement;
	const char *database; /* db.namespace */
	uint64_t start_ns;
	bool traced;
	struct tel_span span;
};

/* Makes the series of every statement, so that they are exposed from the start. Before threads start. */
void db_operation_declare(void);

/* Starts the operation; it ends on the same thread. `database` is the name, which must stay. */
void db_operation_start(struct db_operation *operation, const char *database, const struct db_statement *statement);

/*
 * Ends the operation. `code` and `text` are SQLite's extended result code, 0 without a failure, and message. Logs
 * DB_FAILED and DB_UNAVAILABLE.
 */
void db_operation_end(struct db_operation *operation, enum db_result result, int code, const char *text);

#endif
