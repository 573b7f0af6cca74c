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

bool database_refuse(struct database *database, bool damaged, const char *remedy, const char *error, ...)
{
	struct refusal *refusal = &database->refusal;
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

bool database_refuse_code(struct database *database, sqlite3 *sqlite, int code)
{
	struct trouble trouble = trouble_of(code, sqlite ? sqlite3_system_errno(sqlite) : 0, database->path);
	const char *text = sqlite ? sqlite3_errmsg(sqlite) : sqlite3_errstr(code);

	if (!trouble.what)
		return database_refuse(database, false, "check the file and DATA_DIR", "%s", text);
	return database_refuse(database, trouble_is_damage(code), trouble.remedy, "%s (%s)", trouble.what, text);
}

static bool refuse_errno(struct database *database, const char *path, int error)
{
	struct trouble trouble = trouble_of_errno(error);

	return database_refuse(database, false, trouble.remedy, "%s: %s", path, trouble.what);
}

/* ---- paths ---- */

static const char *beside(const struct database *database, const char *end, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%.*s%s", (int)(strlen(database->path) - strlen(".db")), database->path, end);
	return out;
}

/* The path without links, of a file that need not be there: then of its directory. */
static bool resolve(struct database *database)
{
	char directory[PATH_MAX], real[PATH_MAX];

	if (realpath(database->given_path, database->path))
		return true;
	snprintf(directory, sizeof(directory), "%s", database->given_path);
	if (errno != ENOENT || !realpath(dirname(directory), real))
		return refuse_errno(database, database->given_path, errno);
	if (snprintf(database->path, PATH_MAX, "%s/%s.db", real, database->name) >= PATH_MAX)
		return refuse_errno(database, database->given_path, ENAMETOOLONG);
	return true;
}

/* ---- before it is opened ---- */

static bool take_lock(struct database *database)
{
	unsigned wait_ms = busy_time_out_ms();
	char who[48] = "another program";
	pid_t holder;

	database_lock_init(&database->lock_file, database->path);
	int error = database_lock_take(&database->lock_file, wait_ms, &holder);
	if (!error)
		return true;
	if (error != -EBUSY)
		return refuse_errno(database, database->lock_file.path, -error);
	if (holder)
		snprintf(who, sizeof(who), "process %d", (int)holder);
	return database_refuse(database, false, "end that program first (make stop), or set another DATA_DIR",
			       "it is in use by %s, and two programs on one database would contradict each other", who);
}

/* db/restore puts the file there before it changes anything, and looks at the lock after. */
static bool no_restore(struct database *database)
{
	char path[PATH_MAX];

	if (access(beside(database, ".restore", path), F_OK) != 0)
		return true;
	return database_refuse(database, false, "finish it: make restore",
			       "a restore of a backup was begun and is not finished (%s is there)", path);
}

/*
 * Where nothing is a new database is made, with the first rows of an example. Not where one has been: somebody has
 * moved it, and would find their orders gone. SQLite would remove the log that it has left, with the newest of them in
 * it.
 */
static bool not_taken_away(struct database *database)
{
	static const char remedy[] =
		"put it back, or restore a backup: make restore FROM=db/backups/TIME; to begin with a "
		"new one, move that file away";
	struct stat file, log;
	char path[PATH_MAX];

	if (stat(database->path, &file) == 0 && file.st_size > 0)
		return true;
	if (stat(beside(database, ".db-wal", path), &log) == 0 && log.st_size > 0)
		return database_refuse(database, true, remedy, "it was moved or deleted, but its log %s is there",
				       path);
	if (!database->cache && database_lock_had_database(&database->lock_file))
		return database_refuse(database, false, remedy, "it was moved or deleted: %s says that it was here",
				       database->lock_file.path);
	return true;
}

/* What others may read is made private; of files that are somebody else's that is not possible, and no reason to stop.
 */
static void tighten(const struct database *database)
{
	char path[PATH_MAX];
	struct stat status;

	for (size_t i = 0; i < SUFFIXES; i++) {
		snprintf(path, sizeof(path), "%s%s", database->path, suffixes[i]);
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

bool place_take(struct database *database)
{
	const char *directory = env_string("DATA_DIR", "db/data");

	if (snprintf(database->given_path, PATH_MAX - 8, "%s/%s.db", directory, database->name) >= PATH_MAX - 8)
		return database_refuse(database, false, "set DATA_DIR to a shorter path", "DATA_DIR is too long");
	snprintf(database->path, PATH_MAX, "%s", database->given_path);
	if (mkdir(directory, 0750) != 0 && errno != EEXIST)
		return refuse_errno(database, directory, errno);
	if (!resolve(database) || !take_lock(database) || !no_restore(database) || !not_taken_away(database))
		return false;
	tighten(database);
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

bool place_clear(struct database *database)
{
	char directory[PATH_MAX], prefix[128], from[PATH_MAX + 8], to[PATH_MAX + 64], kept[PATH_MAX + 48];
	time_t now = (time_t)(clock_realtime_ns() / NS_PER_SECOND);
	char utc[32];
	struct tm tm;

	strftime(utc, sizeof(utc), "%Y-%m-%dT%H-%M-%SZ", gmtime_r(&now, &tm)); /* as backups are called */
	snprintf(kept, sizeof(kept), "%s.damaged-%s", database->path, utc);
	snprintf(directory, sizeof(directory), "%s", database->path);
	snprintf(prefix, sizeof(prefix), "%s.db.damaged-", database->name);
	remove_older(dirname(directory), prefix);
	for (size_t i = 0; i < SUFFIXES; i++) {
		snprintf(from, sizeof(from), "%s%s", database->path, suffixes[i]);
		snprintf(to, sizeof(to), "%s%s", kept, suffixes[i]);
		if (rename(from, to) != 0 && errno != ENOENT) {
			database->refusal = (struct refusal){0};
			return refuse_errno(database, from, errno);
		}
	}
	tel_warn("the database is made anew: it holds nothing that cannot be made again",
		 tel_str("path", database->path), tel_str("reason", database->refusal.error), tel_str("kept", kept));
	database->refusal = (struct refusal){0};
	return true;
}
