/* SPDX-License-Identifier: MIT */
/* A database in a temporary directory, which is DATA_DIR and SCHEMA_DIR. */
#ifndef APM_TESTS_DATABASE_FIXTURE_H
#define APM_TESTS_DATABASE_FIXTURE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cmocka_all.h"
#include "database/database.h"
#include "metrics_text.h"
#include "temporary.h"
#include "wait_until.h"

/* Set up and tear down a test. */
int make_dir(void **state);
int remove_dir(void **state);

/* Writes a file of the directory, such as the schema NAME.sql. */
void write_file(const char *name, const char *text);

const char *database_path(const char *name);

/* Look at the file from outside, and change it. */
sqlite3 *open_outside(const char *name);
int64_t number_of(const char *name, const char *sql);
void run_outside(const char *name, const char *sql);

#endif
