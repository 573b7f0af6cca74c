/* SPDX-License-Identifier: MIT */
/* Why a database fails and what helps, in words for the person who has to mend it. */
#ifndef APM_DATABASE_DIAGNOSIS_H
#define APM_DATABASE_DIAGNOSIS_H

#include <stdbool.h>

struct diagnosis {
	const char *cause;  /* "the disk is full"; NULL when SQLite's message says all that is known */
	const char *remedy; /* what to do about it */
};

/*
 * Returns the diagnosis of SQLite's result code. `system_errno` is the error of the system call behind it, 0 when that
 * is not known. `path` is looked at when SQLite only says that it may not write. Any thread.
 */
struct diagnosis diagnosis_of(int code, int system_errno, const char *path);

/* Returns the diagnosis of a failed system call. */
struct diagnosis diagnosis_of_errno(int error);

/* Returns true if the content of the file is at fault, so that trying again cannot help. */
bool diagnosis_is_damage(int code);

/* Returns true if the disk or the file system refuses, which may pass; nothing was stored. */
bool diagnosis_is_disk(int code);

#endif
