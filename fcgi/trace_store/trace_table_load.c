/* SPDX-License-Identifier: MIT */
#include "trace_store/trace_table.h"

/* A resource of hundreds of kB may stand behind thousands of pieces: it is read when it is not the one before. */
DB_STATEMENT(
	select_pieces, "SELECT", "pieces",
	"SELECT spans, scope, resource_id, length(fields) <= 4096, CASE WHEN length(fields) <= 4096 THEN fields END"
	" FROM pieces JOIN sources ON sources.id = source_id JOIN resources ON resources.id = resource_id"
	" WHERE trace_id = ?1 ORDER BY pieces.id");
DB_STATEMENT(select_resource, "SELECT", "resources", "SELECT fields FROM resources WHERE id = ?1");

struct reading {
	struct db_connection *db;
	struct trace *trace;
	int64_t resource_id, resource; /* the last one that was read by itself, and its number; 0: none */
	enum db_result result;
};

static struct slice column(struct db_query *q, int number)
{
	size_t len;
	const void *data = db_bytes(q, number, &len);

	return (struct slice){len ? data : "", len};
}

static int64_t large_resource(struct reading *r, int64_t id)
{
	struct db_query q;

	if (r->resource_id == id)
		return r->resource;
	r->resource = -1;
	db_query(&q, r->db, &select_resource);
	db_bind_int(&q, id);
	if (db_next(&q))
		r->resource = trace_resource(r->trace, column(&q, 0));
	r->result = db_end(&q);
	r->resource_id = id;
	return r->resource;
}

static bool read_piece(struct reading *r, struct db_query *q)
{
	int64_t resource = db_int(q, 3) ? trace_resource(r->trace, column(q, 4)) : large_resource(r, db_int(q, 2));
	int64_t scope = resource < 0 ? -1 : trace_scope(r->trace, resource, column(q, 1));

	return scope >= 0 && trace_spans(r->trace, scope, column(q, 0)) && budget_take(r->trace->budget, 32);
}

enum db_result trace_table_load(struct db_connection *db, const uint8_t trace_id[16], struct trace *trace)
{
	struct reading r = {.db = db, .trace = trace};
	struct db_query q;
	bool found = false, more = true;

	db_query(&q, db, &select_pieces);
	db_bind_bytes(&q, trace_id, 16);
	while (more && db_next(&q)) {
		found = true;
		more = read_piece(&r, &q);
	}
	enum db_result result = db_end(&q);
	if (result == DB_OK)
		result = r.result;
	if (result != DB_OK || !found)
		return result == DB_OK ? DB_NOT_FOUND : result;
	trace_finish(trace);
	return DB_OK;
}
