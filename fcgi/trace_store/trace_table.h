/* SPDX-License-Identifier: MIT */
/*
 * The table of stored traces. Spans are kept as they came. Beyond a size and an age the oldest traces are removed, each
 * as a whole.
 */
#ifndef APM_TRACE_STORE_TRACE_TABLE_H
#define APM_TRACE_STORE_TRACE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "database/database.h"
#include "trace_store/request_split.h"

/*
 * Call it once, before threads start. `bytes` is the most that the database may take with its write-ahead log, at least
 * 32 MiB.
 */
void trace_table_init(int64_t bytes, int64_t age_ms);

/* Spans of a request that were not stored. */
struct trace_table_inserted {
	size_t cut;      /* over a limit (limits.h) */
	size_t repeated; /* stored before */
};

/*
 * Stores the pieces and makes room, in one transaction. Spans of a trace over a limit are left out. A piece that came
 * before, byte for byte, is not stored again as long as it is remembered.
 */
enum db_result trace_table_insert(struct database *database, const struct request_split *pieces,
				  struct trace_table_inserted *out);

/* Removes the oldest traces until the size is kept. It is for trace_table_insert.c, in its transaction. */
enum db_result trace_table_make_room(struct db_connection *tx);

/* Removes some of the traces that are too old. *more tells that there may be others: call again. */
enum db_result trace_table_remove_old(struct database *database, bool *more);

struct trace_table_size {
	int64_t spans, span_bytes, source_bytes;
	int64_t cut_spans; /* spans that came and were not stored */
};

/* Returns DB_NOT_FOUND, and zeros, if there is no such trace. */
enum db_result trace_table_size(struct db_connection *db, const uint8_t trace_id[16], struct trace_table_size *out);

/* Returns the bytes in use after the last trace_table_insert. Any thread. */
int64_t trace_table_bytes(void);

#endif
