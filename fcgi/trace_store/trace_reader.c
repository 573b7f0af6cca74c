/* SPDX-License-Identifier: MIT */
#include "trace_store/trace_reader.h"

#include <stdlib.h>
#include <string.h>

#include "trace_store/hash_table.h"

#define PAGE 256 /* pieces: a read transaction must end for the log to be written back */

DB_STATEMENT(select_newest, "SELECT", "pieces",
	     "SELECT id, trace_id FROM pieces WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
DB_STATEMENT(select_pieces, "SELECT", "pieces",
	     "SELECT id, source_id, spans FROM pieces WHERE trace_id = ?1 ORDER BY id");
DB_STATEMENT(select_source, "SELECT", "sources", "SELECT scope, resource_id FROM sources WHERE id = ?1");
DB_STATEMENT(select_resource, "SELECT", "resources", "SELECT fields, 0 FROM resources WHERE id = ?1");

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

void trace_reader_done(struct trace_reader *reader)
{
	if (reader->left)
		db_end(&reader->newest);
	forget_rows(reader);
	free(reader->seen);
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
		/* which may have pushed the source out */
		source = read_row(reader, reader->sources, &select_source, source_id, &r->result);
	}
	return r->resource < 0 || !source.id ? -1 : trace_scope(r->trace, r->resource, &source.source);
}

static bool read_piece(struct reading *r, struct db_query *q)
{
	int64_t scope = read_source(r, db_int(q, 1));

	r->newest = db_int(q, 0);
	if (scope < 0)
		return r->result == DB_OK && !r->trace->cut;
	return trace_spans(r->trace, scope, column(q, 2)) && budget_take(r->trace->budget, 32);
}

static enum db_result read_trace(struct reading *r, const uint8_t trace_id[16])
{
	struct db_query q;
	bool more = true;

	db_query(&q, r->reader->db, &select_pieces);
	db_bind_bytes(&q, trace_id, 16);
	while (more && db_next(&q))
		more = read_piece(r, &q);
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

/* Returns false after the last piece, and on a failure. */
static bool next_piece(struct trace_reader *reader, uint8_t trace_id[16])
{
	size_t len;

	if (!reader->left) {
		db_query(&reader->newest, reader->db, &select_newest);
		db_bind_int(&reader->newest, reader->before ? reader->before : INT64_MAX);
		db_bind_int(&reader->newest, PAGE);
		reader->left = PAGE;
	}
	if (!db_next(&reader->newest)) {
		reader->left = 0;
		reader->result = db_end(&reader->newest);
		return false;
	}
	reader->before = db_int(&reader->newest, 0);
	memcpy(trace_id, db_bytes(&reader->newest, 1, &len), 16); /* the table checks the length */
	if (--reader->left == 0)
		reader->result = db_end(&reader->newest);
	return reader->result == DB_OK;
}

/* Returns false if the trace was read already, as far as is remembered. */
static bool is_new(struct trace_reader *reader, const uint8_t trace_id[16])
{
	uint64_t key = hash_table_hash((struct slice){(const char *)trace_id, 16}, 0) | 1;

	if (recent_set_has(reader->seen, key))
		return false;
	recent_set_add(reader->seen, key);
	return true;
}

bool trace_reader_next(struct trace_reader *reader, uint8_t trace_id[16], struct trace *trace)
{
	if (!reader->seen && !(reader->seen = calloc(1, sizeof(*reader->seen))))
		abort();
	while (budget_take(trace->budget, 1) && next_piece(reader, trace_id)) {
		struct reading r = {.reader = reader, .trace = trace};
		if (!is_new(reader, trace_id))
			continue;
		trace_reset(trace);
		enum db_result result = read_trace(&r, trace_id);
		/* a trace with a piece after this one was read at that one, and is remembered no more */
		if (result == DB_NOT_FOUND || (result == DB_OK && r.newest > reader->before))
			continue;
		reader->result = result;
		if (result == DB_OK)
			trace_finish(trace);
		return result == DB_OK;
	}
	return false;
}
