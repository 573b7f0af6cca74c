/* SPDX-License-Identifier: MIT */
/* Stores the pieces of a request, within the limits of a trace. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "trace_store/hash_table.h"
#include "trace_store/limits.h"
#include "trace_store/recent_set.h"
#include "trace_store/trace_table.h"

DB_STATEMENT(insert_resource, "INSERT", "resources", "INSERT INTO resources (fields) VALUES (?1)");
DB_STATEMENT(insert_source, "INSERT", "sources", "INSERT INTO sources (resource_id, scope) VALUES (?1, ?2)");
DB_STATEMENT(insert_piece, "INSERT", "pieces",
	     "INSERT INTO pieces (trace_id, source_id, received_ms, spans, sources_from) VALUES (?1, ?2, ?3, ?4, ?5)");
DB_STATEMENT(put_size, "INSERT", "traces",
	     "INSERT INTO traces (trace_id, spans, span_bytes, source_bytes, cut_spans) VALUES (?1, ?2, ?3, ?4, ?5)"
	     " ON CONFLICT DO UPDATE SET spans = ?2, span_bytes = ?3, source_bytes = ?4, cut_spans = ?5");

/* ---- what came before ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct recent_set before;

static bool came_before(uint64_t hash)
{
	pthread_mutex_lock(&lock);
	bool known = recent_set_has(&before, hash);
	pthread_mutex_unlock(&lock);
	return known;
}

static void remember(const uint64_t *hashes, size_t count)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < count; i++)
		recent_set_add(&before, hashes[i]);
	pthread_mutex_unlock(&lock);
}

/* ---- a request ---- */

struct known {
	int64_t id;    /* 0 if it is not stored yet */
	uint64_t hash; /* 0 if it is not known yet */
};

struct storing {
	const struct request_split *pieces;
	struct known *resources, *sources; /* by index */
	int64_t sources_from;              /* the first source that this request stored */
	uint64_t *hashes;                  /* of the pieces that were stored whole */
	size_t hash_count;
	struct buf spans, fields;
	struct trace_table_inserted stored;
	/* of the trace that is being stored */
	struct trace_table_size size;
	bool is_known;          /* it was stored before */
	uint32_t last_resource; /* that was counted for it */
};

static uint64_t hash_source(struct storing *s, size_t source)
{
	const struct request_split *p = s->pieces;
	struct known *resource = &s->resources[p->sources[source].resource], *known = &s->sources[source];

	if (!resource->hash) {
		buf_reset(&s->fields);
		request_split_add_resource(p, p->sources[source].resource, &s->fields);
		resource->hash = hash_table_hash((struct slice){s->fields.data, s->fields.len}, 0);
	}
	if (!known->hash) {
		buf_reset(&s->fields);
		request_split_add_scope(p, source, &s->fields);
		known->hash = hash_table_hash((struct slice){s->fields.data, s->fields.len}, resource->hash);
	}
	return known->hash;
}

static enum db_result add_fields(struct db_connection *tx, struct db_statement *statement, const int64_t *above,
				 const struct buf *fields, int64_t *id)
{
	struct db_query q;

	db_query(&q, tx, statement);
	if (above)
		db_bind_int(&q, *above);
	db_bind_bytes(&q, fields->data ? fields->data : "", fields->len);
	enum db_result result = db_end(&q);
	*id = db_inserted_id(tx);
	return result;
}

static enum db_result add_source(struct db_connection *tx, struct storing *s, size_t source)
{
	const struct request_split *p = s->pieces;
	struct known *resource = &s->resources[p->sources[source].resource], *known = &s->sources[source];
	enum db_result result = DB_OK;

	if (!resource->id) {
		buf_reset(&s->fields);
		request_split_add_resource(p, p->sources[source].resource, &s->fields);
		result = add_fields(tx, &insert_resource, NULL, &s->fields, &resource->id);
	}
	if (result != DB_OK || known->id)
		return result;
	buf_reset(&s->fields);
	request_split_add_scope(p, source, &s->fields);
	result = add_fields(tx, &insert_source, &resource->id, &s->fields, &known->id);
	if (!s->sources_from)
		s->sources_from = known->id;
	return result;
}

static enum db_result add_piece(struct db_connection *tx, const struct storing *s,
				const struct request_split_piece *piece)
{
	struct db_query q;

	db_query(&q, tx, &insert_piece);
	db_bind_bytes(&q, piece->trace_id, 16);
	db_bind_int(&q, s->sources[piece->source].id);
	db_bind_int(&q, db_steady_ms(tx));
	db_bind_bytes(&q, s->spans.data, s->spans.len);
	db_bind_int(&q, s->sources_from);
	return db_end(&q);
}

/* ---- a piece ---- */

/* Returns the bytes that the source adds to its trace. */
static int64_t source_bytes(const struct storing *s, size_t source)
{
	const struct request_split *p = s->pieces;
	uint32_t resource = p->sources[source].resource;

	return (int64_t)p->sources[source].own_len +
	       (resource == s->last_resource ? 0 : (int64_t)p->resources[resource].own_len);
}

static bool source_fits(const struct storing *s, size_t source)
{
	const struct request_split *p = s->pieces;

	return (int64_t)p->sources[source].own_len + p->resources[p->sources[source].resource].own_len <=
		       LIMIT_SOURCE_BYTES &&
	       s->size.source_bytes + source_bytes(s, source) <= LIMIT_TRACE_SOURCE_BYTES;
}

/* Copies the spans that fit into s->spans. Returns their number. */
static size_t take_spans(struct storing *s, const struct request_split_piece *piece)
{
	size_t taken = 0;

	buf_reset(&s->spans);
	for (size_t i = piece->first; i < piece->first + piece->count; i++) {
		struct slice span = request_split_span(s->pieces, i);
		if (s->size.spans + (int64_t)taken >= LIMIT_TRACE_SPANS ||
		    s->size.span_bytes + (int64_t)(s->spans.len + span.len) > LIMIT_TRACE_SPAN_BYTES)
			continue;
		buf_add(&s->spans, span.data, span.len);
		taken++;
	}
	return taken;
}

static uint64_t hash_piece(struct storing *s, const struct request_split_piece *piece)
{
	uint64_t hash = hash_table_hash((struct slice){(const char *)piece->trace_id, 16},
					hash_source(s, piece->source));

	for (size_t i = piece->first; i < piece->first + piece->count; i++) {
		hash = hash_table_hash(request_split_span(s->pieces, i), hash);
	}
	return hash;
}

static enum db_result store_piece(struct db_connection *tx, struct storing *s, const struct request_split_piece *piece)
{
	uint64_t hash = hash_piece(s, piece);

	if (s->is_known && came_before(hash)) {
		s->stored.repeated += piece->count;
		return DB_OK;
	}
	size_t taken = source_fits(s, piece->source) ? take_spans(s, piece) : 0;
	s->size.cut_spans += (int64_t)(piece->count - taken);
	s->stored.cut += piece->count - taken;
	if (!taken)
		return DB_OK;
	enum db_result result = add_source(tx, s, piece->source);
	if (result == DB_OK)
		result = add_piece(tx, s, piece);
	s->size.spans += (int64_t)taken;
	s->size.span_bytes += (int64_t)s->spans.len;
	s->size.source_bytes += source_bytes(s, piece->source);
	s->last_resource = s->pieces->sources[piece->source].resource;
	if (taken == piece->count)
		s->hashes[s->hash_count++] = hash;
	return result;
}

/* ---- a trace ---- */

static enum db_result begin_trace(struct db_connection *tx, struct storing *s, const uint8_t *trace_id)
{
	enum db_result result = trace_table_size(tx, trace_id, &s->size);

	s->is_known = result == DB_OK;
	s->last_resource = UINT32_MAX;
	return result == DB_NOT_FOUND ? DB_OK : result;
}

/* A trace without a stored piece gets no row: nothing would remove it. */
static enum db_result end_trace(struct db_connection *tx, const struct storing *s, const uint8_t *trace_id)
{
	struct db_query q;

	if (!s->is_known && !s->size.spans)
		return DB_OK;
	db_query(&q, tx, &put_size);
	db_bind_bytes(&q, trace_id, 16);
	db_bind_int(&q, s->size.spans);
	db_bind_int(&q, s->size.span_bytes);
	db_bind_int(&q, s->size.source_bytes);
	db_bind_int(&q, s->size.cut_spans);
	return db_end(&q);
}

static enum db_result store_job(struct db_connection *tx, void *arg)
{
	struct storing *s = arg;
	struct request_split_piece piece = {0};
	const uint8_t *trace_id = NULL;
	enum db_result result = DB_OK;

	while (result == DB_OK && request_split_next(s->pieces, &piece)) {
		if (!trace_id || memcmp(trace_id, piece.trace_id, 16) != 0) {
			if (trace_id)
				result = end_trace(tx, s, trace_id);
			if (result == DB_OK)
				result = begin_trace(tx, s, piece.trace_id);
			trace_id = piece.trace_id;
		}
		if (result == DB_OK)
			result = store_piece(tx, s, &piece);
	}
	if (result == DB_OK && trace_id)
		result = end_trace(tx, s, trace_id);
	return result == DB_OK ? trace_table_make_room(tx) : result;
}

static void *zeros(size_t count, size_t size)
{
	void *items = calloc(count + 1, size);

	if (!items)
		abort();
	return items;
}

enum db_result trace_table_insert(struct database *database, const struct request_split *pieces,
				  struct trace_table_inserted *out)
{
	struct storing s = {.pieces = pieces,
			    .resources = zeros(pieces->resource_count, sizeof(struct known)),
			    .sources = zeros(pieces->source_count, sizeof(struct known)),
			    .hashes = zeros(pieces->index_count, sizeof(uint64_t))};

	buf_init(&s.spans, LIMIT_TRACE_SPAN_BYTES);
	buf_init(&s.fields, REQUEST_SPLIT_BYTES_MAX);
	enum db_result result = db_write(database, &insert_piece, store_job, &s);
	if (result == DB_OK)
		remember(s.hashes, s.hash_count);
	*out = s.stored;
	free(s.resources);
	free(s.sources);
	free(s.hashes);
	buf_done(&s.spans);
	buf_done(&s.fields);
	return result;
}
