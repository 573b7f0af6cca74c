/* SPDX-License-Identifier: MIT */
/* The threads that answer requests. */
#ifndef APM_HTTP_WORKER_H
#define APM_HTTP_WORKER_H

#include <stdint.h>

#include "app/app.h"

/*
 * Starts `count` threads on the connections of listener.h. `store` may be NULL. A request's outgoing calls end within
 * `budget_ns`. 0 or -errno.
 */
int workers_start(const struct app *app, struct database *database, unsigned count, uint64_t budget_ns);

/* Waits for the threads to end; listener_drain has returned true. */
void workers_join(void);

#endif
