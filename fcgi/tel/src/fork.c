/* SPDX-License-Identifier: MIT */
/*
 * A fork copies the memory of the process and the thread that forks, not the others. So whatever another thread may
 * have locked or half changed is either held by the forking thread meanwhile or made new in the child. These are all
 * locks of the library. Who has one takes no other one, but with the hooks' lock all, and with a thread's its queue's:
 *
 *	making (metrics_series.c)          held: the child goes on with the series that it guards
 *	collecting (metrics.c)             made new: it is held while hooks of the program run, which may fork
 *	lock of the thread (log_file.c)    made new: it is held while a line is written without the thread, and a fork
 *	                                   must not wait for a disk; what it guards is the parent's
 *	locks of queues (queue.c)          done with: what they guard is the parent's
 *	locks of threads (exporter.c, metric_reader.c)
 *	                                   made new, with the conditions that threads wait for there
 *
 * Nothing below complains: a sink of the program's would run in the midst of it.
 */
#include "tel/src/fork.h"

#include <pthread.h>

#include "base/c_locale.h"
#include "base/random.h"
#include "tel/src/batch.h"
#include "tel/src/export.h"
#include "tel/src/log.h"
#include "tel/src/log_file.h"
#include "tel/src/metric_reader.h"
#include "tel/src/metrics.h"
#include "tel/src/resource.h"
#include "tel/src/span.h"
#include "tel/src/transport.h"

static void (*restart)(void);

static void before_fork(void)
{
	log_before_fork();
	log_file_before_fork();
	series_before_fork();
}

static void in_parent(void)
{
	series_after_fork();
}

static void in_child(void)
{
	series_after_fork();
	random_after_fork(); /* first: the others make ids */
	log_file_in_child();
	export_in_child();
	metric_reader_in_child();
	batch_in_child();
	transport_in_child();
	span_in_child();
	resource_in_child();
	metrics_in_child();
	restart();
}

int fork_watch(void (*in_child_last)(void))
{
	static bool watching;
	char text[32];

	if (watching)
		return 0;
	c_locale_double(text, sizeof(text), 1,
			0); /* a pthread_once() of musl that is under way would hang in the child */
	restart = in_child_last;
	int error = -pthread_atfork(before_fork, in_parent, in_child);
	watching = !error;
	return error;
}
