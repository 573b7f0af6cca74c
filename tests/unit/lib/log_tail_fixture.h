/* SPDX-License-Identifier: MIT */
/* A log that is followed, in a directory and a time of its own. */
#ifndef APM_TESTS_LOG_TAIL_FIXTURE_H
#define APM_TESTS_LOG_TAIL_FIXTURE_H

#include <stdint.h>

#include "base/buf.h"
#include "cmocka_all.h"
#include "gateway/checkpoint.h"
#include "gateway/log_tail.h"
#include "temporary.h"

#define LOG "api-gateway.log"
#define SECOND UINT64_C(1000000000)

extern struct log_tail tail;
extern struct log_position position; /* where it goes on at the next start */
extern uint64_t now_ns;

/* Sets a test up; temporary_teardown tears it down. */
int log_tail_setup(void **state);

void start_following(void);

/* Keeps the position in a checkpoint, where a new start goes on. */
void stop_following(void);

/* Tells what is read up to the next pause, as in "one two [rotated] three"; an empty line is "()". */
void tell(struct buf *out);
const char *read_all(void);

/* Tells what comes as time goes by, until nothing has come for longer than the time of grace. */
const char *read_later(void);

/* Files are told apart by when they were written to: gives each test's files an order. */
void set_age(const char *name, int seconds);

#define ASSERT_READ(expected) assert_string_equal(read_all(), expected)
#define ASSERT_READ_LATER(expected) assert_string_equal(read_later(), expected)
#define TEST(name) cmocka_unit_test_setup_teardown(name, log_tail_setup, temporary_teardown)

#endif
