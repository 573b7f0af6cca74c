#include "traces/rows.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "traces/schema.h"

#define PAGE_BYTES 4096

DB_STATEMENT(insert_source, "INSERT", "sources", "INSERT INTO sources (resource, scope) VALUES (?1, ?2)");
DB_STATEMENT(insert_piece, "INSERT", "pieces",
	     "INSERT INTO pieces (trace_id, source_id, received_ms, spans) VALUES (?1, ?2, ?3, ?4)");
DB_STATEMENT(delete_trace, "DELETE", "pieces", "DELETE FROM pieces WHERE trace_id = ?1");
DB_STATEMENT(delete_oldest, "DELETE", "pieces",
	     "DELETE FROM pieces WHERE trace_id IN (SELECT trace_id FROM pieces ORDER BY id LIMIT 256)");
DB_STATEMENT(delete_old, "DELETE", "pieces",
	     "DELETE FROM pieces WHERE trace_id IN (SELECT trace_id FROM"
	     " (SELECT trace_id, received_ms FROM pieces ORDER BY id LIMIT 256) WHERE received_ms < ?1)");
/* Sources come in the order of their pieces: what is before the oldest piece's is of no use any more. */
DB_STATEMENT(delete_sources, "DELETE", "sources",
	     "DELETE FROM sources WHERE id < coalesce((SELECT source_id FROM pieces ORDER BY id LIMIT 1), 1e18)");
DB_STATEMENT(select_used, "SELECT", "pragma",
	     "SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count");
DB_STATEMENT(select_trace, "SELECT", "pieces",
	     "SELECT resource, scope, spans FROM pieces JOIN sources ON sources.id = source_id"
	     " WHERE trace_id = ?1 ORDER BY pieces.id");
DB_STATEMENT(select_newest, "SELECT", "pieces",
	     "SELECT trace_id, id FROM pieces AS p WHERE id < ?1 AND NOT EXISTS"
	     " (SELECT 1 FROM pieces AS later WHERE later.trace_id = p.trace_id AND later.id > p.id)"
	     " ORDER BY id DESC LIMIT ?2");

static int64_t max_pages, max_age_ms;
static _Atomic int64_t used_pages;

void rows_init(int64_t bytes, int64_t age_ms)
{
	/* the write-ahead log starts over at 16000 pages (store/writer.c): a quarter of the default size is for it */
	max_pages = bytes / 4 * 3 / PAGE_BYTES;
	max_age_ms = age_ms;
}

int64_t rows_bytes(void)
{
	return used_pages * PAGE_BYTES;
}

/* ---- storing ---- */

static enum db_result add_source(struct db *tx, const struct pieces *p, const struct pieces_source *source, int64_t *id)
{
	struct db_query q;

	db_query(&q, tx, &insert_source);
	db_bind_bytes(&q, p->text.data + source->resource_at, source->resource_len);
	db_bind_bytes(&q, p->text.data + source->scope_at, source->scope_len);
	enum db_result result = db_end(&q);
	*id = db_inserted_id(tx);
	return result;
}

static enum db_result add_piece(struct db *tx, const struct pieces *p, const struct piece *piece, int64_t source_id,
				int64_t now_ms)
{
	struct db_query q;

	db_query(&q, tx, &insert_piece);
	db_bind_bytes(&q, piece->trace_id, sizeof(piece->trace_id));
	db_bind_int(&q, source_id);
	db_bind_int(&q, now_ms);
	db_bind_bytes(&q, p->data.data + piece->at, piece->len);
	return db_end(&q);
}

static enum db_result remove_trace(struct db *tx, const uint8_t trace_id[16])
{
	struct db_query q;

	db_query(&q, tx, &delete_trace);
	db_bind_bytes(&q, trace_id, 16);
	return db_end(&q);
}

static enum db_result run(struct db *tx, struct db_statement *statement)
{
	struct db_query q;

	db_query(&q, tx, statement);
	return db_end(&q);
}

static enum db_result count_pages(struct db *tx)
{
	struct db_query q;

	db_query(&q, tx, &select_used);
	if (db_next(&q))
		used_pages = db_int(&q, 0);
	return db_end(&q);
}

static enum db_result make_room(struct db *tx)
{
	enum db_result result = count_pages(tx);
	int64_t removed = 1;

	while (result == DB_OK && used_pages > max_pages && removed) {
		result = run(tx, &delete_oldest);
		removed = db_changes(tx);
		if (result == DB_OK)
			result = run(tx, &delete_sources);
		if (result == DB_OK)
			result = count_pages(tx);
	}
	return result;
}

struct storing {
	const struct pieces *pieces;
	int64_t *source_ids; /* of sources that are stored; 0: not yet */
};

static enum db_result store_job(struct db *tx, void *arg)
{
	struct storing *storing = arg;
	const struct pieces *p = storing->pieces;
	enum db_result result = DB_OK;
	int64_t now_ms = db_now_ms();

	for (size_t i = 0; i < p->count && result == DB_OK; i++) {
		const struct piece *piece = &p->pieces[i];
		int64_t *source_id = &storing->source_ids[piece->source];
		if (!*source_id)
			result = add_source(tx, p, &p->sources[piece->source], source_id);
		if (result == DB_OK)
			result = add_piece(tx, p, piece, *source_id, now_ms);
	}
	for (size_t i = 0; i < p->refused_count && result == DB_OK; i++)
		result = remove_trace(tx, p->refused[i]);
	return result == DB_OK ? make_room(tx) : result;
}

enum db_result rows_store(struct store *store, const struct pieces *pieces)
{
	struct storing storing = {pieces, calloc(pieces->source_count + 1, sizeof(int64_t))};

	if (!storing.source_ids)
		abort();
	enum db_result result = db_write(store, &insert_piece, store_job, &storing);
	free(storing.source_ids);
	return result;
}

/* ---- ageing ---- */

static enum db_result remove_old_job(struct db *tx, void *arg)
{
	bool *more = arg;
	struct db_query q;

	db_query(&q, tx, &delete_old);
	db_bind_int(&q, db_now_ms() - max_age_ms);
	enum db_result result = db_end(&q);
	*more = result == DB_OK && db_changes(tx) > 0;
	if (*more)
		result = run(tx, &delete_sources);
	return result == DB_OK ? count_pages(tx) : result;
}

enum db_result rows_remove_old(struct store *store, bool *more)
{
	*more = false;
	return db_write(store, &delete_old, remove_old_job, more);
}

/* ---- reading ---- */

static void add_column(struct buf *out, struct db_query *q, int column)
{
	size_t len;
	const void *data = db_bytes(q, column, &len);

	buf_add(out, data, len);
}

enum db_result rows_trace(struct db *db, const uint8_t trace_id[16], struct buf *out)
{
	struct db_query q;
	bool found = false;

	db_query(&q, db, &select_trace);
	db_bind_bytes(&q, trace_id, 16);
	while (db_next(&q) && !out->failed) {
		size_t resource_spans = wire_begin(out, REQUEST_RESOURCE_SPANS);
		add_column(out, &q, 0);
		size_t scope_spans = wire_begin(out, RESOURCE_SPANS_SCOPE_SPANS);
		add_column(out, &q, 1);
		add_column(out, &q, 2);
		wire_end(out, scope_spans);
		wire_end(out, resource_spans);
		found = true;
	}
	enum db_result result = db_end(&q);
	return result == DB_OK && !found ? DB_NOT_FOUND : result;
}

static void read_page(struct rows_walk *walk)
{
	struct db_query q;
	size_t len;

	walk->next = walk->count = 0;
	db_query(&q, walk->db, &select_newest);
	db_bind_int(&q, walk->before ? walk->before : INT64_MAX);
	db_bind_int(&q, ROWS_WALK_PAGE);
	while (db_next(&q)) {
		const void *id = db_bytes(&q, 0, &len);
		memcpy(walk->ids[walk->count++], id, 16); /* the table checks the length */
		walk->before = db_int(&q, 1);
	}
	walk->result = db_end(&q);
}

bool rows_walk_next(struct rows_walk *walk, uint8_t trace_id[16])
{
	if (walk->next == walk->count)
		read_page(walk);
	if (walk->next == walk->count || walk->result != DB_OK)
		return false;
	memcpy(trace_id, walk->ids[walk->next++], 16);
	return true;
}
