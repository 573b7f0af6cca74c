/* SPDX-License-Identifier: MIT */
#include "trace_store/trace_table.h"

#include <stdatomic.h>

#define PAGE_BYTES 4096
#define OLDEST_TRACES "(SELECT trace_id FROM pieces ORDER BY id LIMIT 256)"
#define OLD_TRACES                                                                                                     \
	"(SELECT trace_id FROM (SELECT trace_id, received_ms FROM pieces ORDER BY id LIMIT 256) WHERE received_ms < "  \
	"?1)"

DB_STATEMENT(select_size, "SELECT", "traces",
	     "SELECT spans, span_bytes, source_bytes, cut_spans FROM traces WHERE trace_id = ?1");
/* The rows of traces go first, because the pieces tell which. */
DB_STATEMENT(forget_oldest, "DELETE", "traces", "DELETE FROM traces WHERE trace_id IN " OLDEST_TRACES);
DB_STATEMENT(delete_oldest, "DELETE", "pieces", "DELETE FROM pieces WHERE trace_id IN " OLDEST_TRACES);
DB_STATEMENT(forget_old, "DELETE", "traces", "DELETE FROM traces WHERE trace_id IN " OLD_TRACES);
DB_STATEMENT(delete_old, "DELETE", "pieces", "DELETE FROM pieces WHERE trace_id IN " OLD_TRACES);
/*
 * These delete rows that no piece refers to any more. Pieces, sources and resources are all in the order of the
 * requests.
 */
DB_STATEMENT(delete_sources, "DELETE", "sources",
	     "DELETE FROM sources WHERE id < coalesce((SELECT sources_from FROM pieces ORDER BY id LIMIT 1), 1e18)");
DB_STATEMENT(delete_resources, "DELETE", "resources",
	     "DELETE FROM resources WHERE id < coalesce((SELECT resource_id FROM sources ORDER BY id LIMIT 1), 1e18)");
DB_STATEMENT(select_used, "SELECT", "pragma",
	     "SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count");
static int64_t max_pages, max_age_ms;
static _Atomic int64_t used_pages;

void trace_table_init(int64_t bytes, int64_t age_ms)
{
	/* a quarter is for the write-ahead log, which starts over at 16 MB (database/wal.h), or somewhat later */
	max_pages = bytes / 4 * 3 / PAGE_BYTES;
	max_age_ms = age_ms;
}

int64_t trace_table_bytes(void)
{
	return used_pages * PAGE_BYTES;
}

/* ---- making room ---- */

static enum db_result run(struct db_connection *tx, struct db_statement *statement)
{
	struct db_query q;

	db_query(&q, tx, statement);
	return db_end(&q);
}

static enum db_result run_with(struct db_connection *tx, struct db_statement *statement, int64_t value)
{
	struct db_query q;

	db_query(&q, tx, statement);
	db_bind_int(&q, value);
	return db_end(&q);
}

static enum db_result delete_unnamed(struct db_connection *tx)
{
	enum db_result result = run(tx, &delete_sources);

	return result == DB_OK ? run(tx, &delete_resources) : result;
}

static enum db_result count_pages(struct db_connection *tx)
{
	struct db_query q;

	db_query(&q, tx, &select_used);
	if (db_next(&q))
		used_pages = db_int(&q, 0);
	return db_end(&q);
}

enum db_result trace_table_make_room(struct db_connection *tx)
{
	enum db_result result = count_pages(tx);
	int64_t removed = 1;

	while (result == DB_OK && used_pages > max_pages && removed) {
		result = run(tx, &forget_oldest);
		if (result == DB_OK)
			result = run(tx, &delete_oldest);
		removed = db_changes(tx);
		if (result == DB_OK)
			result = delete_unnamed(tx);
		if (result == DB_OK)
			result = count_pages(tx);
	}
	return result;
}

static enum db_result remove_old_job(struct db_connection *tx, void *arg)
{
	bool *more = arg;
	int64_t before_ms = db_steady_ms(tx) - max_age_ms;
	enum db_result result = run_with(tx, &forget_old, before_ms);

	if (result == DB_OK)
		result = run_with(tx, &delete_old, before_ms);
	*more = result == DB_OK && db_changes(tx) > 0;
	if (*more)
		result = delete_unnamed(tx);
	return result == DB_OK ? count_pages(tx) : result;
}

enum db_result trace_table_remove_old(struct database *database, bool *more)
{
	return db_write(database, &delete_old, remove_old_job, more);
}

/* ---- reading ---- */

enum db_result trace_table_size(struct db_connection *db, const uint8_t trace_id[16], struct trace_table_size *out)
{
	struct db_query q;
	bool found;

	*out = (struct trace_table_size){0};
	db_query(&q, db, &select_size);
	db_bind_bytes(&q, trace_id, 16);
	found = db_next(&q);
	if (found)
		*out = (struct trace_table_size){db_int(&q, 0), db_int(&q, 1), db_int(&q, 2), db_int(&q, 3)};
	enum db_result result = db_end(&q);
	return result == DB_OK && !found ? DB_NOT_FOUND : result;
}
