/* SPDX-License-Identifier: MIT */
/*
 * Runs a command under a span: cron_job NAME COMMAND [ARGUMENT…]
 *
 * The span is a child of the one that TRACEPARENT in the environment names, and the command finds itself named there in
 * turn. So the jobs that a script runs (cron_job.sh) are one trace.
 */
#define _GNU_SOURCE // for environ and posix_spawnp
#include "tel.h"

#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { VARIABLES = 1024 };

/* Returns the command's exit code, as a shell has it: 127 when there is none, 128 and the signal that ended it. */
static int run(char **command)
{
	static char *variables[VARIABLES], storage[TEL_ENVIRONMENT_SIZE];
	char **environment = environ;
	int status, error;
	pid_t pid;

	if (tel_span_environment(tel_span_current(), environ, variables, VARIABLES, storage, sizeof(storage)))
		environment = variables;
	else
		tel_warn("the trace is not passed on: the environment is too large");

	error = posix_spawnp(&pid, command[0], NULL, NULL, command, environment);
	if (error) {
		tel_error("the command cannot be started", tel_str("process.executable.name", command[0]),
			  tel_str("reason", strerror(error)));
		return 127;
	}
	if (waitpid(pid, &status, 0) != pid)
		return 127;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: %s NAME COMMAND [ARGUMENT...]\n", argv[0]);
		return 2;
	}
	/* A job is done whether or not it can be traced. */
	bool traced = tel_init(&(struct tel_config){.service_name = "cron-job"}) == 0;

	struct tel_parent parent; /* before the span, which it has to outlive */
	struct tel_span span;
	tel_parent_init(&parent);
	tel_parent_environment(&parent);
	tel_span_start_remote(&span, "job", TEL_INTERNAL, &parent);
	tel_span_rename(&span, "job", argv[1]);
	tel_span_set(&span, tel_str("process.executable.name", argv[2]));

	int code = run(argv + 2);
	tel_span_set(&span, tel_int("process.exit.code", code));
	if (code)
		tel_span_fail(&span, "exit_code");
	tel_info("job ended", tel_str("job", argv[1]), tel_int("process.exit.code", code));
	tel_span_end(&span);

	if (traced)
		tel_shutdown(5000); /* the process ends here, so the span is sent now or never */
	return code;
}
