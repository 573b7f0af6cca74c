/* The stored traces. Spans are kept as they came, within a size and an age; whole traces go, the oldest first. */
#ifndef APM_TRACES_ROWS_H
#define APM_TRACES_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/db.h"
#include "traces/pieces.h"

/* Once, before threads start. `bytes`: of the database with its write-ahead log, 32 MiB at least. */
void rows_init(int64_t bytes, int64_t age_ms);

/* Stores the pieces, removes what is there of the refused traces, makes room. One transaction. */
enum db_result rows_store(struct store *store, const struct pieces *pieces);

/* Removes traces that are too old, some at a time. *more: call again. */
enum db_result rows_remove_old(struct store *store, bool *more);

/*
 * Appends the trace as fields `resource_spans` of an ExportTraceServiceRequest (Tempo's message Trace). DB_NOT_FOUND:
 * there is none. out->failed: it has more bytes than fit.
 */
enum db_result rows_trace(struct db *db, const uint8_t trace_id[16], struct buf *out);

#define ROWS_WALK_PAGE 64

/* Over the ids of all traces, the one that got spans last first. Begin with .db = the connection. */
struct rows_walk {
	struct db *db;
	size_t next, count; /* in ids */
	uint8_t ids[ROWS_WALK_PAGE][16];
	int64_t before; /* the last piece of the page; 0: no page was read */
	enum db_result result;
};

/* False: that were all, or `result` is not DB_OK. A trace that gets spans in between may be missed. */
bool rows_walk_next(struct rows_walk *walk, uint8_t trace_id[16]);

/* Bytes in use, as known after the last rows_store. Any thread. */
int64_t rows_bytes(void);

#endif
