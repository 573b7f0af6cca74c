/* SPDX-License-Identifier: MIT */
/*
 * Group commit. There is no writer thread: the first thread that finds nobody leading takes all jobs that wait, runs
 * them in one transaction and wakes their owners. Alone it costs no thread switch; together they share one fsync, and
 * while it runs the next group gathers. Its first one leads in turn, after a moment for others to come.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>

#include "base/clock.h"
#include "database/connection.h"

#define PATIENCE_MAX_NS (2 * NS_PER_MS) /* of a leader, for company */

struct write {
	db_job *job;
	void *arg;
	enum db_result result;
	int error_code;
	char error_text[sizeof(((struct db_connection *)0)->error_text)];
	bool done;  /* set before `turn` */
	sem_t turn; /* its owner sleeps here until the write is done or its turn to lead has come */
	struct write *next;
};

/* ---- one group, on the leader's thread ---- */

/* They run several times a write: parsing them each time would cost more than they do. */
static bool run_statement(struct db_connection *tx, int which)
{
	static const char *const sql[WRITE_STATEMENTS] = {
		[WRITE_BEGIN] = "BEGIN IMMEDIATE",
		[WRITE_SAVE] = "SAVEPOINT job",
		[WRITE_KEEP] = "RELEASE job",
		[WRITE_COMMIT] = "COMMIT",
	};
	sqlite3_stmt **statement = &tx->database->statements[which];
	int rc = SQLITE_OK;

	tx->error_code = errno = 0;
	if (!*statement)
		rc = sqlite3_prepare_v3(tx->sqlite, sql[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(*statement);
	if (rc != SQLITE_DONE)
		connection_failed(tx, rc);
	sqlite3_reset(*statement);
	return rc == SQLITE_DONE;
}

static void finish(struct write *w, struct db_connection *tx, enum db_result result)
{
	w->result = result;
	w->error_code = result == DB_OK ? 0 : tx->error_code;
	snprintf(w->error_text, sizeof(w->error_text), "%s", w->error_code ? tx->error_text : "");
	if (result >= DB_UNAVAILABLE && tx->error_code != SQLITE_READONLY_DBMOVED)
		watch_failed(tx->database, tx->error_code, tx->error_errno);
}

/* For lack of memory it may fail; then the next group does it. */
static bool roll_back(struct db_connection *tx)
{
	return sqlite3_get_autocommit(tx->sqlite) || connection_exec(tx, "ROLLBACK");
}

/* The transaction is gone: jobs that had succeeded or not begun have failed, the others keep what they came to. */
static void fail_group(struct write *first, struct db_connection *tx)
{
	enum db_result result = result_of(tx->error_code);

	if (result != DB_BUSY && result != DB_UNAVAILABLE)
		result = DB_FAILED;
	for (struct write *w = first; w; w = w->next)
		if (w->result == DB_OK)
			finish(w, tx, result);
	if (result == DB_FAILED)
		watch_refused(tx->database);
	roll_back(tx);
}

/* False: SQLite has rolled back the whole transaction (disk full, I/O error). */
static bool run_job(struct write *w, struct db_connection *tx)
{
	if (!run_statement(tx, WRITE_SAVE)) {
		finish(w, tx, result_of(tx->error_code));
		return !sqlite3_get_autocommit(tx->sqlite);
	}
	finish(w, tx, w->job(tx, w->arg));
	if (w->result == DB_FAILED)
		watch_refused(tx->database);
	if (sqlite3_get_autocommit(tx->sqlite))
		return false;
	if (w->result == DB_OK)
		return run_statement(tx, WRITE_KEEP);
	return connection_exec(tx, "ROLLBACK TO job; RELEASE job");
}

/* False: what is written now would not be found at the path. */
static bool in_place(struct db_connection *tx)
{
	if (watch_look(tx->database))
		return true;
	connection_moved(tx);
	return false;
}

static bool begin(struct db_connection *tx)
{
	bool begun = run_statement(tx, WRITE_BEGIN);

	if (begun || result_of(tx->error_code) == DB_BUSY)
		watch_locked(tx->database, !begun);
	return begun;
}

/*
 * The files are looked at before the commit, so that nothing is written that is refused, and after it, so that nothing
 * is acknowledged that went elsewhere in between. A look costs 4 µs.
 */
static void run_group(struct write *first, struct db_connection *tx)
{
	struct write *w = first;

	if (!watch_in_place(tx->database)) {
		connection_moved(tx);
		fail_group(first, tx);
		return;
	}
	if (!roll_back(tx) || !begin(tx)) {
		fail_group(first, tx);
		return;
	}
	tx->in_transaction = true;
	while (w && run_job(w, tx))
		w = w->next;
	tx->in_transaction = false;
	if (w || !in_place(tx) || !run_statement(tx, WRITE_COMMIT) || !in_place(tx))
		fail_group(first, tx);
}

/* ---- beside the groups ---- */

/* Somebody has removed the log, which is still open here: what was acknowledged goes into the database. */
static void rescue(struct database *database)
{
	sqlite3 *sqlite = database->writer->sqlite;

	database->rescued = sqlite3_wal_checkpoint_v2(sqlite, NULL, SQLITE_CHECKPOINT_FULL, NULL, NULL) == SQLITE_OK;
}

/* ---- leader and followers ---- */

void writer_init(struct database *database)
{
	pthread_mutex_init(&database->lock, NULL);
	database->last = &database->first;
	wal_init(database);
}

void writer_done(struct database *database)
{
	for (int which = 0; which < WRITE_STATEMENTS; which++)
		sqlite3_finalize(database->statements[which]);
	pthread_mutex_destroy(&database->lock);
}

static bool enqueue(struct database *database, struct write *w)
{
	if (database->waiting >= DB_QUEUE_MAX)
		return false;
	database->waiting++;
	*database->last = w;
	database->last = &w->next;
	return true;
}

static struct write *take_all(struct database *database)
{
	struct write *first = database->first;

	database->group_size = database->waiting;
	database->first = NULL;
	database->last = &database->first;
	database->waiting = 0;
	return first;
}

/* Without the lock, for which they would queue up. A write is gone as soon as its owner is woken. */
static void wake_group(struct write *first, const struct write *own)
{
	for (struct write *w = first, *next; w; w = next) {
		next = w->next;
		w->done = true;
		if (w != own)
			sem_post(&w->turn);
	}
}

/* Writers that came together will come so again: a moment's patience saves them a commit of their own. */
static void wait_for_company(const struct database *database)
{
	if (database->group_size > 1)
		clock_sleep_until(clock_monotonic_ns() + database->patience_ns);
}

/* To the first of those that wait, if any. */
static void hand_over(struct database *database)
{
	pthread_mutex_lock(&database->lock);
	struct write *next = database->first;
	database->leading = next != NULL;
	pthread_mutex_unlock(&database->lock);
	if (next)
		sem_post(&next->turn);
}

/* The caller has its turn: `own` is the first of those that wait. */
static void lead(struct database *database, struct write *own)
{
	wait_for_company(database);
	pthread_mutex_lock(&database->lock);
	struct write *group = take_all(database);
	pthread_mutex_unlock(&database->lock);

	uint64_t start_ns = clock_monotonic_ns();
	database->watch.writing_since_ns = start_ns;
	run_group(group, database->writer);
	uint64_t half_ns = (clock_monotonic_ns() - start_ns) / 2;
	database->patience_ns = half_ns < PATIENCE_MAX_NS ? half_ns : PATIENCE_MAX_NS;
	wake_group(group, own);
	/* The group need not wait for this. */
	if (watch_log_lost(database))
		rescue(database);
	else if (watch_in_place(database))
		wal_tend(database);
	database->watch.writing_since_ns = 0;
	hand_over(database);
}

/* Waits for the turn and leads, or is served by another. False: the queue is full. */
static bool run(struct database *database, struct write *w)
{
	pthread_mutex_lock(&database->lock);
	bool queued = enqueue(database, w);
	bool leads = queued && !database->leading;
	database->leading |= leads;
	pthread_mutex_unlock(&database->lock);
	if (!queued)
		return false;
	while (!leads && sem_wait(&w->turn) != 0)
		; /* a signal */
	if (!w->done)
		lead(database, w);
	return true;
}

/* Writes what is there already: a page all the same. */
static enum db_result change_nothing(struct db_connection *tx, void *arg)
{
	int64_t version;
	char sql[48];

	(void)arg;
	if (!connection_int(tx, "PRAGMA user_version", &version))
		return result_of(tx->error_code);
	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", (int)version);
	return connection_exec(tx, sql) ? DB_OK : result_of(tx->error_code);
}

void writer_try(struct database *database)
{
	struct write w = {.job = change_nothing};

	sem_init(&w.turn, 0, 0);
	run(database, &w);
	sem_destroy(&w.turn);
}

/* Nobody waits for the lock in this: writers may come. */
static void try_lock(struct db_connection *tx)
{
	sqlite3_busy_timeout(tx->sqlite, 0);
	if (begin(tx))
		roll_back(tx);
	sqlite3_busy_timeout(tx->sqlite, (int)busy_time_out_ms());
}

/* The turn, when nobody has it: hand_over() gives it back. */
static bool take_turn(struct database *database)
{
	pthread_mutex_lock(&database->lock);
	bool free = !database->leading;
	database->leading = true;
	pthread_mutex_unlock(&database->lock);
	return free;
}

void writer_rest(struct database *database)
{
	if (!take_turn(database))
		return;                                          /* who leads sees to all that */
	database->watch.writing_since_ns = clock_monotonic_ns(); /* its syncs may hang as well */
	if (watch_in_place(database) && roll_back(database->writer)) {
		try_lock(database->writer);
		wal_rest(database);
	}
	database->watch.writing_since_ns = 0;
	hand_over(database);
}

bool database_forgo_durability(struct database *database)
{
	while (!take_turn(database))
		clock_sleep_until(clock_monotonic_ns() + NS_PER_MS); /* the watch looks after a new database */
	bool good = connection_exec(database->writer, "PRAGMA synchronous = NORMAL");
	if (!good)
		tel_error("the database takes no setting", tel_str("path", database->path),
			  tel_str("error", database->writer->error_text));
	hand_over(database);
	return good;
}

enum db_result db_write(struct database *database, struct db_statement *main_statement, db_job *job, void *arg)
{
	struct write w = {.job = job, .arg = arg};
	struct db_operation operation;

	sem_init(&w.turn, 0, 0);
	operation_start(&operation, database, main_statement);
	if (!run(database, &w)) {
		w.result = DB_BUSY;
		w.error_code = SQLITE_BUSY;
	}
	operation_end(&operation, database, w.result, w.error_code, w.error_text);
	sem_destroy(&w.turn);
	return w.result;
}
