/* SPDX-License-Identifier: MIT */
/* Why a database is not opened. All functions keep the first reason and return false. */
#ifndef APM_DATABASE_REFUSAL_H
#define APM_DATABASE_REFUSAL_H

#include <stdbool.h>

struct sqlite3;

struct refusal {
	bool damaged; /* the content of the file is at fault: a cache is made again */
	char error[256];
	const char *remedy; /* NULL: nothing was refused */
};

bool refusal_set(struct refusal *refusal, bool damaged, const char *remedy, const char *error, ...)
	__attribute__((format(printf, 4, 5)));

/* A system call failed on `path`. */
bool refusal_set_errno(struct refusal *refusal, const char *path, int error);

/* SQLite failed on the database at `path`. `sqlite` may be NULL when `code` says it all. */
bool refusal_set_code(struct refusal *refusal, const char *path, struct sqlite3 *sqlite, int code);

#endif
