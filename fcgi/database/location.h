/* SPDX-License-Identifier: MIT */
/*
 * Where a database is, before it is opened: its path and lock, what a restore has left, whether somebody has taken the
 * file away; and where the damaged files of a cache go.
 */
#ifndef APM_DATABASE_LOCATION_H
#define APM_DATABASE_LOCATION_H

#include <limits.h>
#include <stdbool.h>

#include "database/lock.h"
#include "database/refusal.h"

/* A database is made of these files. */
enum { FILE_DATABASE, FILE_LOG, FILE_INDEX, FILES };
extern const char *const location_suffixes[FILES]; /* "", "-wal", "-shm" */

struct location {
	const char *name;
	bool cache;                /* others can make its content again: it is set aside when it is damaged */
	char given_path[PATH_MAX]; /* $DATA_DIR/NAME.db */
	char path[PATH_MAX];       /* the same without links; the log is beside this one */
	struct database_lock lock;
};

/* `name` must stay. */
void location_init(struct location *location, const char *name, bool cache);

/* Takes the lock and looks at what is at the path. Returns false if it is refused. */
bool location_take(struct location *location, struct refusal *refusal);

/*
 * Moves the damaged files of a cache, of which no connection is open, to NAME.db.damaged-TIME and removes what was
 * moved there before. Resets `refusal`, which says what the damage is. Returns false if it is refused.
 */
bool location_clear(struct location *location, struct refusal *refusal);

/* Releases the lock. */
void location_done(struct location *location);

#endif
