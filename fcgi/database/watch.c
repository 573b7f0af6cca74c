/* SPDX-License-Identifier: MIT */
#include "database/watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "database/connection.h"
#include "database/trouble.h"

#define LOOK_NS NS_PER_SECOND
#define LOCKED_NS (2 * NS_PER_SECOND) /* a lock that somebody else holds for as long is trouble */
#define STUCK_NS (3 * NS_PER_SECOND)  /* as is a write that takes as much longer than it may wait for the lock */

#define REFUSED_MOST 3                  /* so many writes in a row that no statement of ours should fail */
#define REFUSED_NS (10 * NS_PER_SECOND) /* and without another one for as long it is worth a try again */

/* Beside SQLite's codes, which are positive. */
#define STUCK (-1)   /* a write has begun and does not end */
#define REFUSED (-2) /* all writes fail */

static const char *const suffixes[WATCH_FILES] = {"", "-wal", "-shm"};

/* ---- where the files are ---- */

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The first `count` files. While one is open its number cannot be used anew, so the number tells. */
static int find_place(const struct watch *watch, int count)
{
	struct stat there;

	for (int i = 0; i < count; i++) {
		if (stat(watch->paths[i], &there) != 0)
			return PLACE_GONE + i;
		if (!is_same(&there, &watch->files[i]))
			return PLACE_REPLACED + i;
		if (i == WATCH_DATABASE && there.st_size == 0)
			return PLACE_EMPTIED;
	}
	return PLACE_OK;
}

static void tell_thread(struct watch *watch)
{
	pthread_mutex_lock(&watch->thread.lock);
	watch->news = true;
	thread_wake(&watch->thread);
	pthread_mutex_unlock(&watch->thread.lock);
}

/* The third file is the thread's to look at: nothing is lost with it. */
bool watch_look(struct database *database)
{
	struct watch *watch = &database->watch;
	int place = find_place(watch, WATCH_INDEX), before = watch->place;

	if (place != PLACE_OK && place != before) {
		watch->place = place;
		tell_thread(watch);
	}
	return place == PLACE_OK && before != PLACE_TAKEN;
}

static void look_at_all(struct database *database)
{
	struct watch *watch = &database->watch;
	int place = find_place(watch, WATCH_FILES);

	if (place == PLACE_OK && !database_lock_keep(&database->lock_file, watch->files))
		place = PLACE_TAKEN;
	watch->place = place;
}

bool watch_in_place(const struct database *database)
{
	return database->watch.place == PLACE_OK;
}

bool watch_log_lost(const struct database *database)
{
	int place = database->watch.place;

	return (place == PLACE_GONE + WATCH_LOG || place == PLACE_REPLACED + WATCH_LOG) && !database->rescued;
}

/* ---- what becomes of writes ---- */

void watch_failed(struct database *database, int code, int system_errno)
{
	struct watch *watch = &database->watch;

	if (!trouble_is_of_disk(code) && !trouble_is_damage(code))
		return;
	watch->errno_then = system_errno;
	if (atomic_exchange(&watch->failed, code) != code)
		tell_thread(watch);
}

void watch_written(struct database *database)
{
	struct watch *watch = &database->watch;

	watch->refused = 0;
	if (!watch->failed || trouble_is_damage(watch->failed)) /* what is damaged stays so */
		return;
	watch->failed = 0;
	tell_thread(watch);
}

void watch_refused(struct database *database)
{
	database->watch.refused_ns = clock_monotonic_ns();
	database->watch.refused++;
}

void watch_locked(struct database *database, bool locked)
{
	_Atomic uint64_t *since_ns = &database->watch.locked_since_ns;

	if (!locked)
		*since_ns = 0;
	else if (!*since_ns)
		*since_ns = clock_monotonic_ns();
}

static bool lasts(uint64_t since_ns, uint64_t limit_ns)
{
	uint64_t now_ns = clock_monotonic_ns();

	return since_ns && now_ns > since_ns && now_ns - since_ns >= limit_ns;
}

/* Why writes do not succeed: SQLite's code or STUCK; 0: they do. */
static int failure(const struct watch *watch)
{
	if (watch->failed)
		return watch->failed;
	if (lasts(watch->locked_since_ns, LOCKED_NS))
		return SQLITE_BUSY;
	if (lasts(watch->writing_since_ns, busy_time_out_ms() * NS_PER_MS + STUCK_NS))
		return STUCK;
	return watch->refused >= REFUSED_MOST && !lasts(watch->refused_ns, REFUSED_NS) ? REFUSED : 0;
}

/* ---- in words ---- */

/* The remedy is returned. */
static const char *describe_place(const struct database *database, int place, char *out, size_t size)
{
	if (place == PLACE_TAKEN) {
		snprintf(out, size, "another program has taken %.64s.db", database->name);
		return "end one of the two programs";
	}
	if (place == PLACE_EMPTIED) {
		snprintf(out, size, "%.64s.db was emptied while the program runs", database->name);
		return "stop the program and restore a backup: make restore FROM=db/backups/TIME";
	}
	bool gone = place < PLACE_REPLACED;
	int file = place - (gone ? PLACE_GONE : PLACE_REPLACED);
	snprintf(out, size, "%.64s.db%s %s", database->name, suffixes[file],
		 gone ? "was moved or deleted while the program runs"
		      : "was replaced by another file while the program runs");
	if (file != WATCH_DATABASE)
		return "restart the program: what was stored is in the database";
	return gone ? "put the file back, and it is used again; or stop the program and restore a backup: "
		      "make restore FROM=db/backups/TIME"
		    : "restart the program if it is to use this file; or put the first one back";
}

static struct trouble trouble_of_writes(const struct database *database, int code)
{
	if (code == STUCK)
		return (struct trouble){"the disk has not answered for seconds",
					"look at the kernel's log (dmesg) and at what else keeps the disk busy"};
	if (code == REFUSED)
		return (struct trouble){"every write fails",
					"look at the log for the reason; if its tables were changed by hand, stop the "
					"program and restore a backup: make restore FROM=db/backups/TIME"};
	struct trouble trouble = trouble_of(code, database->watch.errno_then, database->path);

	return trouble.what ? trouble : (struct trouble){"the disk does not take them", "look at the log"};
}

bool watch_trouble(struct database *database, char *out, size_t size)
{
	char why[128];

	watch_look(database);
	int place = database->watch.place, failed = failure(&database->watch);
	if (place != PLACE_OK) {
		const char *remedy = describe_place(database, place, why, sizeof(why));
		snprintf(out, size, "The database cannot be used: %s. Remedy: %s.", why, remedy);
		return true;
	}
	if (!failed)
		return false;
	struct trouble trouble = trouble_of_writes(database, failed);
	snprintf(out, size, "%s %s.db: %s. Remedy: %s.",
		 trouble_is_damage(failed) ? "The program cannot rely on" : "Nothing can be stored in", database->name,
		 trouble.what, trouble.remedy);
	return true;
}

static void log_place(const struct database *database, int place)
{
	char why[128];

	if (place == PLACE_OK) {
		tel_info("the database is in its place again", tel_str("path", database->path));
		return;
	}
	const char *remedy = describe_place(database, place, why, sizeof(why));
	tel_error("the database cannot be used", tel_str("path", database->path), tel_str("error", why),
		  tel_str("remedy", remedy));
}

static void log_writes(const struct database *database, int failed)
{
	if (!failed) {
		tel_info("the database can be written again", tel_str("path", database->path));
		return;
	}
	struct trouble trouble = trouble_of_writes(database, failed);
	tel_error(trouble_is_damage(failed) ? "the database is damaged" : "the database cannot be written",
		  tel_str("path", database->path), tel_str("error", trouble.what), tel_str("remedy", trouble.remedy),
		  tel_int("sqlite.code", failed));
}

/* ---- the thread ---- */

/* Until there is news or it is time to look. False: it is to end. */
static bool wait_for_turn(struct watch *watch, bool *news)
{
	struct thread *t = &watch->thread;
	uint64_t until_ns = clock_monotonic_ns() + LOOK_NS;

	pthread_mutex_lock(&t->lock);
	while (!t->stopping && !watch->news && !thread_wait(t, until_ns))
		;
	*news = watch->news;
	watch->news = false;
	bool go_on = !t->stopping;
	pthread_mutex_unlock(&t->lock);
	return go_on;
}

static void run(void *arg)
{
	struct database *database = arg;
	struct watch *watch = &database->watch;
	int said_place = PLACE_OK, said_failed = 0;
	bool news;

	while (wait_for_turn(watch, &news)) {
		look_at_all(database);
		if (watch->place != said_place)
			log_place(database, said_place = watch->place);
		int failed = failure(watch);
		if (failed != said_failed)
			log_writes(database, said_failed = failed);
		if (watch->failed ? !news : watch_log_lost(database))
			writer_try(database);
		else if (!news)
			writer_rest(database);
		wal_tell(database);
	}
}

bool watch_init(struct database *database)
{
	struct watch *watch = &database->watch;

	watch->thread = (struct thread)THREAD_INITIALIZER;
	for (int i = 0; i < WATCH_FILES; i++) {
		int length = snprintf(watch->paths[i], PATH_MAX, "%s%s",
				      i == WATCH_DATABASE ? database->given_path : database->path, suffixes[i]);
		if (length >= PATH_MAX || stat(watch->paths[i], &watch->files[i]) != 0)
			return false;
	}
	return true;
}

int watch_start(struct database *database)
{
	int error = thread_start(&database->watch.thread, "watch", run, database);

	database->watch.started = !error;
	return error;
}

void watch_stop(struct database *database)
{
	if (database->watch.started)
		thread_stop(&database->watch.thread, CLOCK_NEVER);
	database->watch.started = false;
}
