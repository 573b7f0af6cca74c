/* SPDX-License-Identifier: MIT */
#include "database/wal.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "tel/tel.h"

#define STAYS_NS NS_PER_SECOND            /* a reader that has been there for so long is not waited for */
#define LOG_AFTER_NS (5 * NS_PER_SECOND)  /* a reader that holds a log over its limit is logged after so long, */
#define LOG_EVERY_NS (60 * NS_PER_SECOND) /* and again so often */

TEL_GAUGE(size_gauge, "db.wal.size", "By", "Size of the database's write-ahead log.", "db.namespace");
TEL_GAUGE(pinned_gauge, "db.wal.pinned", "s",
	  "For how long one reader has kept the write-ahead log from starting over.", "db.namespace");

/* ---- checkpoints, by the thread that leads ---- */

static int on_commit(void *arg, sqlite3 *sqlite, const char *schema, int pages)
{
	struct wal *wal = arg;

	(void)sqlite;
	(void)schema;
	if (pages < wal->pages) { /* the log has started over: nobody holds it */
		wal->due_pages = WAL_PAGES_DUE;
		wal->held_at = -1;
		wal->held_since_ns = 0;
	}
	wal->pages = pages;
	vitals_written(wal->vitals);
	return SQLITE_OK;
}

/* A log that is held at the same page as before is held by the same reader. */
static void note_reader(struct wal *wal, int pages, int copied)
{
	int held_at = copied < pages ? copied : -1;

	if (held_at != wal->held_at)
		wal->held_since_ns = held_at < 0 ? 0 : clock_monotonic_ns();
	wal->held_at = held_at;
}

/* Copies the log into the database without waiting for anybody. A failure is harmless: the next turn tries again. */
static void copy(struct wal *wal)
{
	int pages, copied;

	int rc = sqlite3_wal_checkpoint_v2(wal->sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages, &copied);
	wal->due_pages = wal->pages + WAL_PAGES_DUE;
	if (rc == SQLITE_OK)
		note_reader(wal, pages, copied);
}

static uint64_t held_ns(const struct wal *wal)
{
	uint64_t since_ns = wal->held_since_ns, now_ns = clock_monotonic_ns();

	return since_ns && now_ns > since_ns ? now_ns - since_ns : 0;
}

/*
 * Makes the log start over: waits for its present readers to end, while new ones read the database itself, and gives up
 * after WAL_PATIENCE_MS. By itself the log starts over only at a write that finds no reader in it, which under steady
 * reading may never come.
 */
static void start_over(struct wal *wal)
{
	if (clock_monotonic_ns() < wal->next_start_ns || held_ns(wal) >= STAYS_NS)
		return;
	sqlite3_busy_timeout(wal->sqlite, WAL_PATIENCE_MS);
	int rc = sqlite3_wal_checkpoint_v2(wal->sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sqlite3_busy_timeout(wal->sqlite, (int)database_lock_timeout_ms());
	if (rc == SQLITE_OK) {
		wal->pages = 0;
		wal->due_pages = WAL_PAGES_DUE;
		wal->held_at = -1;
		wal->held_since_ns = 0;
	}
	wal->next_start_ns = clock_monotonic_ns() + NS_PER_SECOND;
}

void wal_init(struct wal *wal, struct vitals *vitals)
{
	wal->vitals = vitals;
	wal->due_pages = WAL_PAGES_DUE;
	wal->held_at = -1;
	wal->size = tel_series(&size_gauge, vitals->location->name);
	wal->pinned = tel_series(&pinned_gauge, vitals->location->name);
}

void wal_start(struct wal *wal, struct sqlite3 *sqlite)
{
	wal->sqlite = sqlite;
	sqlite3_wal_hook(sqlite, on_commit, wal); /* replaces SQLite's own checkpoints */
	copy(wal);
}

void wal_tend(struct wal *wal)
{
	if (wal->pages < wal->due_pages)
		return;
	copy(wal);
	if (wal->pages >= WAL_PAGES_LONG)
		start_over(wal);
}

static int64_t size_of_log(const struct wal *wal)
{
	struct stat status;

	return stat(wal->vitals->paths[FILE_LOG], &status) == 0 ? status.st_size : 0;
}

void wal_rest(struct wal *wal)
{
	bool is_long = size_of_log(wal) > WAL_LIMIT_BYTES;

	if (is_long || wal->held_at >= 0)
		copy(wal);
	if (is_long)
		start_over(wal);
}

void wal_empty(struct wal *wal)
{
	wal->next_start_ns = 0;
	wal->held_since_ns = 0;
	start_over(wal);
}

/* ---- metrics and log lines ---- */

static void log_reader(struct wal *wal, double seconds, int64_t bytes)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (wal->logged_ns && now_ns - wal->logged_ns < LOG_EVERY_NS)
		return;
	wal->logged_ns = now_ns;
	tel_warn("a reader keeps the write-ahead log from starting over, and it grows",
		 tel_str("path", wal->vitals->location->path), tel_int("wal.bytes", bytes),
		 tel_double("reader.seconds", seconds),
		 tel_lit("remedy", "end the transaction of who has the database open, such as a sqlite3 shell or a "
				   "copy of it (fuser shows them); writes go on meanwhile"));
}

void wal_report(struct wal *wal)
{
	uint64_t age_ns = held_ns(wal);
	int64_t bytes = size_of_log(wal);

	tel_series_set(wal->size, (double)bytes);
	tel_series_set(wal->pinned, (double)age_ns / 1e9);
	if (age_ns >= LOG_AFTER_NS && bytes > WAL_LIMIT_BYTES) {
		log_reader(wal, (double)age_ns / 1e9, bytes);
	} else if (wal->logged_ns && !age_ns) {
		wal->logged_ns = 0;
		tel_info("the write-ahead log can start over again", tel_str("path", wal->vitals->location->path),
			 tel_int("wal.bytes", bytes));
	}
}
