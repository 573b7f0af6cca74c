/* SPDX-License-Identifier: MIT */
/* The library in a forked child. Internal to tel/; the promises to programs are in tel.h. */
#ifndef TEL_FORK_H
#define TEL_FORK_H

/*
 * From this call on a forked child starts over, with no thread, empty queues and all metrics at zero. Further calls do
 * nothing. `in_child_last` is called in the child after all else. Call it before threads start. Returns 0 or -ENOMEM.
 */
int fork_watch(void (*in_child_last)(void));

#endif
