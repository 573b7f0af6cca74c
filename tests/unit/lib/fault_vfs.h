/* SPDX-License-Identifier: MIT */
/*
 * A VFS between SQLite and the disk. It counts syncs of the WAL and fails them, or writes to it, on demand; or it
 * walks: the operation of a certain number fails, alone or with all that follow.
 */
#ifndef APM_TESTS_FAULT_VFS_H
#define APM_TESTS_FAULT_VFS_H

#include <stdatomic.h>
#include <stdbool.h>

extern atomic_int fault_syncs;       /* of the WAL so far */
extern atomic_bool fault_fail_sync;  /* SQLITE_IOERR_FSYNC */
extern atomic_bool fault_hang_sync;  /* of the WAL: until it is false again */
extern atomic_bool fault_fail_write; /* SQLITE_FULL */

extern atomic_long fault_at;      /* the operation that fails in a walk; 0: none */
extern atomic_long fault_hits;    /* how many have failed */
extern atomic_bool fault_no_sync; /* syncs are counted, not done: a walk makes thousands */

/* Sends every database that is opened from now on through this VFS. */
void fault_vfs_install(void);

/* Begins a walk over every operation that can fail on a real disk. With `at` 0 nothing fails from now on. */
void fault_walk(long at, bool lasts);

#endif
