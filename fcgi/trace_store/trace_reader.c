/* SPDX-License-Identifier: MIT */
#include "trace_store/trace_reader.h"

#include <stdlib.h>
#include <string.h>

#include "trace_store/hash_table.h"
#include "trace_store/recent_set.h"

/*
 * To read all traces, the pieces are read a page of ids at a time. The read transaction ends after each page, so that
 * checkpoints are not held up.
 */
#define PAGE INT64_C(256)
#define WINDOW (2 * PAGE) /* ids whose pieces are kept in memory */
#define PIECE_BYTES 4096  /* longer spans are not kept, but read again together with their trace */

DB_STATEMENT(select_range, "SELECT", "pieces",
	     "SELECT coalesce((SELECT min(id) FROM pieces), 1), coalesce((SELECT max(id) FROM pieces), 0)");
DB_STATEMENT(select_page, "SELECT", "pieces",
	     "SELECT id, trace_id, source_id, spans FROM pieces WHERE id BETWEEN ?1 AND ?2");
DB_STATEMENT(select_any, "SELECT", "pieces", "SELECT id FROM pieces LIMIT 1");
DB_STATEMENT(select_ids, "SELECT", "pieces", "SELECT id FROM pieces WHERE trace_id = ?1 ORDER BY id");
DB_STATEMENT(select_piece, "SELECT", "pieces", "SELECT source_id, spans FROM pieces WHERE id = ?1");
DB_STATEMENT(select_source, "SELECT", "sources", "SELECT scope, resource_id FROM sources WHERE id = ?1");
DB_STATEMENT(select_resource, "SELECT", "resources", "SELECT fields, 0 FROM resources WHERE id = ?1");

struct piece {
	int64_t id, source_id; /* the id is 0 if there is none */
	uint8_t trace_id[16];
	size_t len; /* of its spans; SIZE_MAX if they are not kept */
	char spans[PIECE_BYTES];
};

/* A way through the pieces from the newest to the one with the id `first`. */
struct trace_reader_scan {
	int64_t first;
	int64_t next;                /* the pieces below this id are still to be looked at */
	int64_t read;                /* `window` has the pieces from this id to below `next` */
	struct recent_set seen;      /* traces */
	struct piece window[WINDOW]; /* by id modulo WINDOW */
	struct db_query transaction; /* one row of it is read, so that the transaction of a page stays open */
	bool in_transaction;
};

void trace_reader_init(struct trace_reader *reader, struct db_connection *db)
{
	*reader = (struct trace_reader){.db = db};
}

/* ---- resources and scopes ---- */

static void forget_row(struct trace_reader *reader, struct trace_reader_row *row)
{
	reader->row_bytes -= row->fields.len;
	buf_done(&row->fields);
	*row = (struct trace_reader_row){0};
}

static void forget_rows(struct trace_reader *reader)
{
	for (size_t i = 0; i < TRACE_READER_ROWS; i++) {
		forget_row(reader, &reader->sources[i]);
		forget_row(reader, &reader->resources[i]);
	}
}

static enum db_result end_transaction(struct trace_reader_scan *scan)
{
	bool was_open = scan->in_transaction;

	scan->in_transaction = false;
	return was_open ? db_end(&scan->transaction) : DB_OK;
}

void trace_reader_done(struct trace_reader *reader)
{
	forget_rows(reader);
	if (reader->scan)
		end_transaction(reader->scan);
	free(reader->scan);
}

static struct slice column(struct db_query *q, int number)
{
	size_t len;
	const void *data = db_bytes(q, number, &len);

	return (struct slice){len ? data : "", len};
}

/* Returns the row of that id, until the next call; an id of 0 if there is none. */
static struct trace_reader_row read_row(struct trace_reader *reader, struct trace_reader_row *rows,
					struct db_statement *statement, int64_t id, enum db_result *result)
{
	struct trace_reader_row *row = &rows[(uint64_t)id % TRACE_READER_ROWS];
	struct db_query q;

	if (row->id == id)
		return *row;
	forget_row(reader, row);
	db_query(&q, reader->db, statement);
	db_bind_int(&q, id);
	if (db_next(&q)) {
		struct slice fields = column(&q, 0);
		if (reader->row_bytes + fields.len > TRACE_READER_BYTES_MAX)
			forget_rows(reader);
		row->id = id;
		row->resource_id = db_int(&q, 1);
		buf_init(&row->fields, fields.len);
		buf_add(&row->fields, fields.data, fields.len);
		if (row->fields.failed)
			abort();
		row->source = trace_source_read((struct slice){fields.len ? row->fields.data : "", fields.len});
		reader->row_bytes += fields.len;
	}
	*result = db_end(&q);
	return *row;
}

/* ---- a trace ---- */

struct reading {
	struct trace_reader *reader;
	struct trace *trace;
	int64_t resource_id, resource; /* the last one, and its number in the trace */
	int64_t newest;                /* piece */
	enum db_result result;
};

/* Returns the number of the piece's scope in the trace; -1 if there is no room for it, no row of it, or on a failure.
 */
static int64_t read_source(struct reading *r, int64_t source_id)
{
	struct trace_reader *reader = r->reader;
	struct trace_reader_row source = read_row(reader, reader->sources, &select_source, source_id, &r->result);

	if (!source.id)
		return -1;
	if (source.resource_id != r->resource_id) {
		struct trace_reader_row resource = read_row(reader, reader->resources, &select_resource,
							    source.resource_id, &r->result);
		if (!resource.id)
			return -1;
		r->resource = trace_resource(r->trace, &resource.source);
		r->resource_id = resource.id;
		/* Reading the resource may have pushed the source out. */
		source = read_row(reader, reader->sources, &select_source, source_id, &r->result);
	}
	return r->resource < 0 || !source.id ? -1 : trace_scope(r->trace, r->resource, &source.source);
}

static bool take_piece(struct reading *r, int64_t source_id, struct slice spans)
{
	int64_t scope = read_source(r, source_id);

	if (scope < 0)
		return r->result == DB_OK && !r->trace->cut;
	return trace_spans(r->trace, scope, spans) && budget_take(r->trace->budget, 32);
}

static bool read_piece(struct reading *r, int64_t id)
{
	const struct trace_reader_scan *scan = r->reader->scan;
	const struct piece *kept = scan ? &scan->window[id % WINDOW] : NULL;
	struct db_query q;
	bool more = true;

	r->newest = id;
	if (kept && kept->id == id && kept->len != SIZE_MAX)
		return take_piece(r, kept->source_id, (struct slice){kept->spans, kept->len});
	db_query(&q, r->reader->db, &select_piece);
	db_bind_int(&q, id);
	if (db_next(&q))
		more = take_piece(r, db_int(&q, 0), column(&q, 1));
	enum db_result result = db_end(&q);
	if (r->result == DB_OK)
		r->result = result;
	return more && r->result == DB_OK;
}

static enum db_result read_trace(struct reading *r, const uint8_t trace_id[16])
{
	struct db_query q;
	bool more = true;

	db_query(&q, r->reader->db, &select_ids);
	db_bind_bytes(&q, trace_id, 16);
	while (more && db_next(&q))
		more = read_piece(r, db_int(&q, 0));
	enum db_result result = db_end(&q);
	if (result != DB_OK || r->result != DB_OK)
		return result != DB_OK ? result : r->result;
	return r->newest ? DB_OK : DB_NOT_FOUND;
}

enum db_result trace_reader_load(struct trace_reader *reader, const uint8_t trace_id[16], struct trace *trace)
{
	struct reading r = {.reader = reader, .trace = trace};
	enum db_result result = read_trace(&r, trace_id);

	if (result == DB_OK)
		trace_finish(trace);
	return result;
}

/* ---- all traces ---- */

static bool start_scan(struct trace_reader *reader)
{
	struct db_query q;

	reader->scan = calloc(1, sizeof(*reader->scan));
	if (!reader->scan)
		abort();
	db_query(&q, reader->db, &select_range);
	if (db_next(&q)) {
		reader->scan->first = db_int(&q, 0);
		reader->scan->next = reader->scan->read = db_int(&q, 1) + 1;
	}
	reader->result = db_end(&q);
	return reader->result == DB_OK;
}

static void keep_piece(struct trace_reader_scan *scan, struct db_query *q)
{
	int64_t id = db_int(q, 0);
	struct piece *piece = &scan->window[id % WINDOW];
	struct slice spans = column(q, 3);

	piece->id = id;
	memcpy(piece->trace_id, column(q, 1).data, 16); /* the table checks the length */
	piece->source_id = db_int(q, 2);
	piece->len = spans.len <= PIECE_BYTES ? spans.len : SIZE_MAX;
	if (spans.len <= PIECE_BYTES)
		memcpy(piece->spans, spans.data, spans.len);
}

static enum db_result read_page(struct trace_reader_scan *scan, struct db_connection *db)
{
	int64_t from = scan->read - PAGE > scan->first ? scan->read - PAGE : scan->first;
	enum db_result ended = end_transaction(scan);
	struct db_query q;

	db_query(&scan->transaction, db, &select_any);
	scan->in_transaction = true;
	db_next(&scan->transaction);
	db_query(&q, db, &select_page);
	db_bind_int(&q, from);
	db_bind_int(&q, scan->read - 1);
	while (db_next(&q))
		keep_piece(scan, &q);
	scan->read = from;
	enum db_result result = db_end(&q);
	return result == DB_OK ? ended : result;
}

/* Returns the next piece that is there; NULL after the last one, and on a failure. */
static const struct piece *next_piece(struct trace_reader *reader)
{
	struct trace_reader_scan *scan = reader->scan;

	while (scan->next > scan->first) {
		if (scan->next - scan->read < PAGE && scan->read > scan->first &&
		    (reader->result = read_page(scan, reader->db)) != DB_OK)
			return NULL;
		scan->next--;
		const struct piece *piece = &scan->window[scan->next % WINDOW];
		if (piece->id == scan->next)
			return piece;
	}
	return NULL;
}

/* Returns false if the trace was read already, as far as is remembered. */
static bool is_new(struct recent_set *seen, const uint8_t trace_id[16])
{
	uint64_t key = hash_table_hash((struct slice){(const char *)trace_id, 16}, 0) | 1;

	if (recent_set_has(seen, key))
		return false;
	recent_set_add(seen, key);
	return true;
}

bool trace_reader_next(struct trace_reader *reader, uint8_t trace_id[16], struct trace *trace)
{
	const struct piece *piece;

	if (!reader->scan && !start_scan(reader))
		return false;
	while (budget_take(trace->budget, 1) && (piece = next_piece(reader))) {
		struct reading r = {.reader = reader, .trace = trace};
		if (!is_new(&reader->scan->seen, piece->trace_id))
			continue;
		memcpy(trace_id, piece->trace_id, 16);
		trace_reset(trace);
		enum db_result result = read_trace(&r, trace_id);
		/*
		 * A trace that has a newer piece was returned at that piece, and is no longer in `seen`; or the piece
		 * came meanwhile, and the trace is missed.
		 */
		if (result == DB_NOT_FOUND || (result == DB_OK && r.newest > piece->id))
			continue;
		reader->result = result;
		if (result == DB_OK)
			trace_finish(trace);
		return result == DB_OK;
	}
	return false;
}
