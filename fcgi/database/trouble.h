/* SPDX-License-Identifier: MIT */
/* Why a database does not do what it should, in words for the person who has to mend it. */
#ifndef APM_DATABASE_TROUBLE_H
#define APM_DATABASE_TROUBLE_H

#include <stdbool.h>

struct trouble {
	const char *what;   /* "the disk is full"; NULL: nothing that we know better than SQLite's message */
	const char *remedy; /* what to do about it */
};

/*
 * `code`: SQLite's result code. `system_errno`: of the system call that it came from, 0 when it is not known.
 * `path` is looked at when SQLite only says that it may not write. Any thread.
 */
struct trouble trouble_of(int code, int system_errno, const char *path);

/* The same for a system call. */
struct trouble trouble_of_errno(int error);

/* True: the content of the file is the reason, so that trying again cannot help. */
bool trouble_is_damage(int code);

/* True: the disk or the file system refuses, which may pass; nothing was stored. */
bool trouble_is_of_disk(int code);

#endif
