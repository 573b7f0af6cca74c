/* SPDX-License-Identifier: MIT */
/*
 * Tells what a disk holds after a power failure: what was synced, and of the later writes some, whole or torn, others
 * not, in spite of their order. fault_vfs.c tells what SQLite does while it is watched; afterwards the files can be
 * made as they may be found after each moment of that, again and again.
 */
#ifndef APM_TESTS_POWER_LOSS_H
#define APM_TESTS_POWER_LOSS_H

#include <stdbool.h>
#include <stddef.h>

enum power_kind {
	POWER_CREATE,
	POWER_WRITE,
	POWER_TRUNCATE, /* to `at` */
	POWER_SYNC,
	POWER_REMOVE,
	POWER_SYNC_DIRECTORY, /* what was created and removed stays so */
};

extern bool power_watched;  /* by one thread */
extern size_t power_moment; /* how many events there are */

/* Notes an event while it is watched. `path` NULL is a temporary file, which matters to nobody. */
void power_event(enum power_kind kind, const char *path, size_t at, const void *data, size_t bytes);

/* Makes a file as it may be found when the power failed after the first `moment` events; each seed is another fate. */
void power_fail(const char *path, size_t moment, unsigned seed);

/* Ends the watch and forgets the events. */
void power_forget(void);

#endif
