/* SPDX-License-Identifier: MIT */
#include "database/vitals.h"

#include <sqlite3.h>
#include <stdio.h>

/* A failure is reported when another process holds the lock for so long, */
#define LOCKED_NS (2 * NS_PER_SECOND)
/* a write takes so much longer than it may wait for the lock, */
#define STUCK_NS (3 * NS_PER_SECOND)
/* or so many writes in a row were refused, the last of them within this time. */
#define REFUSED_MOST 3
#define REFUSED_NS (10 * NS_PER_SECOND)

/* Failures besides SQLite's codes, which are positive. */
#define STUCK (-1)   /* a write has begun and does not end */
#define REFUSED (-2) /* all writes fail */

void vitals_init(struct vitals *vitals, struct location *location)
{
	vitals->location = location;
	vitals->watcher = (struct thread)THREAD_INITIALIZER;
}

bool vitals_note_files(struct vitals *vitals)
{
	const struct location *location = vitals->location;

	for (int i = 0; i < FILES; i++) {
		int len = snprintf(vitals->paths[i], PATH_MAX, "%s%s",
				   i == FILE_DATABASE ? location->given_path : location->path, location_suffixes[i]);
		if (len >= PATH_MAX || stat(vitals->paths[i], &vitals->files[i]) != 0)
			return false;
	}
	return true;
}

/* ---- where the files are ---- */

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Looks at the first `count` files. The inode number of an open file is not given to another one, so it identifies it.
 */
static int find_place(const struct vitals *vitals, int count)
{
	struct stat there;

	for (int i = 0; i < count; i++) {
		if (stat(vitals->paths[i], &there) != 0)
			return PLACE_GONE + i;
		if (!is_same(&there, &vitals->files[i]))
			return PLACE_REPLACED + i;
		if (i == FILE_DATABASE && there.st_size == 0)
			return PLACE_EMPTIED;
	}
	return PLACE_OK;
}

static void tell_watch(struct vitals *vitals)
{
	pthread_mutex_lock(&vitals->watcher.lock);
	vitals->news = true;
	thread_wake(&vitals->watcher);
	pthread_mutex_unlock(&vitals->watcher.lock);
}

/* Leaves the third file to the watch: nothing is lost with it. */
bool vitals_look(struct vitals *vitals)
{
	int place = find_place(vitals, FILE_INDEX), before = vitals->place;

	if (place != PLACE_OK && place != before) {
		vitals->place = place;
		tell_watch(vitals);
	}
	return place == PLACE_OK && before != PLACE_TAKEN;
}

void vitals_look_at_all(struct vitals *vitals)
{
	int place = find_place(vitals, FILES);

	if (place == PLACE_OK && !database_lock_keep(&vitals->location->lock, vitals->files))
		place = PLACE_TAKEN;
	vitals->place = place;
}

bool vitals_in_place(const struct vitals *vitals)
{
	return vitals->place == PLACE_OK;
}

bool vitals_log_lost(const struct vitals *vitals)
{
	int place = vitals->place;

	return (place == PLACE_GONE + FILE_LOG || place == PLACE_REPLACED + FILE_LOG) && !vitals->rescued;
}

/* ---- whether writes succeed ---- */

void vitals_failed(struct vitals *vitals, int code, int system_errno)
{
	if (!diagnosis_is_disk(code) && !diagnosis_is_damage(code))
		return;
	vitals->errno_then = system_errno;
	if (atomic_exchange(&vitals->failed, code) != code)
		tell_watch(vitals);
}

void vitals_written(struct vitals *vitals)
{
	vitals->refused = 0;
	if (!vitals->failed || diagnosis_is_damage(vitals->failed)) /* damage does not pass */
		return;
	vitals->failed = 0;
	tell_watch(vitals);
}

void vitals_refused(struct vitals *vitals)
{
	vitals->refused_ns = clock_monotonic_ns();
	vitals->refused++;
}

void vitals_locked(struct vitals *vitals, bool locked)
{
	_Atomic uint64_t *since_ns = &vitals->locked_since_ns;

	if (!locked)
		*since_ns = 0;
	else if (!*since_ns)
		*since_ns = clock_monotonic_ns();
}

/* Returns true if a state that began at `since_ns` (0: it did not) has lasted for `limit_ns`. */
static bool lasts(uint64_t since_ns, uint64_t limit_ns)
{
	uint64_t now_ns = clock_monotonic_ns();

	return since_ns && now_ns > since_ns && now_ns - since_ns >= limit_ns;
}

int vitals_failure(const struct vitals *vitals)
{
	if (vitals->failed)
		return vitals->failed;
	if (lasts(vitals->locked_since_ns, LOCKED_NS))
		return SQLITE_BUSY;
	if (lasts(vitals->writing_since_ns, database_lock_timeout_ms() * NS_PER_MS + STUCK_NS))
		return STUCK;
	return vitals->refused >= REFUSED_MOST && !lasts(vitals->refused_ns, REFUSED_NS) ? REFUSED : 0;
}

/* ---- in words ---- */

struct diagnosis vitals_diagnose_place(const struct vitals *vitals, int place, char *out, size_t size)
{
	const char *name = vitals->location->name;
	bool gone = place < PLACE_REPLACED;
	int file = place - (gone ? PLACE_GONE : PLACE_REPLACED);

	if (place == PLACE_TAKEN) {
		snprintf(out, size, "another program has taken %.64s.db", name);
		return (struct diagnosis){out, "end one of the two programs"};
	}
	if (place == PLACE_EMPTIED) {
		snprintf(out, size, "%.64s.db was emptied while the program runs", name);
		return (struct diagnosis){out,
					  "stop the program and restore a backup: make restore FROM=db/backups/TIME"};
	}
	snprintf(out, size, "%.64s.db%s was %s while the program runs", name, location_suffixes[file],
		 gone ? "moved or deleted" : "replaced by another file");
	if (file != FILE_DATABASE)
		return (struct diagnosis){out, "restart the program: what was stored is in the database"};
	return (struct diagnosis){out,
				  gone ? "put the file back, and it is used again; or stop the program and restore "
					 "a backup: make restore FROM=db/backups/TIME"
				       : "restart the program if it is to use this file; or put the first one back"};
}

struct diagnosis vitals_diagnose_failure(const struct vitals *vitals, int failure)
{
	if (failure == STUCK)
		return (struct diagnosis){"the disk has not answered for seconds",
					  "look at the kernel's log (dmesg) and at what else keeps the disk busy"};
	if (failure == REFUSED)
		return (struct diagnosis){
			"every write fails",
			"look at the log for the reason; if its tables were changed by hand, stop the program and "
			"restore a backup: make restore FROM=db/backups/TIME"};
	struct diagnosis diagnosis = diagnosis_of(failure, vitals->errno_then, vitals->location->path);

	return diagnosis.cause ? diagnosis : (struct diagnosis){"the disk does not take them", "look at the log"};
}

bool vitals_unusable(struct vitals *vitals, char *out, size_t size)
{
	char cause[128];

	vitals_look(vitals);
	int place = vitals->place, failure = vitals_failure(vitals);
	if (place != PLACE_OK) {
		struct diagnosis diagnosis = vitals_diagnose_place(vitals, place, cause, sizeof(cause));
		snprintf(out, size, "The database cannot be used: %s. Remedy: %s.", diagnosis.cause, diagnosis.remedy);
		return true;
	}
	if (!failure)
		return false;
	struct diagnosis diagnosis = vitals_diagnose_failure(vitals, failure);
	snprintf(out, size, "%s %s.db: %s. Remedy: %s.",
		 diagnosis_is_damage(failure) ? "The program cannot rely on" : "Nothing can be stored in",
		 vitals->location->name, diagnosis.cause, diagnosis.remedy);
	return true;
}
