/* SPDX-License-Identifier: MIT */
/* A log named "test" in a temporary directory, for the tests of what writes logs. */
#ifndef APM_TESTS_LOG_FIXTURE_H
#define APM_TESTS_LOG_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "metrics_text.h"
#include "tel/src/log.h"
#include "temporary.h"

extern char log_path[300];

/* Set up and tear down a group of tests; make_log_directory alone is for a test that starts the library itself. */
int make_log_directory(void **state);
int log_fixture_setup(void **state);
int log_fixture_teardown(void **state); /* fails when a test has left a file */

/* Set up and tear down a test. */
int fresh_log(void **state);
int end_log(void **state);
int start_counting(void **state); /* a fresh log and remember_counters */

#define WITH_LOG(test) cmocka_unit_test_setup_teardown(test, start_counting, end_log)

/* Count lines from remember_counters on. */
void remember_counters(void);
unsigned long written(void);
unsigned long dropped(void);

/* Returns the whole file as it is now; the caller frees it. */
char *read_file(const char *path, size_t *bytes);

/* Checks that every line is one JSON object in valid UTF-8. Returns how many there are. */
unsigned long check_lines(const char *data, size_t bytes);
unsigned long check_file(const char *path);

bool file_has(const char *path, const char *text);
void wait_until_file_has(const char *path, const char *text);

#endif
