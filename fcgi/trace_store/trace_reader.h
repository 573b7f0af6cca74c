/* SPDX-License-Identifier: MIT */
/*
 * Reads stored traces, one or all of them. To read all it goes through the pieces from new to old, each page of them
 * read once and ahead of what is looked at, because the pieces of a trace lie close to each other. It remembers which
 * traces it has read, and the resources and scopes that it read last.
 */
#ifndef APM_TRACE_STORE_TRACE_READER_H
#define APM_TRACE_STORE_TRACE_READER_H

#include "database/database.h"
#include "trace_store/trace.h"

#define TRACE_READER_ROWS 64             /* of each table that are remembered */
#define TRACE_READER_BYTES_MAX (1 << 20) /* of them all; only one row may be larger */

/* A row of sources or of resources. Its id is 0 if there is none. */
struct trace_reader_row {
	int64_t id, resource_id;
	struct buf fields;
	struct trace_source source; /* which points into them */
};

/* One thread at a time. */
struct trace_reader {
	struct db_connection *db;
	enum db_result result; /* not DB_OK once trace_reader_next has failed */
	/* private */
	struct trace_reader_scan *scan; /* NULL until the first trace_reader_next */
	struct trace_reader_row sources[TRACE_READER_ROWS], resources[TRACE_READER_ROWS];
	size_t row_bytes;
};

/* `db` is the caller's until trace_reader_done. */
void trace_reader_init(struct trace_reader *reader, struct db_connection *db);
void trace_reader_done(struct trace_reader *reader);

/*
 * Reads the pieces of a trace into `trace`, which is new or reset, and finishes it. What is beyond its limits is cut
 * off, and the trace says so. Returns DB_NOT_FOUND if there is no such trace.
 */
enum db_result trace_reader_load(struct trace_reader *reader, const uint8_t trace_id[16], struct trace *trace);

/*
 * Resets `trace` and loads the next one into it: first the trace that got spans last. Returns false after the last
 * trace, once the budget of `trace` is spent, and on a failure. A trace that gets spans meanwhile may be missed.
 */
bool trace_reader_next(struct trace_reader *reader, uint8_t trace_id[16], struct trace *trace);

#endif
