/* SPDX-License-Identifier: MIT */
/* A trace store's database, whose clocks are moved at will, and requests that are stored in it. */
#ifndef APM_TESTS_TRACE_TABLE_FIXTURE_H
#define APM_TESTS_TRACE_TABLE_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "database_fixture.h"
#include "trace_request.h"
#include "trace_store/trace_table.h"

#define MIB (INT64_C(1) << 20)

extern struct database *database;
extern struct db_connection *db;
extern _Atomic uint64_t passed_ns; /* besides the time that passes by itself */
extern struct clock_source real;   /* the clocks that go on by themselves */

/* Set up and tear down a test; open_traces leaves the clocks alone. */
int open_store(void **state);
int open_traces(void **state);
int close_store(void **state);

/* Opens the database once more, after a test has closed it. */
void open_cache(void);

/* Stores one request of `service` with a span of each of the traces from..to-1. */
void store_spans(const char *service, uint32_t from, uint32_t to, uint32_t number, size_t filler,
		 request_split_keep *keep);

/* Returns a stored trace, which lives until the next call; NULL when it is not there. */
const struct trace *trace_of(uint32_t number);

struct trace_summary {
	uint64_t start_ns, end_ns;
	struct slice root_name, root_service;
};

/* Returns how many spans of a trace are stored. What `summary` points at lives until the next call. */
uint64_t spans_of(uint32_t number, struct trace_summary *summary);

#endif
