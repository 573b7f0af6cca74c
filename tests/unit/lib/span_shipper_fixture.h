/* SPDX-License-Identifier: MIT */
/*
 * The shipper in a time of its own: it follows a log which is written, rotated and truncated here, and sends to a
 * collector here. Every span that the log holds has a number as its id.
 */
#ifndef APM_TESTS_SPAN_SHIPPER_FIXTURE_H
#define APM_TESTS_SPAN_SHIPPER_FIXTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmocka_all.h"
#include "gateway/checkpoint.h"
#include "gateway/span_shipper.h"
#include "temporary.h"
#include "tiny_server.h"
#include "virtual_clock.h"

#define LOG "api-gateway.log"
#define SPANS_MAX 400000

/* Set up and tear down a test. */
int shipper_setup(void **state);
int shipper_setup_in_real_time(void **state);
int shipper_teardown(void **state);

/* Start and stop the shipper; for a child, in which nothing may be asserted, and for a test. */
int start_parts(void);
void stop_parts(void);
void start(void);
uint64_t stop(void); /* returns the milliseconds that it took */

extern struct tiny_server span_collector;
extern atomic_uchar seen[SPANS_MAX]; /* how often the collector has had each span */
extern atomic_uint seen_count;

extern uint64_t last_id; /* of the spans in the log */

/* Makes a line with a SERVER span and a CLIENT span, whose ids are the next two numbers. Returns its length. */
size_t next_line(char *out, size_t size, const char *flags);
void write_lines(const char *name, unsigned count);

/* Waits until the collector has had so many spans, twice sent ones included. */
void wait_until_seen(uint64_t count);

/* Returns how many spans came twice; none may be missing. */
unsigned count_repeats(void);
void assert_each_once(void);

/* Returns whether the checkpoint stands at the end of the log. */
bool is_shipped(void);

/* Returns whether the shipper's own log has the text. */
bool log_says(const char *text);

#endif
