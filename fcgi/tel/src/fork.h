/* SPDX-License-Identifier: MIT */
/* What a forked child has of the library. Internal to tel/; what others see is in tel.h. */
#ifndef TEL_FORK_H
#define TEL_FORK_H

/*
 * From here on a forked child begins anew, with no thread, nothing queued and all metrics at zero. Once is enough; what
 * comes later does nothing. Before threads. Returns 0 or -ENOMEM.
 */
int fork_watch(void);

#endif
