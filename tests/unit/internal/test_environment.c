/* SPDX-License-Identifier: MIT */
/* The context in the environment: of this process, and of children that a shell and this program's own kind are. */
#include "cmocka_all.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tel/src/span.h"
#include "tel/tel.h"

/* Of a literal, as char *: execve has it so. */
#define VARIABLE(text) ((char *)(text))
#define TRACEPARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03"

static int clear_environment(void **state)
{
	(void)state;
	unsetenv("TRACEPARENT");
	unsetenv("TRACESTATE");
	unsetenv("BAGGAGE");
	span_configure(true, &(struct sampler){.parent_based = true}, NULL);
	return 0;
}

static void a_parent_comes_from_the_environment(void **state)
{
	static struct tel_parent parent;
	struct tel_span span;
	struct tel_carrier carrier;

	(void)state;
	setenv("TRACEPARENT", TRACEPARENT, 1);
	setenv("TRACESTATE", "vendor=value", 1);
	setenv("BAGGAGE", "user=1", 1);
	tel_parent_environment(&parent);
	tel_span_start_remote(&span, "child", TEL_INTERNAL, &parent);
	tel_span_inject(&span, &carrier);
	assert_memory_equal(carrier.traceparent, TRACEPARENT, 36);
	assert_string_equal(carrier.tracestate, "vendor=value");
	assert_string_equal(carrier.baggage, "user=1");
	tel_span_end(&span);
}

static void what_is_not_valid_is_ignored(void **state)
{
	static const char *const bad[] = {"", "00", "00-" TRACEPARENT, TRACEPARENT "-00", TRACEPARENT ",x"};
	static struct tel_parent parent;

	(void)state;
	tel_parent_environment(&parent);
	assert_false(tel_context_valid(tel_parent_context(&parent)));
	setenv("TRACESTATE", "vendor=value", 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setenv("TRACEPARENT", bad[i], 1);
		tel_parent_environment(&parent);
		assert_false(tel_context_valid(tel_parent_context(&parent)));
	}
}

/* Starts a span whose request brought everything. */
static void start_span(struct tel_span *span, struct tel_parent *parent)
{
	tel_parent_init(parent);
	tel_parent_header(parent, "traceparent", TRACEPARENT);
	tel_parent_header(parent, "tracestate", "vendor=value");
	tel_parent_header(parent, "baggage", "user=1,quoted=%22x%22");
	tel_parent_end(parent);
	tel_span_start_remote(span, "span", TEL_INTERNAL, parent);
}

/* What a shell with this environment prints; `script` is the shell's. */
static void shell(char *const *variables, const char *script, char *out, size_t size)
{
	char *argv[] = {VARIABLE("sh"), VARIABLE("-c"), VARIABLE(script), NULL};
	posix_spawn_file_actions_t actions;
	int ends[2], status;
	size_t length = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	assert_int_equal(posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, variables), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	while (length < size - 1 && (n = read(ends[0], out + length, size - 1 - length)) > 0)
		length += (size_t)n;
	out[length] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void a_child_has_the_spans_context(void **state)
{
	static char *const inherited[] = {VARIABLE("PATH=/usr/bin:/bin"),  VARIABLE("TRACEPARENT=stale"),
					  VARIABLE("BAGGAGE=stale"),       VARIABLE("TRACEPARENTS=kept"),
					  VARIABLE("NAME=some other=one"), NULL};
	static struct tel_parent parent;
	char *variables[10], storage[TEL_ENVIRONMENT_SIZE], out[1000], wanted[1000];
	struct tel_span span;
	struct tel_carrier carrier;

	(void)state;
	start_span(&span, &parent);
	assert_int_equal(tel_span_environment(&span, inherited, variables, 10, storage, sizeof(storage)), 6);
	assert_null(variables[6]);
	shell(variables, "echo \"$TRACEPARENT|$TRACESTATE|$BAGGAGE|$TRACEPARENTS|$NAME\"; env | grep -c stale || true",
	      out, sizeof(out));
	tel_span_inject(&span, &carrier);
	snprintf(wanted, sizeof(wanted), "%s|vendor=value|user=1,quoted=%%22x%%22|kept|some other=one\n0\n",
		 carrier.traceparent);
	assert_string_equal(out, wanted);
	tel_span_end(&span);
}

/* The child is a process of the library's own: it reads what the parent wrote, through a shell between them. */
static void a_grandchild_continues_the_trace(void **state)
{
	static struct tel_parent parent;
	static struct tel_parent of_child;
	char *variables[5], storage[TEL_ENVIRONMENT_SIZE], out[1000];
	struct tel_span span;
	struct tel_context context;

	(void)state;
	start_span(&span, &parent);
	context = tel_span_context(&span);
	assert_int_equal(tel_span_environment(&span, NULL, variables, 5, storage, sizeof(storage)), 3);
	shell(variables, "/bin/sh -c 'printf %s \"$TRACEPARENT\"'", out, sizeof(out));
	tel_span_end(&span);
	setenv("TRACEPARENT", out, 1);
	tel_parent_environment(&of_child);
	struct tel_context read = tel_parent_context(&of_child);
	assert_memory_equal(read.trace_id, context.trace_id, 16);
	assert_memory_equal(read.span_id, context.span_id, 8);
	assert_int_equal(read.flags, context.flags);
}

static void putenv_takes_the_variables(void **state)
{
	static char *variables[4], storage[TEL_ENVIRONMENT_SIZE];
	static struct tel_parent parent, again;
	struct tel_span span;

	(void)state;
	start_span(&span, &parent);
	size_t count = tel_span_environment(&span, NULL, variables, 4, storage, sizeof(storage));
	assert_int_equal(count, 3);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(putenv(variables[i]), 0);
	tel_parent_environment(&again);
	struct tel_context context = tel_span_context(&span), read = tel_parent_context(&again);
	assert_memory_equal(&context, &read, sizeof(context));
	tel_span_end(&span);
	clear_environment(NULL);
}

static void without_a_span_stale_variables_go(void **state)
{
	static char *const inherited[] = {VARIABLE("A=1"), VARIABLE("TRACESTATE=stale"), VARIABLE("TRACEPARENT=stale"),
					  NULL};
	char *variables[4], storage[TEL_ENVIRONMENT_SIZE];

	(void)state;
	assert_int_equal(tel_span_environment(tel_span_current(), inherited, variables, 4, storage, sizeof(storage)),
			 1);
	assert_string_equal(variables[0], "A=1");
	assert_null(variables[1]);
}

/* All or nothing: a tracestate without its traceparent would mean something else. */
static void what_does_not_fit_is_not_there_in_part(void **state)
{
	static char *const inherited[] = {VARIABLE("A=1"), VARIABLE("B=2"), NULL};
	static struct tel_parent parent;
	char *variables[8], storage[TEL_ENVIRONMENT_SIZE];
	struct tel_span span;
	size_t most_bytes = sizeof("TRACEPARENT=" TRACEPARENT) + sizeof("TRACESTATE=vendor=value") +
			    sizeof("BAGGAGE=user=1,quoted=%22x%22");

	(void)state;
	start_span(&span, &parent);
	for (size_t count = 0; count < 8; count++) {
		variables[0] = VARIABLE("untouched");
		size_t got = tel_span_environment(&span, inherited, variables, count, storage, sizeof(storage));
		assert_int_equal(got, count < 6 ? 0 : 5);
		if (count)
			assert_true((variables[0] == NULL) == (got == 0));
	}
	for (size_t bytes = 0; bytes < most_bytes + 3; bytes++) {
		size_t got = tel_span_environment(&span, inherited, variables, 8, storage, bytes);
		assert_int_equal(got, bytes < most_bytes ? 0 : 5);
		assert_null(variables[got]);
	}
	tel_span_end(&span);
}

/* The longest that a request can bring. */
static void everything_fits(void **state)
{
	static struct tel_parent parent;
	static char list[TEL_BAGGAGE_MAX + 1];
	char *variables[4], storage[TEL_ENVIRONMENT_SIZE];
	struct tel_span span;

	(void)state;
	tel_parent_init(&parent);
	tel_parent_header(&parent, "traceparent", TRACEPARENT);
	for (int i = 0; i < 32; i++) {
		snprintf(list, sizeof(list), "key%02d=%0122d", i, i);
		tel_parent_header(&parent, "tracestate", list);
	}
	memset(list, 'b', TEL_BAGGAGE_MAX);
	list[1] = '=';
	tel_parent_header(&parent, "baggage", list);
	tel_parent_end(&parent);
	tel_span_start_remote(&span, "span", TEL_INTERNAL, &parent);
	assert_int_equal(tel_span_environment(&span, NULL, variables, 4, storage, sizeof(storage)), 3);
	assert_int_equal(strlen(variables[1]), strlen("TRACESTATE=") + TEL_TRACESTATE_MAX);
	assert_int_equal(strlen(variables[2]), strlen("BAGGAGE=") + TEL_BAGGAGE_MAX);
	tel_span_end(&span);
}

#define TEST(name) cmocka_unit_test_setup(name, clear_environment)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_parent_comes_from_the_environment),
		TEST(what_is_not_valid_is_ignored),
		TEST(a_child_has_the_spans_context),
		TEST(a_grandchild_continues_the_trace),
		TEST(putenv_takes_the_variables),
		TEST(without_a_span_stale_variables_go),
		TEST(what_does_not_fit_is_not_there_in_part),
		TEST(everything_fits),
	};

	return cmocka_run_group_tests_name("environment", tests, NULL, NULL);
}
