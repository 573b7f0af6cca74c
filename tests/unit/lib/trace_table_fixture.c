/* SPDX-License-Identifier: MIT */
#include "trace_table_fixture.h"

#include <stdio.h>

#include "cmocka_all.h"
#include "trace_store/trace_reader.h"

struct database *database;
struct db_connection *db;
_Atomic uint64_t passed_ns;
struct clock_source real;

static uint64_t later_wall(void)
{
	return real.realtime_ns() + passed_ns;
}

static uint64_t later(void)
{
	return real.monotonic_ns() + passed_ns;
}

static void copy_schema(void)
{
	char text[8192];
	FILE *file = fopen("db/schema/traces.sql", "r");

	assert_non_null(file); /* tests run in the project's root */
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	write_file("traces.sql", text);
}

void open_cache(void)
{
	database = database_open_cache("traces");
	assert_non_null(database);
	assert_true(database_forgo_durability(database));
	db = db_connection_open(database);
	assert_non_null(db);
}

int open_traces(void **state)
{
	make_dir(state);
	copy_schema();
	open_cache();
	trace_table_init(256 * MIB, 3600000);
	return 0;
}

int open_store(void **state)
{
	real = clock_source;
	clock_source.realtime_ns = later_wall;
	clock_source.monotonic_ns = later;
	return open_traces(state);
}

int close_store(void **state)
{
	db_connection_close(db);
	database_close(database);
	clock_source = real;
	return remove_dir(state);
}

void store_spans(const char *service, uint32_t from, uint32_t to, uint32_t number, size_t filler,
		 request_split_keep *keep)
{
	BUF(request, REQUEST_SPLIT_BYTES_MAX);
	size_t begins[2];
	struct request_split p;
	struct trace_table_inserted stored;

	request_begin(&request, service, begins);
	for (uint32_t trace = from; trace < to; trace++)
		add_span(&request,
			 &(struct test_span){trace, number, number - 1, "name", 2, 0, 1000 * number, 5000 * number},
			 filler);
	request_end(&request, begins);
	assert_int_equal(request_split_read(&p, (struct slice){request.data, request.len}, keep, NULL),
			 REQUEST_SPLIT_OK);
	assert_int_equal(trace_table_insert(database, &p, &stored), DB_OK);
	request_split_done(&p);
}

const struct trace *trace_of(uint32_t number)
{
	uint8_t id[16];
	static struct trace trace;
	static struct budget budget;
	struct trace_reader reader;

	trace_id_of(number, id);
	trace_done(&trace);
	budget_init(&budget, BUDGET_STEPS, CLOCK_NEVER / 2);
	trace_init(&trace, &budget);
	trace_reader_init(&reader, db);
	enum db_result result = trace_reader_load(&reader, id, &trace);
	trace_reader_done(&reader);
	if (result == DB_NOT_FOUND)
		return NULL;
	assert_int_equal(result, DB_OK);
	assert_false(budget.spent);
	return &trace;
}

uint64_t spans_of(uint32_t number, struct trace_summary *summary)
{
	const struct trace *trace = trace_of(number);

	if (!trace)
		return 0;
	*summary = (struct trace_summary){trace->start_ns, trace->end_ns, trace->root_name, trace->root_service};
	return trace->span_count;
}
