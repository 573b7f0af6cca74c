/* SPDX-License-Identifier: MIT */
/* The thread that removes traces which are too old, or too many. */
#ifndef APM_TRACE_STORE_AGEING_H
#define APM_TRACE_STORE_AGEING_H

#include "database/database.h"

/* Removes at once, then every five seconds. The store is the caller's until the stop. 0 or -errno. */
int ageing_start(struct database *database);
void ageing_stop(void);

#endif
