/* SPDX-License-Identifier: MIT */
/*
 * A daemon that hands jobs to worker processes, and starts another one when a worker has died.
 *
 * A fork takes none of the library's threads along, so each worker calls tel_init for itself. Its spans, metrics and
 * log lines are its own from there on; so is its service.instance.id.
 *
 * Usage: daemon_workers <JOBS. Each line is a job; "fail" is one that does not work, "crash" one that ends its worker.
 * A program that goes into the background by daemon(3) does so before tel_init.
 */
#define _GNU_SOURCE // for SOCK_SEQPACKET and the like
#include "tel.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 2, JOB_MAX = 256 };

TEL_COUNTER(jobs, "jobs.done", "{job}", "Jobs that were done.", "outcome");

static const struct tel_config config = {.service_name = "daemon-workers"};

/* ---- a worker ------------------------------------------------------------------------------------------------------
 */

static void do_job(const char *text)
{
	TEL_SPAN(span, "job", TEL_CONSUMER);
	tel_span_set(span, tel_str("job.text", text), tel_int("process.pid", getpid()));
	if (!strcmp(text, "crash"))
		abort(); /* this span has not ended, and is lost */
	if (!strcmp(text, "fail")) {
		tel_span_fail(span, "job_failed");
		tel_error("job failed", tel_str("job.text", text));
	}
	tel_counter_add(&jobs, 1, strcmp(text, "fail") ? "done" : "failed");
}

/* Does jobs until there are no more. Never returns. */
static void work(int queue)
{
	char job[JOB_MAX];
	ssize_t bytes;

	if (tel_init(&config))
		exit(1);
	while ((bytes = recv(queue, job, sizeof(job) - 1, 0)) > 0) {
		job[bytes] = '\0';
		do_job(job);
	}
	tel_shutdown(5000);
	exit(0);
}

/* ---- the process that watches them ---------------------------------------------------------------------------------
 */

static int queue[2]; /* [0] is the workers' end: each of them takes a whole job at a time */

static bool start_worker(void)
{
	fflush(NULL); /* else a child would write once more what is buffered here */
	pid_t pid = fork();

	if (pid == 0) {
		close(queue[1]);
		work(queue[0]);
	}
	if (pid < 0)
		tel_error("no worker can be started");
	return pid > 0;
}

/* Looks for workers that have died, and starts others. `options` as waitpid has them. Returns how many ended well. */
static int watch(int options)
{
	int ended = 0, status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, options)) > 0) {
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
			ended++;
			continue;
		}
		tel_warn("a worker has died", tel_int("process.pid", pid),
			 tel_int("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
		start_worker();
	}
	return ended;
}

/* Waits for room in the queue when the workers have fallen behind. */
static void hand_over(const char *job)
{
	struct pollfd room = {.fd = queue[1], .events = POLLOUT};

	watch(WNOHANG);
	while (send(queue[1], job, strlen(job), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		if (errno != EAGAIN) {
			tel_error("a job is lost", tel_str("job.text", job));
			return;
		}
		poll(&room, 1, 100);
		watch(WNOHANG);
	}
}

int main(void)
{
	char job[JOB_MAX];
	int workers = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, queue) || tel_init(&config))
		return 1;
	for (int i = 0; i < WORKERS; i++)
		workers += start_worker();
	while (workers && fgets(job, sizeof(job), stdin)) {
		job[strcspn(job, "\n")] = '\0';
		if (job[0])
			hand_over(job);
	}
	close(queue[1]); /* the workers do what is left, and end */
	int ended = watch(0);
	tel_info("ending", tel_int("workers", ended));
	tel_shutdown(5000);
	return ended != WORKERS;
}
