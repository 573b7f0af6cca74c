/* SPDX-License-Identifier: MIT */
/* The thread that removes traces that are too old. */
#ifndef APM_TRACE_STORE_AGEING_H
#define APM_TRACE_STORE_AGEING_H

#include "database/database.h"

/*
 * Removes old traces at once, then every five seconds. `database` has to live until ageing_stop. Returns 0 or -errno.
 */
int ageing_start(struct database *database);
void ageing_stop(void);

#endif
