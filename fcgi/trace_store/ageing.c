/* SPDX-License-Identifier: MIT */
#include "trace_store/ageing.h"

#include "base/thread.h"
#include "trace_store/trace_table.h"

#define INTERVAL_NS (5 * NS_PER_SECOND)

static struct thread thread = THREAD_INITIALIZER;

static void run(void *database)
{
	bool more;

	do {
		while (trace_table_remove_old(database, &more) == DB_OK && more)
			;
	} while (!thread_sleep(&thread, clock_monotonic_ns() + INTERVAL_NS));
}

int ageing_start(struct database *database)
{
	return thread_start(&thread, "ageing", run, database);
}

void ageing_stop(void)
{
	thread_stop(&thread, CLOCK_NEVER);
}
