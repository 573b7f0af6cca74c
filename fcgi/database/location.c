/* SPDX-License-Identifier: MIT */
/*
 * The database's place before it is opened: the lock, what a restore has left, what somebody has taken away; and where
 * the damaged files of a cache go.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/env.h"
#include "database/connection.h"
#include "database/trouble.h"

#define MODE_MAX 0640 /* of files that hold what users have stored */

static const char *const suffixes[] = {"", "-wal", "-shm"};
#define SUFFIXES (sizeof(suffixes) / sizeof(*suffixes))

/* ---- why not ---- */

bool store_refuse(struct store *store, bool damaged, const char *remedy, const char *error, ...)
{
	struct refusal *refusal = &store->refusal;
	va_list args;

	if (refusal->remedy)
		return false;
	refusal->damaged = damaged;
	refusal->remedy = remedy;
	va_start(args, error);
	vsnprintf(refusal->error, sizeof(refusal->error), error, args);
	va_end(args);
	for (char *c = refusal->error; *c; c++)
		*c = (char)(*c == '\n' ? ' ' : *c); /* SQLite's check has several lines */
	return false;
}

bool store_refuse_code(struct store *store, sqlite3 *sqlite, int code)
{
	struct trouble trouble = trouble_of(code, sqlite ? sqlite3_system_errno(sqlite) : 0, store->path);
	const char *text = sqlite ? sqlite3_errmsg(sqlite) : sqlite3_errstr(code);

	if (!trouble.what)
		return store_refuse(store, false, "check the file and DATA_DIR", "%s", text);
	return store_refuse(store, trouble_is_damage(code), trouble.remedy, "%s (%s)", trouble.what, text);
}

static bool refuse_errno(struct store *store, const char *path, int error)
{
	struct trouble trouble = trouble_of_errno(error);

	return store_refuse(store, false, trouble.remedy, "%s: %s", path, trouble.what);
}

/* ---- paths ---- */

static const char *beside(const struct store *store, const char *end, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%.*s%s", (int)(strlen(store->path) - strlen(".db")), store->path, end);
	return out;
}

/* The path without links, of a file that need not be there: then of its directory. */
static bool resolve(struct store *store)
{
	char directory[PATH_MAX], real[PATH_MAX];

	if (realpath(store->given_path, store->path))
		return true;
	snprintf(directory, sizeof(directory), "%s", store->given_path);
	if (errno != ENOENT || !realpath(dirname(directory), real))
		return refuse_errno(store, store->given_path, errno);
	if (snprintf(store->path, PATH_MAX, "%s/%s.db", real, store->name) >= PATH_MAX)
		return refuse_errno(store, store->given_path, ENAMETOOLONG);
	return true;
}

/* ---- before it is opened ---- */

static bool take_lock(struct store *store)
{
	unsigned wait_ms = busy_time_out_ms();
	char who[48] = "another program";
	pid_t holder;

	store_lock_init(&store->lock_file, store->path);
	int error = store_lock_take(&store->lock_file, wait_ms, &holder);
	if (!error)
		return true;
	if (error != -EBUSY)
		return refuse_errno(store, store->lock_file.path, -error);
	if (holder)
		snprintf(who, sizeof(who), "process %d", (int)holder);
	return store_refuse(store, false, "end that program first (make stop), or set another DATA_DIR",
			    "it is in use by %s, and two programs on one database would contradict each other", who);
}

/* db/restore puts the file there before it changes anything, and looks at the lock after. */
static bool no_restore(struct store *store)
{
	char path[PATH_MAX];

	if (access(beside(store, ".restore", path), F_OK) != 0)
		return true;
	return store_refuse(store, false, "finish it: make restore",
			    "a restore of a backup was begun and is not finished (%s is there)", path);
}

/*
 * Where nothing is a new database is made, with the first rows of an example. Not where one has been: somebody has
 * moved it, and would find their orders gone. SQLite would remove the log that it has left, with the newest of them in
 * it.
 */
static bool not_taken_away(struct store *store)
{
	static const char remedy[] =
		"put it back, or restore a backup: make restore FROM=db/backups/TIME; to begin with a "
		"new one, move that file away";
	struct stat database, log;
	char path[PATH_MAX];

	if (stat(store->path, &database) == 0 && database.st_size > 0)
		return true;
	if (stat(beside(store, ".db-wal", path), &log) == 0 && log.st_size > 0)
		return store_refuse(store, true, remedy, "it was moved or deleted, but its log %s is there", path);
	if (!store->cache && store_lock_had_database(&store->lock_file))
		return store_refuse(store, false, remedy, "it was moved or deleted: %s says that it was here",
				    store->lock_file.path);
	return true;
}

/* What others may read is made private; of files that are somebody else's that is not possible, and no reason to stop.
 */
static void tighten(const struct store *store)
{
	char path[PATH_MAX];
	struct stat status;

	for (size_t i = 0; i < SUFFIXES; i++) {
		snprintf(path, sizeof(path), "%s%s", store->path, suffixes[i]);
		int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd < 0)
			continue;
		if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_mode & 07777 & ~MODE_MAX &&
		    fchmod(fd, status.st_mode & MODE_MAX) != 0)
			tel_warn("the database may be read by others", tel_str("path", path),
				 tel_str("reason", strerror(errno)), tel_lit("remedy", "chmod 0640 its files"));
		close(fd);
	}
}

bool place_take(struct store *store)
{
	const char *directory = env_string("DATA_DIR", "db/data");

	if (snprintf(store->given_path, PATH_MAX - 8, "%s/%s.db", directory, store->name) >= PATH_MAX - 8)
		return store_refuse(store, false, "set DATA_DIR to a shorter path", "DATA_DIR is too long");
	snprintf(store->path, PATH_MAX, "%s", store->given_path);
	if (mkdir(directory, 0750) != 0 && errno != EEXIST)
		return refuse_errno(store, directory, errno);
	if (!resolve(store) || !take_lock(store) || !no_restore(store) || !not_taken_away(store))
		return false;
	tighten(store);
	return true;
}

/* ---- a cache that is damaged ---- */

/* What was moved aside before. */
static void remove_older(const char *directory, const char *prefix)
{
	DIR *dir = opendir(directory);

	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}

bool place_clear(struct store *store)
{
	char directory[PATH_MAX], prefix[128], from[PATH_MAX + 8], to[PATH_MAX + 64], kept[PATH_MAX + 48];
	time_t now = (time_t)(clock_realtime_ns() / 1000000000);
	char utc[32];
	struct tm tm;

	strftime(utc, sizeof(utc), "%Y-%m-%dT%H-%M-%SZ", gmtime_r(&now, &tm)); /* as backups are called */
	snprintf(kept, sizeof(kept), "%s.damaged-%s", store->path, utc);
	snprintf(directory, sizeof(directory), "%s", store->path);
	snprintf(prefix, sizeof(prefix), "%s.db.damaged-", store->name);
	remove_older(dirname(directory), prefix);
	for (size_t i = 0; i < SUFFIXES; i++) {
		snprintf(from, sizeof(from), "%s%s", store->path, suffixes[i]);
		snprintf(to, sizeof(to), "%s%s", kept, suffixes[i]);
		if (rename(from, to) != 0 && errno != ENOENT) {
			store->refusal = (struct refusal){0};
			return refuse_errno(store, from, errno);
		}
	}
	tel_warn("the database is made anew: it holds nothing that cannot be made again", tel_str("path", store->path),
		 tel_str("reason", store->refusal.error), tel_str("kept", kept));
	store->refusal = (struct refusal){0};
	return true;
}
