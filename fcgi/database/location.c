/* SPDX-License-Identifier: MIT */
#include "database/location.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/env.h"
#include "tel/tel.h"

#define MODE_MAX 0640 /* of files that hold what users have stored */

const char *const location_suffixes[FILES] = {"", "-wal", "-shm"};

void location_init(struct location *location, const char *name, bool cache)
{
	location->name = name;
	location->cache = cache;
	location->lock.fd = -1;
}

void location_done(struct location *location)
{
	database_lock_done(&location->lock);
}

/* ---- paths ---- */

/* Writes the path of a file beside the database: `end` takes the place of ".db". Returns `out`. */
static const char *beside(const struct location *location, const char *end, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%.*s%s", (int)(strlen(location->path) - strlen(".db")), location->path, end);
	return out;
}

/* Sets the path without links. Of a file that does not exist the links of its directory are followed. */
static bool resolve(struct location *location, struct refusal *refusal)
{
	char directory[PATH_MAX], real[PATH_MAX];

	if (realpath(location->given_path, location->path))
		return true;
	snprintf(directory, sizeof(directory), "%s", location->given_path);
	if (errno != ENOENT || !realpath(dirname(directory), real))
		return refusal_set_errno(refusal, location->given_path, errno);
	if (snprintf(location->path, PATH_MAX, "%s/%s.db", real, location->name) >= PATH_MAX)
		return refusal_set_errno(refusal, location->given_path, ENAMETOOLONG);
	return true;
}

/* ---- before it is opened ---- */

static bool take_lock(struct location *location, struct refusal *refusal)
{
	unsigned wait_ms = database_lock_timeout_ms();
	char who[48] = "another program";
	pid_t holder;

	database_lock_init(&location->lock, location->path);
	int error = database_lock_take(&location->lock, wait_ms, &holder);
	if (!error)
		return true;
	if (error != -EBUSY)
		return refusal_set_errno(refusal, location->lock.path, -error);
	if (holder)
		snprintf(who, sizeof(who), "process %d", (int)holder);
	return refusal_set(refusal, false, "end that program first (make stop), or set another DATA_DIR",
			   "it is in use by %s, and two programs on one database would contradict each other", who);
}

/* db/restore makes the file before it changes anything, and looks at the lock after that. */
static bool no_restore(const struct location *location, struct refusal *refusal)
{
	char path[PATH_MAX];

	if (access(beside(location, ".restore", path), F_OK) != 0)
		return true;
	return refusal_set(refusal, false, "finish it: make restore",
			   "a restore of a backup was begun and is not finished (%s is there)", path);
}

/*
 * A new database, with the first rows of an example, is made where nothing is. It is not made where one has been: the
 * owner has moved it, and would find the rows gone. SQLite would also remove the log that is left, which holds the
 * newest rows.
 */
static bool not_taken_away(const struct location *location, struct refusal *refusal)
{
	static const char remedy[] =
		"put it back, or restore a backup: make restore FROM=db/backups/TIME; to begin with a "
		"new one, move that file away";
	struct stat file, log;
	char path[PATH_MAX];

	if (stat(location->path, &file) == 0 && file.st_size > 0)
		return true;
	if (stat(beside(location, ".db-wal", path), &log) == 0 && log.st_size > 0)
		return refusal_set(refusal, true, remedy, "it was moved or deleted, but its log %s is there", path);
	if (!location->cache && database_lock_had_database(&location->lock))
		return refusal_set(refusal, false, remedy, "it was moved or deleted: %s says that it was here",
				   location->lock.path);
	return true;
}

/* Makes the files private. Those of another user cannot be changed, which is no reason to stop. */
static void tighten(const struct location *location)
{
	char path[PATH_MAX];
	struct stat status;

	for (int i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "%s%s", location->path, location_suffixes[i]);
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

bool location_take(struct location *location, struct refusal *refusal)
{
	const char *directory = env_string("DATA_DIR", "db/data");

	if (snprintf(location->given_path, PATH_MAX - 8, "%s/%s.db", directory, location->name) >= PATH_MAX - 8)
		return refusal_set(refusal, false, "set DATA_DIR to a shorter path", "DATA_DIR is too long");
	snprintf(location->path, PATH_MAX, "%s", location->given_path);
	if (mkdir(directory, 0750) != 0 && errno != EEXIST)
		return refusal_set_errno(refusal, directory, errno);
	if (!resolve(location, refusal) || !take_lock(location, refusal) || !no_restore(location, refusal) ||
	    !not_taken_away(location, refusal))
		return false;
	tighten(location);
	return true;
}

/* ---- a cache that is damaged ---- */

/* Removes the files that were moved aside before. */
static void remove_older(const char *directory, const char *prefix)
{
	DIR *dir = opendir(directory);

	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}

bool location_clear(struct location *location, struct refusal *refusal)
{
	char directory[PATH_MAX], prefix[128], from[PATH_MAX + 8], to[PATH_MAX + 64], kept[PATH_MAX + 48];
	time_t now = (time_t)(clock_realtime_ns() / NS_PER_SECOND);
	char utc[32];
	struct tm tm;

	strftime(utc, sizeof(utc), "%Y-%m-%dT%H-%M-%SZ", gmtime_r(&now, &tm)); /* as backups are called */
	snprintf(kept, sizeof(kept), "%s.damaged-%s", location->path, utc);
	snprintf(directory, sizeof(directory), "%s", location->path);
	snprintf(prefix, sizeof(prefix), "%s.db.damaged-", location->name);
	remove_older(dirname(directory), prefix);
	for (int i = 0; i < FILES; i++) {
		snprintf(from, sizeof(from), "%s%s", location->path, location_suffixes[i]);
		snprintf(to, sizeof(to), "%s%s", kept, location_suffixes[i]);
		if (rename(from, to) != 0 && errno != ENOENT) {
			*refusal = (struct refusal){0};
			return refusal_set_errno(refusal, from, errno);
		}
	}
	tel_warn("the database is made anew: it holds nothing that cannot be made again",
		 tel_str("path", location->path), tel_str("reason", refusal->error), tel_str("kept", kept));
	*refusal = (struct refusal){0};
	return true;
}
