/* SPDX-License-Identifier: MIT */
/*
 * A server that forks its workers: tel_prefork WORKERS REQUESTS [daemon]. The parent has telemetry of its own, before
 * and after; each worker calls tel_init again and serves its requests. Prints the sum of what the workers count. With
 * "daemon" it leaves its parent behind, as daemon(3) does, which has the log and its lock already.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tel.h"

TEL_COUNTER(served, "requests.served", "{request}", "Requests served.");

static const struct tel_config config = {.service_name = "prefork"};

static bool find_count(void *found, const char *text, size_t bytes)
{
	static char all[1 << 20];
	static size_t length;

	if (length + bytes >= sizeof(all))
		return false;
	memcpy(all + length, text, bytes);
	length += bytes;
	const char *line = strstr(all, "\nrequests_served_total ");
	if (line)
		*(int *)found = atoi(line + strlen("\nrequests_served_total "));
	return true;
}

static int serve(int worker, int requests)
{
	int count = -1;

	tel_info("forked", tel_int("worker", worker));
	if (tel_init(&config) != 0)
		return -1;
	for (int i = 0; i < requests; i++) {
		TEL_SPAN(span, "serve", TEL_SERVER);
		tel_span_set(span, tel_int("worker", worker), tel_int("request", i));
		tel_counter_add(&served, 1);
		tel_info("served", tel_int("worker", worker), tel_int("request", i));
	}
	tel_metrics_write(tel_metrics_content_type(NULL), find_count, &count);
	tel_shutdown(20000);
	return count;
}

static void fork_worker(int worker, int requests, int out)
{
	pid_t pid = fork();

	if (pid == 0) {
		int count = serve(worker, requests);
		_exit(write(out, &count, sizeof(count)) == sizeof(count) ? 0 : 1);
	}
	if (pid < 0)
		exit(1);
}

int main(int argc, char **argv)
{
	int workers = argc > 2 ? atoi(argv[1]) : 1, requests = argc > 2 ? atoi(argv[2]) : 1;
	int fds[2], count, sum = 0;

	if (pipe(fds) != 0 || tel_init(&config) != 0)
		return 1;
	if (argc > 3) {
		if (fork() != 0)
			_exit(0); /* who started it does not wait any longer */
		setsid();
		if (tel_init(&config) != 0)
			return 1;
	}
	tel_info("begins");
	tel_counter_add(&served, 1000);
	{
		TEL_SPAN(span, "manage", TEL_INTERNAL);
		for (int i = 0; i < workers; i++)
			fork_worker(i, requests, fds[1]);
		for (int i = 0; i < workers; i++)
			if (read(fds[0], &count, sizeof(count)) == sizeof(count))
				sum += count;
	}
	int status, failed = 0;
	while (wait(&status) > 0)
		failed |= status;
	tel_info("ends", tel_int("sum", sum));
	tel_shutdown(20000);
	printf("%d\n", sum);
	return failed ? 1 : 0;
}
