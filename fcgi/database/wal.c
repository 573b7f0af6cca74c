/* SPDX-License-Identifier: MIT */
#include "database/wal.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "database/connection.h"

#define STAYS_NS NS_PER_SECOND            /* a reader that is there for as long is not waited for at all */
#define SAY_AFTER_NS (5 * NS_PER_SECOND)  /* a reader holds the log, which is longer than its limit */
#define SAY_EVERY_NS (60 * NS_PER_SECOND) /* again, while it does */

TEL_GAUGE(size_gauge, "db.wal.size", "By", "Size of the database's write-ahead log.", "db.namespace");
TEL_GAUGE(pinned_gauge, "db.wal.pinned", "s",
	  "For how long one reader has kept the write-ahead log from starting over.", "db.namespace");

/* ---- checkpoints, by the thread that leads ---- */

static int on_commit(void *arg, sqlite3 *sqlite, const char *schema, int pages)
{
	struct database *database = arg;
	struct wal *wal = &database->wal;

	(void)sqlite;
	(void)schema;
	if (pages < wal->pages) { /* it has started over: nobody holds it */
		wal->due_pages = WAL_PAGES_DUE;
		wal->held_at = -1;
		wal->held_since_ns = 0;
	}
	wal->pages = pages;
	watch_written(database);
	return SQLITE_OK;
}

/* One that is held at the same page as before is held by the same reader. */
static void note_reader(struct wal *wal, int pages, int copied)
{
	int held_at = copied < pages ? copied : -1;

	if (held_at != wal->held_at)
		wal->held_since_ns = held_at < 0 ? 0 : clock_monotonic_ns();
	wal->held_at = held_at;
}

/* Waits for nobody. A failure is no harm: the next turn tries again. */
static void copy(struct database *database)
{
	int pages, copied;

	int rc = sqlite3_wal_checkpoint_v2(database->writer->sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages, &copied);
	database->wal.due_pages = database->wal.pages + WAL_PAGES_DUE;
	if (rc == SQLITE_OK)
		note_reader(&database->wal, pages, copied);
}

static uint64_t held_ns(const struct wal *wal)
{
	uint64_t since_ns = wal->held_since_ns, now_ns = clock_monotonic_ns();

	return since_ns && now_ns > since_ns ? now_ns - since_ns : 0;
}

/*
 * Those who read now end in a moment, and those who come meanwhile read the database itself; or this gives up. By
 * itself the log starts over only at a write that finds no reader in it, which under steady reading may never come.
 */
static void start_over(struct database *database)
{
	struct wal *wal = &database->wal;
	sqlite3 *sqlite = database->writer->sqlite;

	if (clock_monotonic_ns() < wal->next_start_ns || held_ns(wal) >= STAYS_NS)
		return;
	sqlite3_busy_timeout(sqlite, WAL_PATIENCE_MS);
	int rc = sqlite3_wal_checkpoint_v2(sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sqlite3_busy_timeout(sqlite, (int)busy_time_out_ms());
	if (rc == SQLITE_OK) {
		wal->pages = 0;
		wal->due_pages = WAL_PAGES_DUE;
		wal->held_at = -1;
		wal->held_since_ns = 0;
	}
	wal->next_start_ns = clock_monotonic_ns() + NS_PER_SECOND;
}

void wal_init(struct database *database)
{
	database->wal.due_pages = WAL_PAGES_DUE;
	database->wal.held_at = -1;
	database->wal.size = tel_series(&size_gauge, database->name);
	database->wal.pinned = tel_series(&pinned_gauge, database->name);
}

void wal_start(struct database *database)
{
	sqlite3_wal_hook(database->writer->sqlite, on_commit, database); /* replaces SQLite's own checkpoints */
	copy(database);
}

void wal_tend(struct database *database)
{
	const struct wal *wal = &database->wal;

	if (wal->pages < wal->due_pages)
		return;
	copy(database);
	if (wal->pages >= WAL_PAGES_LONG)
		start_over(database);
}

static int64_t size_of_log(const struct database *database)
{
	struct stat status;

	return stat(database->watch.paths[WATCH_LOG], &status) == 0 ? status.st_size : 0;
}

void wal_rest(struct database *database)
{
	bool is_long = size_of_log(database) > WAL_LIMIT_BYTES;

	if (is_long || database->wal.held_at >= 0)
		copy(database);
	if (is_long)
		start_over(database);
}

void wal_empty(struct database *database)
{
	database->wal.next_start_ns = 0;
	database->wal.held_since_ns = 0;
	start_over(database);
}

/* ---- what is said of it ---- */

static void say_held(struct database *database, double seconds, int64_t bytes)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (database->wal.said_ns && now_ns - database->wal.said_ns < SAY_EVERY_NS)
		return;
	database->wal.said_ns = now_ns;
	tel_warn("a reader keeps the write-ahead log from starting over, and it grows", tel_str("path", database->path),
		 tel_int("wal.bytes", bytes), tel_double("reader.seconds", seconds),
		 tel_lit("remedy", "end the transaction of who has the database open, such as a sqlite3 shell or a "
				   "copy of it (fuser shows them); writes go on meanwhile"));
}

void wal_tell(struct database *database)
{
	uint64_t age_ns = held_ns(&database->wal);
	int64_t bytes = size_of_log(database);

	tel_series_set(database->wal.size, (double)bytes);
	tel_series_set(database->wal.pinned, (double)age_ns / 1e9);
	if (age_ns >= SAY_AFTER_NS && bytes > WAL_LIMIT_BYTES) {
		say_held(database, (double)age_ns / 1e9, bytes);
	} else if (database->wal.said_ns && !age_ns) {
		database->wal.said_ns = 0;
		tel_info("the write-ahead log can start over again", tel_str("path", database->path),
			 tel_int("wal.bytes", bytes));
	}
}
