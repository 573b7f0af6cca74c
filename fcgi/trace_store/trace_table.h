/* SPDX-License-Identifier: MIT */
/* The stored traces. Spans are kept as they came, within a size and an age; whole traces go, the oldest first. */
#ifndef APM_TRACE_STORE_TRACE_TABLE_H
#define APM_TRACE_STORE_TRACE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "database/database.h"
#include "trace_store/request_split.h"

/* Once, before threads start. `bytes`: of the database with its write-ahead log, 32 MiB at least. */
void trace_table_init(int64_t bytes, int64_t age_ms);

/* What became of the spans of a request. */
struct trace_table_inserted {
	size_t cut;      /* over a limit (limits.h): not stored */
	size_t repeated; /* stored before */
};

/*
 * Stores the pieces (trace_table_insert.c), makes room. One transaction. A trace over a limit is cut off: of its spans
 * those are stored that fit. A piece that came before, in the same words, is not stored again while it is remembered.
 */
enum db_result trace_table_insert(struct database *database, const struct request_split *pieces,
				  struct trace_table_inserted *out);

/* For trace_table_insert.c, in its transaction: removes the oldest traces until the size is kept. */
enum db_result trace_table_make_room(struct db_connection *tx);

/* Removes traces that are too old, some at a time. *more: call again. */
enum db_result trace_table_remove_old(struct database *database, bool *more);

struct trace_table_size {
	int64_t spans, span_bytes, source_bytes;
	int64_t cut_spans; /* not 0: the trace is cut off, so many spans are not there */
};

/* DB_NOT_FOUND: there is no such trace, and *out is 0. */
enum db_result trace_table_size(struct db_connection *db, const uint8_t trace_id[16], struct trace_table_size *out);

/* Bytes in use, as known after the last trace_table_insert. Any thread. */
int64_t trace_table_bytes(void);

#endif
