/* SPDX-License-Identifier: MIT */
#include "database/writer.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>

#include "base/clock.h"

#define PATIENCE_MAX_NS (2 * NS_PER_MS) /* for which a leader waits for company */

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

/* These run several times a write: to parse them each time would cost more than to run them. */
static bool run_statement(struct writer *writer, int which)
{
	static const char *const sql[WRITE_STATEMENTS] = {
		[WRITE_BEGIN] = "BEGIN IMMEDIATE",
		[WRITE_SAVE] = "SAVEPOINT job",
		[WRITE_KEEP] = "RELEASE job",
		[WRITE_COMMIT] = "COMMIT",
	};
	struct db_connection *tx = writer->db;
	sqlite3_stmt **statement = &writer->statements[which];
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
		vitals_failed(tx->vitals, tx->error_code, tx->error_errno);
}

/* May fail for lack of memory; then the next group does it. */
static bool roll_back(struct db_connection *tx)
{
	return sqlite3_get_autocommit(tx->sqlite) || connection_exec(tx, "ROLLBACK");
}

/* The transaction is lost: jobs that had succeeded or not begun have failed, the others keep their results. */
static void fail_group(struct write *first, struct db_connection *tx)
{
	enum db_result result = db_result_of(tx->error_code);

	if (result != DB_BUSY && result != DB_UNAVAILABLE)
		result = DB_FAILED;
	for (struct write *w = first; w; w = w->next)
		if (w->result == DB_OK)
			finish(w, tx, result);
	if (result == DB_FAILED)
		vitals_refused(tx->vitals);
	roll_back(tx);
}

/* Returns false if SQLite has rolled back the whole transaction (disk full, I/O error). */
static bool run_job(struct writer *writer, struct write *w)
{
	struct db_connection *tx = writer->db;

	if (!run_statement(writer, WRITE_SAVE)) {
		finish(w, tx, db_result_of(tx->error_code));
		return !sqlite3_get_autocommit(tx->sqlite);
	}
	finish(w, tx, w->job(tx, w->arg));
	if (w->result == DB_FAILED)
		vitals_refused(tx->vitals);
	if (sqlite3_get_autocommit(tx->sqlite))
		return false;
	if (w->result == DB_OK)
		return run_statement(writer, WRITE_KEEP);
	return connection_exec(tx, "ROLLBACK TO job; RELEASE job");
}

/* Returns false if a write would not be found at the path. */
static bool in_place(struct db_connection *tx)
{
	if (vitals_look(tx->vitals))
		return true;
	connection_moved(tx);
	return false;
}

static bool begin(struct writer *writer)
{
	bool begun = run_statement(writer, WRITE_BEGIN);

	if (begun || db_result_of(writer->db->error_code) == DB_BUSY)
		vitals_locked(writer->vitals, !begun);
	return begun;
}

/*
 * Looks at the files before the commit, so that nothing is written that is refused, and after it, so that nothing is
 * acknowledged that went elsewhere in between. A look costs 4 µs.
 */
static void run_group(struct writer *writer, struct write *first)
{
	struct db_connection *tx = writer->db;
	struct write *w = first;

	if (!vitals_in_place(tx->vitals)) {
		connection_moved(tx);
		fail_group(first, tx);
		return;
	}
	if (!roll_back(tx) || !begin(writer)) {
		fail_group(first, tx);
		return;
	}
	tx->in_transaction = true;
	while (w && run_job(writer, w))
		w = w->next;
	tx->in_transaction = false;
	if (w || !in_place(tx) || !run_statement(writer, WRITE_COMMIT) || !in_place(tx))
		fail_group(first, tx);
}

/* The log was removed while it is open here: copies what was acknowledged into the database. */
static void rescue(struct writer *writer)
{
	writer->vitals->rescued = sqlite3_wal_checkpoint_v2(writer->db->sqlite, NULL, SQLITE_CHECKPOINT_FULL, NULL,
							    NULL) == SQLITE_OK;
}

/* ---- leader and followers ---- */

void writer_init(struct writer *writer, struct vitals *vitals)
{
	pthread_mutex_init(&writer->lock, NULL);
	writer->vitals = vitals;
	writer->last = &writer->first;
	wal_init(&writer->wal, vitals);
}

void writer_done(struct writer *writer)
{
	for (int which = 0; which < WRITE_STATEMENTS; which++)
		sqlite3_finalize(writer->statements[which]);
	connection_free(writer->db);
	pthread_mutex_destroy(&writer->lock);
}

static bool enqueue(struct writer *writer, struct write *w)
{
	if (writer->waiting >= WRITER_QUEUE_MAX)
		return false;
	writer->waiting++;
	*writer->last = w;
	writer->last = &w->next;
	return true;
}

static struct write *take_all(struct writer *writer)
{
	struct write *first = writer->first;

	writer->group_size = writer->waiting;
	writer->first = NULL;
	writer->last = &writer->first;
	writer->waiting = 0;
	return first;
}

/* Runs without the lock, for which they would queue up. A write is gone as soon as its owner is woken. */
static void wake_group(struct write *first, const struct write *own)
{
	for (struct write *w = first, *next; w; w = next) {
		next = w->next;
		w->done = true;
		if (w != own)
			sem_post(&w->turn);
	}
}

/* Writers that came together will come together again: a moment's patience saves them a commit of their own. */
static void wait_for_company(const struct writer *writer)
{
	if (writer->group_size > 1)
		clock_sleep_until(clock_monotonic_ns() + writer->patience_ns);
}

/* Gives the turn to the first of those that wait, if any. */
static void hand_over(struct writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	struct write *next = writer->first;
	writer->leading = next != NULL;
	pthread_mutex_unlock(&writer->lock);
	if (next)
		sem_post(&next->turn);
}

/* The caller has its turn: `own` is the first of those that wait. */
static void lead(struct writer *writer, struct write *own)
{
	wait_for_company(writer);
	pthread_mutex_lock(&writer->lock);
	struct write *group = take_all(writer);
	pthread_mutex_unlock(&writer->lock);

	uint64_t start_ns = clock_monotonic_ns();
	writer->vitals->writing_since_ns = start_ns;
	run_group(writer, group);
	uint64_t half_ns = (clock_monotonic_ns() - start_ns) / 2;
	writer->patience_ns = half_ns < PATIENCE_MAX_NS ? half_ns : PATIENCE_MAX_NS;
	wake_group(group, own);
	/* The group need not wait for this. */
	if (vitals_log_lost(writer->vitals))
		rescue(writer);
	else if (vitals_in_place(writer->vitals))
		wal_tend(&writer->wal);
	writer->vitals->writing_since_ns = 0;
	hand_over(writer);
}

/* Waits for the turn and leads, or is served by another thread. Returns false if the queue is full. */
static bool take_part(struct writer *writer, struct write *w)
{
	pthread_mutex_lock(&writer->lock);
	bool queued = enqueue(writer, w);
	bool leads = queued && !writer->leading;
	writer->leading |= leads;
	pthread_mutex_unlock(&writer->lock);
	if (!queued)
		return false;
	while (!leads && sem_wait(&w->turn) != 0)
		; /* a signal */
	if (!w->done)
		lead(writer, w);
	return true;
}

/* Writes the version that is there already, which takes a page all the same. */
static enum db_result change_nothing(struct db_connection *tx, void *arg)
{
	int64_t version;
	char sql[48];

	(void)arg;
	if (!connection_int(tx, "PRAGMA user_version", &version))
		return db_result_of(tx->error_code);
	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", (int)version);
	return connection_exec(tx, sql) ? DB_OK : db_result_of(tx->error_code);
}

/* Does not wait for the lock: writers may come. */
static void try_lock(struct writer *writer)
{
	struct db_connection *tx = writer->db;

	sqlite3_busy_timeout(tx->sqlite, 0);
	if (begin(writer))
		roll_back(tx);
	sqlite3_busy_timeout(tx->sqlite, (int)database_lock_timeout_ms());
}

/* Takes the turn if nobody has it; hand_over() gives it back. */
static bool take_turn(struct writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	bool free = !writer->leading;
	writer->leading = true;
	pthread_mutex_unlock(&writer->lock);
	return free;
}

void writer_rest(struct writer *writer)
{
	if (!take_turn(writer))
		return;                                          /* the leader does all that */
	writer->vitals->writing_since_ns = clock_monotonic_ns(); /* a checkpoint's syncs may hang as well */
	if (vitals_in_place(writer->vitals) && roll_back(writer->db)) {
		try_lock(writer);
		wal_rest(&writer->wal);
	}
	writer->vitals->writing_since_ns = 0;
	hand_over(writer);
}

bool writer_forgo_durability(struct writer *writer)
{
	while (!take_turn(writer))
		clock_sleep_until(clock_monotonic_ns() + NS_PER_MS); /* the watch tends a new database */
	bool good = connection_exec(writer->db, "PRAGMA synchronous = NORMAL");
	if (!good)
		tel_error("the database takes no setting", tel_str("path", writer->vitals->location->path),
			  tel_str("error", writer->db->error_text));
	hand_over(writer);
	return good;
}

static void run(struct writer *writer, struct write *w)
{
	sem_init(&w->turn, 0, 0);
	if (!take_part(writer, w)) {
		w->result = DB_BUSY;
		w->error_code = SQLITE_BUSY;
	}
	sem_destroy(&w->turn);
}

enum db_result writer_run(struct writer *writer, db_job *job, void *arg)
{
	struct write w = {.job = job, .arg = arg};

	run(writer, &w);
	return w.result;
}

enum db_result writer_write(struct writer *writer, const struct db_statement *main_statement, db_job *job, void *arg)
{
	struct write w = {.job = job, .arg = arg};
	struct db_operation operation;

	db_operation_start(&operation, writer->vitals->location->name, main_statement);
	run(writer, &w);
	db_operation_end(&operation, w.result, w.error_code, w.error_text);
	return w.result;
}

void writer_try(struct writer *writer)
{
	writer_run(writer, change_nothing, NULL);
}
