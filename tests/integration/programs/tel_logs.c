/* SPDX-License-Identifier: MIT */
/*
 * A program that logs: in a span, in a child of it and outside, and an event. In between it starts a shell, which
 * prints what it knows of the trace: three lines for TRACEPARENT, TRACESTATE and BAGGAGE.
 */
#define _GNU_SOURCE
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tel.h"

static int start_shell(void)
{
	static char shell[] = "sh", option[] = "-c",
		    script[] = "printf '%s\\n' \"$TRACEPARENT\" \"$TRACESTATE\" \"$BAGGAGE\"";
	char *argv[] = {shell, option, script, NULL}, *variables[256], storage[TEL_ENVIRONMENT_SIZE];
	int status = -1;
	pid_t pid;

	if (!tel_span_environment(tel_span_current(), environ, variables, 256, storage, sizeof(storage)))
		return -1;
	if (posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, variables) == 0)
		waitpid(pid, &status, 0);
	return status;
}

int main(void)
{
	static struct tel_parent parent;
	struct tel_span span;
	int status;

	if (tel_init(&(struct tel_config){.service_name = "somebody", .service_version = "7"}) != 0)
		return 1;
	tel_parent_environment(&parent);
	tel_span_start_remote(&span, "work", TEL_INTERNAL, &parent);
	tel_info("within", tel_str("text", "測試 \xff"), tel_int("n", -1), tel_double("half", 0.5),
		 tel_bool("yes", true));
	{
		TEL_SPAN(child, "child", TEL_CLIENT);
		tel_event("payment.declined", tel_lit("currency", "EUR"));
		status = start_shell();
	}
	tel_debug("below the level");
	tel_span_end(&span);
	tel_error("outside");
	tel_shutdown(20000);
	return status;
}
