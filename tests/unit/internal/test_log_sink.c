/* SPDX-License-Identifier: MIT */
/* Lines and complaints that a host takes itself. */
#include "cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tel/src/complain.h"
#include "tel/src/misuse.h"
#include "telemetry_fixture.h"

/* What a sink was given; one thread at a time, but where a test says otherwise. */
struct taken {
	pthread_mutex_t lock;
	size_t lines;
	enum tel_level level; /* of the last line */
	pthread_t thread;
	char line[20000], all[1 << 20];
};

static struct taken of_log = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct taken of_complaints = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void take(void *arg, enum tel_level level, const char *line, size_t bytes)
{
	struct taken *taken = arg;

	pthread_mutex_lock(&taken->lock);
	assert_int_equal(strlen(line), bytes);
	assert_true(bytes < sizeof(taken->line) && line[0] == '{' && line[bytes - 1] == '}');
	memcpy(taken->line, line, bytes + 1);
	taken->lines++;
	taken->level = level;
	taken->thread = pthread_self();
	if (strlen(taken->all) + bytes < sizeof(taken->all))
		strcat(taken->all, line);
	pthread_mutex_unlock(&taken->lock);
}

/* A sink that logs what it is given. */
static void take_and_log(void *arg, enum tel_level level, const char *line, size_t bytes)
{
	tel_error("from within the sink");
	take(arg, level, line, bytes);
}

static int begin_sinks(void **state)
{
	of_log.lines = of_complaints.lines = 0;
	of_log.all[0] = of_complaints.all[0] = '\0';
	return fixture_begin(state) || setenv("OTEL_TRACES_EXPORTER", "none", 1);
}

static bool has_file(void)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/test-service.log", temporary);
	return access(path, F_OK) == 0;
}

static void lines_go_to_the_host(void **state)
{
	(void)state;
	start_with(&(struct tel_config){.service_name = "test-service", .log_line = take, .log_line_arg = &of_log});
	double written = metric("log_lines_written_total"), dropped = metric("log_lines_dropped_total");
	tel_debug("below the level");
	tel_info("first", tel_str("text", "a\nb"), tel_int("n", 1));
	assert_int_equal(of_log.lines, 1);
	assert_int_equal(of_log.level, TEL_LEVEL_INFO);
	assert_true(pthread_equal(of_log.thread, pthread_self()));
	assert_memory_equal(of_log.line, "{\"ts\":\"", 7);
	assert_non_null(strstr(of_log.line,
			       ",\"level\":\"info\",\"service\":\"test-service\",\"msg\":\"first\",\"text\":"
			       "\"a\\nb\",\"n\":1}"));
	tel_event("an.event");
	tel_error("last");
	assert_int_equal(of_log.level, TEL_LEVEL_ERROR);
	tel_log_reopen(); /* there is nothing to open */
	assert_true(metric("log_lines_written_total") == written + 3);
	tel_shutdown(1000);
	tel_info("late"); /* the host may be gone */
	assert_int_equal(of_log.lines, 3);
	assert_true(metric("log_lines_written_total") == written + 3);
	assert_true(metric("log_lines_dropped_total") == dropped + 1);
	assert_false(has_file());
}

static void a_long_line_is_whole(void **state)
{
	static char text[9000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	start_with(&(struct tel_config){.service_name = "test-service", .log_line = take, .log_line_arg = &of_log});
	tel_info("long", tel_str("a", text), tel_str("b", text), tel_str("c", text), tel_str("d", text),
		 tel_str("e", text));
	assert_non_null(strstr(of_log.line, ",\"truncated\":true}"));
	assert_in_range(strlen(of_log.line), 16000, 16383);
	tel_shutdown(1000);
}

static void a_sink_that_logs_does_not_call_itself(void **state)
{
	(void)state;
	start_with(&(struct tel_config){
		.service_name = "test-service", .log_line = take_and_log, .log_line_arg = &of_log});
	double dropped = metric("log_lines_dropped_total");
	tel_info("one");
	tel_info("two");
	assert_int_equal(of_log.lines, 2);
	assert_true(metric("log_lines_dropped_total") == dropped + 2);
	tel_shutdown(1000);
}

static void *log_many(void *unused)
{
	(void)unused;
	for (int i = 0; i < 1000; i++)
		tel_info("line", tel_int("i", i));
	return NULL;
}

static void many_threads_log_at_once(void **state)
{
	pthread_t threads[4];

	(void)state;
	start_with(&(struct tel_config){.service_name = "test-service", .log_line = take, .log_line_arg = &of_log});
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_many, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(of_log.lines, 4000);
	tel_shutdown(1000);
}

static void misuse(void)
{
	MISUSE("tel_something", "it makes no sense");
}

static void complaints_go_to_the_host(void **state)
{
	(void)state;
	setenv("OTEL_BLRP_MAX_QUEUE_SIZE", "many", 1);
	start_with(
		&(struct tel_config){.service_name = "test-service", .complain = take, .complain_arg = &of_complaints});
	assert_int_equal(of_complaints.lines, 1);
	assert_int_equal(of_complaints.level, TEL_LEVEL_WARN);
	assert_non_null(strstr(of_complaints.line, "\"variable\":\"OTEL_BLRP_MAX_QUEUE_SIZE\",\"value\":\"many\""));
	misuse();
	misuse();
	assert_int_equal(of_complaints.lines, 2);
	assert_non_null(strstr(of_complaints.line, "\"call\":\"tel_something\""));
	tel_warn("a line of the program");
	stop_telemetry(1000);
	assert_int_equal(of_complaints.lines, 2);
	assert_int_equal(logged("\n"), 1); /* the file has what is the program's alone */
	assert_int_equal(logged("a line of the program"), 1);
}

/* A caller that does not set the random flag is nobody's line, and no log record. */
static void the_sampler_complains_to_the_host(void **state)
{
	struct tel_parent parent;

	(void)state;
	setenv("OTEL_TRACES_EXPORTER", "otlp", 1);
	setenv("OTEL_TRACES_SAMPLER", "traceidratio", 1);
	setenv("OTEL_TRACES_SAMPLER_ARG", "0.5", 1);
	start_with(&(struct tel_config){.service_name = "test-service",
					.log_line = take,
					.log_line_arg = &of_log,
					.complain = take,
					.complain_arg = &of_complaints});
	tel_parent_init(&parent);
	tel_parent_header(&parent, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
	tel_parent_end(&parent);
	for (int i = 0; i < 2; i++) {
		struct tel_span span;
		tel_span_start_remote(&span, "request", TEL_SERVER, &parent);
		tel_span_end(&span);
	}
	assert_int_equal(of_log.lines, 0);
	assert_int_equal(of_complaints.lines, 1);
	assert_non_null(strstr(of_complaints.line, "the random flag of W3C Trace Context level 2"));
	tel_shutdown(1000);
	unsetenv("OTEL_TRACES_SAMPLER");
	unsetenv("OTEL_TRACES_SAMPLER_ARG");
}

static void complaints_are_lines_where_nobody_takes_them(void **state)
{
	(void)state;
	setenv("OTEL_BLRP_MAX_QUEUE_SIZE", "many", 1);
	start_with(&(struct tel_config){.service_name = "test-service", .log_line = take, .log_line_arg = &of_log});
	assert_int_equal(of_log.lines, 1);
	assert_non_null(strstr(of_log.line, "OTEL_BLRP_MAX_QUEUE_SIZE"));
	tel_shutdown(1000);
}

/* Not stderr: that is the host's. */
static void a_log_that_cannot_be_opened_is_told(void **state)
{
	const struct tel_config config = {
		.service_name = "test-service", .complain = take, .complain_arg = &of_complaints};

	(void)state;
	setenv("LOG_DIR", "/nonexistent/directory", 1);
	assert_int_equal(tel_init(&config), -ENOENT);
	assert_int_equal(of_complaints.lines, 1);
	assert_int_equal(of_complaints.level, TEL_LEVEL_ERROR);
	assert_non_null(
		strstr(of_complaints.line, "/nonexistent/directory/test-service.log cannot be written: No such"));
	complain_warn("late");
	assert_int_equal(of_complaints.lines, 1); /* the host has given up */
	setenv("LOG_DIR", temporary, 1);
}

/* Whoever takes that may log, too. */
static void a_log_that_cannot_be_opened_again_is_told(void **state)
{
	char path[300], moved[300];

	(void)state;
	start_with(&(struct tel_config){
		.service_name = "test-service", .complain = take_and_log, .complain_arg = &of_complaints});
	tel_info("before");
	virtual_pass(VIRTUAL_SECOND);
	snprintf(path, sizeof(path), "%s/test-service.log", temporary);
	snprintf(moved, sizeof(moved), "%s.1", temporary);
	assert_int_equal(rename(temporary, moved), 0);
	tel_log_reopen();
	VIRTUAL_UNTIL(of_complaints.lines == 1, 10);
	assert_non_null(strstr(of_complaints.line, "\"failed\":\"open\""));
	assert_non_null(strstr(of_complaints.line, path));
	assert_int_equal(rename(moved, temporary), 0);
	stop_telemetry(1000);
	assert_int_equal(logged("from within the sink"), 1); /* the old file goes on */
}

/* The exporter complains on its own thread, and of its records none is a complaint. */
static void trouble_of_an_exporter_is_told(void **state)
{
	static const struct step refusing = STATUS("400 Bad Request");

	(void)state;
	setenv("OTEL_LOGS_EXPORTER", "otlp", 1);
	setenv("OTEL_BLRP_SCHEDULE_DELAY", "50", 1);
	collector_serve(&refusing, 1);
	start_with(&(struct tel_config){.service_name = "test-service",
					.log_line = take,
					.log_line_arg = &of_log,
					.complain = take,
					.complain_arg = &of_complaints});
	tel_info("line");
	VIRTUAL_UNTIL(log_counts().refused == 1, 10);
	tel_shutdown(1000);
	assert_int_equal(of_log.lines, 1);
	assert_int_equal(of_complaints.lines, 1);
	assert_non_null(strstr(of_complaints.all, "the collector refuses log records"));
	assert_true(log_counts().started == 1);
}

/* Without it they are as other lines, which LOG_LEVEL is for. */
static void otel_log_level_is_for_complaints(void **state)
{
	static const struct {
		const char *otel_log_level, *log_level;
		unsigned complaints, lines;
	} cases[] = {
		{"", "info", 1, 1},      {"", "error", 0, 0},    {"warn", "error", 1, 0}, {"error", "info", 0, 1},
		{"None", "debug", 0, 1}, {"loud", "info", 2, 1}, /* and that this is no level */
	};

	(void)state;
	setenv("OTEL_BSP_MAX_QUEUE_SIZE", "many", 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("OTEL_LOG_LEVEL", cases[i].otel_log_level, 1);
		setenv("LOG_LEVEL", cases[i].log_level, 1);
		unsigned complaints = (unsigned)of_complaints.lines, lines = (unsigned)of_log.lines;
		start_with(&(struct tel_config){.service_name = "test-service",
						.log_line = take,
						.log_line_arg = &of_log,
						.complain = take,
						.complain_arg = &of_complaints});
		tel_info("line");
		tel_shutdown(1000);
		assert_int_equal(of_complaints.lines - complaints, cases[i].complaints);
		assert_int_equal(of_log.lines - lines, cases[i].lines);
	}
	unsetenv("OTEL_LOG_LEVEL");
	unsetenv("LOG_LEVEL");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_sinks, fixture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_go_to_the_host),
		TEST(a_long_line_is_whole),
		TEST(a_sink_that_logs_does_not_call_itself),
		TEST(many_threads_log_at_once),
		TEST(complaints_go_to_the_host),
		TEST(the_sampler_complains_to_the_host),
		TEST(complaints_are_lines_where_nobody_takes_them),
		TEST(a_log_that_cannot_be_opened_is_told),
		TEST(a_log_that_cannot_be_opened_again_is_told),
		TEST(trouble_of_an_exporter_is_told),
		TEST(otel_log_level_is_for_complaints),
	};

	return cmocka_run_group_tests_name("log_sink", tests, NULL, NULL);
}
