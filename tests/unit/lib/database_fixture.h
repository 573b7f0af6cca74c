/* SPDX-License-Identifier: MIT */
/* A database in a temporary directory, and the spans that were ended. */
#ifndef APM_TESTS_DATABASE_FIXTURE_H
#define APM_TESTS_DATABASE_FIXTURE_H

#include <dirent.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cmocka_all.h"
#include "metrics_text.h"
#include "database/database.h"
#include "tel/src/span.h"

/* ---- directory ---- */

static char fixture_dir[256];

static inline void write_file(const char *name, const char *text)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", fixture_dir, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* An empty directory, which is DATA_DIR and SCHEMA_DIR (NAME.sql). */
static inline int make_dir(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(fixture_dir, sizeof(fixture_dir), "%s/apm-store-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(fixture_dir));
	setenv("DATA_DIR", fixture_dir, 1);
	setenv("SCHEMA_DIR", fixture_dir, 1);
	unsetenv("SEED_DIR");
	setenv("BUSY_TIMEOUT_MS", "200", 1);
	return 0;
}

static inline int remove_dir(void **state)
{
	DIR *dir = opendir(fixture_dir);

	(void)state;
	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	return rmdir(fixture_dir);
}

static inline const char *database_path(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s.db", fixture_dir, name);
	return path;
}

/* ---- a look at the file from outside ---- */

static inline sqlite3 *open_outside(const char *name)
{
	sqlite3 *sqlite;

	assert_int_equal(sqlite3_open(database_path(name), &sqlite), SQLITE_OK);
	sqlite3_busy_timeout(sqlite, 5000);
	return sqlite;
}

static inline int64_t number_of(const char *name, const char *sql)
{
	sqlite3 *sqlite = open_outside(name);
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(sqlite, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(sqlite));
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	int64_t number = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(sqlite);
	return number;
}

static inline void run_outside(const char *name, const char *sql)
{
	sqlite3 *sqlite = open_outside(name);

	if (sqlite3_exec(sqlite, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(sqlite));
	sqlite3_close(sqlite);
}

/* ---- waiting ---- */

/* Three times as long where the processors have other tests to run as well. */
#define WAIT_UNTIL(condition, seconds)                                                                                 \
	do {                                                                                                           \
		uint64_t deadline_ = clock_monotonic_ns() + (uint64_t)((seconds)*3e9);                                 \
		while (!(condition)) {                                                                                 \
			if (clock_monotonic_ns() > deadline_)                                                          \
				fail_msg("waited %g s in vain: %s", (seconds)*3.0, #condition);                        \
			nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);                                       \
		}                                                                                                      \
	} while (0)

/* ---- spans ---- */

#define SPANS_MAX 64

static struct span fixture_spans[SPANS_MAX];
static unsigned fixture_span_count;
static pthread_mutex_t fixture_spans_lock = PTHREAD_MUTEX_INITIALIZER;

static inline void keep_span(const struct span *span)
{
	pthread_mutex_lock(&fixture_spans_lock);
	if (fixture_span_count < SPANS_MAX)
		memcpy(&fixture_spans[fixture_span_count++], span, span_size(span));
	pthread_mutex_unlock(&fixture_spans_lock);
}

static inline void keep_spans(void)
{
	static const struct sampler all = {.parent_based = true};

	fixture_span_count = 0;
	span_configure(true, &all, keep_span);
}

static inline unsigned span_count(void)
{
	pthread_mutex_lock(&fixture_spans_lock);
	unsigned count = fixture_span_count;
	pthread_mutex_unlock(&fixture_spans_lock);
	return count;
}

/* The text of a string attribute; NULL: not set. */
static inline const char *span_text(const struct span *span, const char *key)
{
	static char copy[8][128];
	static unsigned turn;

	for (uint32_t at = 0; at < span->used;) {
		const struct span_entry *entry = (const struct span_entry *)(span->data + at);
		at += (uint32_t)span_entry_size(entry);
		if (entry->kind != SPAN_ATTRIBUTE || strcmp(entry->key, key) != 0)
			continue;
		if (entry->type == TEL_TYPE_LITERAL)
			return entry->value.text;
		char *out = copy[turn++ % 8];
		snprintf(out, sizeof(copy[0]), "%.*s", (int)entry->bytes, span_entry_bytes(entry));
		return out;
	}
	return NULL;
}

/* True when the span links to these ids: 16 bytes of the trace, 8 of the span. */
static inline bool span_links(const struct span *span, const uint8_t ids[SPAN_LINK_BYTES])
{
	bool linked = false;

	for (uint32_t at = 0; at < span->used;) {
		const struct span_entry *entry = (const struct span_entry *)(span->data + at);
		at += (uint32_t)span_entry_size(entry);
		linked |= entry->kind == SPAN_LINK && memcmp(span_entry_bytes(entry), ids, SPAN_LINK_BYTES) == 0;
	}
	return linked;
}

/* ---- metrics ---- */

/* The value of the line of the exposition that begins with `series`; -1: there is none. */
static inline double metric(const char *series)
{
	double value = -1;
	BUF(text, 1 << 20);

	metrics_text(&text, tel_metrics_content_type(NULL));
	assert_false(text.failed);
	for (const char *line = text.data; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, series, strlen(series)) == 0 && line[strlen(series)] == ' ')
			value = strtod(line + strlen(series), NULL);
	}
	return value;
}

#endif
