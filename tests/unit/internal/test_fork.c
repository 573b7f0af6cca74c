/* SPDX-License-Identifier: MIT */
/* A process with telemetry forks: whose are the ids, the lines, the metrics, the locks? */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file_lock.h"
#include "base/random.h"
#include "fork_fixture.h"
#include "tel/src/metrics.h"
#include "tel/src/resource.h"

TEL_COUNTER(things, "test.things", "{thing}", "Counted by parent and children.", "kind");
TEL_HISTOGRAM(durations, "test.durations", "s", "Measured by parent and children.", tel_db_bounds);

/* ---- ids ---- */

#define IDS 8

static void make_ids(struct tel_context contexts[IDS])
{
	for (int i = 0; i < IDS; i++) {
		TEL_SPAN(span, "span", TEL_INTERNAL);
		contexts[i] = tel_span_context(span);
	}
}

static bool give_ids(int out)
{
	struct tel_context contexts[IDS];

	make_ids(contexts);
	return give(out, contexts, sizeof(contexts));
}

static bool give_a_grandchilds_ids(int out)
{
	struct tel_context contexts[IDS];

	return run_child(give_ids, contexts, sizeof(contexts)) == sizeof(contexts) && give_ids(out) &&
	       give(out, contexts, sizeof(contexts));
}

static void ids_are_a_process_own(void **state)
{
	static struct tel_context contexts[40][IDS];

	(void)state;
	init();
	make_ids(contexts[0]); /* the state that is copied has been used */
	for (size_t i = 1; i < 40; i += 3) {
		assert_int_equal(run_child(give_a_grandchilds_ids, contexts[i], 2 * sizeof(contexts[i])),
				 2 * sizeof(contexts[i]));
		make_ids(contexts[i + 2]);
	}
	tel_shutdown(1000);
	/* not even a part is made of the same random bits */
	static uint64_t words[40 * IDS * 3];
	for (size_t i = 0; i < (size_t)40 * IDS; i++) {
		memcpy(&words[3 * i], contexts[i / IDS][i % IDS].trace_id, 16);
		memcpy(&words[3 * i + 2], contexts[i / IDS][i % IDS].span_id, 8);
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		for (size_t j = 0; j < i; j++)
			if (words[i] == words[j])
				fail_msg("the words %zu and %zu are the same", i, j);
}

/* ---- metrics and the resource ---- */

static bool has_exemplar(void)
{
	BUF(out, 4 << 20);

	metrics_text(&out, "application/openmetrics-text");
	return strstr(out.data, "# {trace_id=");
}

static void *count_one(void *unused)
{
	tel_counter_add(&things, 1, "a");
	tel_histogram_record(&durations, 0.5);
	return unused;
}

static bool give_metrics(int out)
{
	if (has_exemplar())
		return false;
	double values[] = {metric("test_things_total{kind=\"a\"}"), metric("test_durations_seconds_count"),
			   metric("log_lines_written_total"), metric("process_start_time_seconds")};
	size_t count;

	tel_counter_add(&things, 2, "a");
	tel_histogram_record(&durations, 0.5);
	return metric("test_things_total{kind=\"a\"}") == 2 && metric("test_durations_seconds_count") == 1 &&
	       give(out, values, sizeof(values)) && resource_attrs(&count) && count > 1;
}

static void metrics_of_a_child_begin_at_zero(void **state)
{
	double values[4];
	pthread_t thread;

	(void)state;
	NOT_IF_SANITIZED();
	init();
	for (int i = 0; i < 2 * METRIC_CELLS; i++) { /* in each cell */
		assert_int_equal(pthread_create(&thread, NULL, count_one, NULL), 0);
		pthread_join(thread, NULL);
	}
	{
		TEL_SPAN(span, "span", TEL_INTERNAL);
		tel_histogram_record(&durations, 0.5); /* with an exemplar */
	}
	double began = metric("process_start_time_seconds");
	assert_true(has_exemplar());
	assert_int_equal(run_child(give_metrics, values, sizeof(values)), sizeof(values));
	assert_true(values[0] == 0 && values[1] == 0 && values[2] == 0);
	assert_true(values[3] >= began);
	assert_true(metric("test_things_total{kind=\"a\"}") == 2 * METRIC_CELLS);
	assert_true(has_exemplar());
	tel_shutdown(1000);
}

/* A hook that can hold up who collects, or fork. */
static atomic_bool hook_waits, hook_forks, hook_runs;
static pid_t forked_by_hook;

static void hook(void)
{
	atomic_store(&hook_runs, true);
	while (atomic_load(&hook_waits))
		sched_yield();
	if (atomic_exchange(&hook_forks, false))
		forked_by_hook = fork();
	atomic_store(&hook_runs, false);
}

static void *collect(void *unused)
{
	(void)metric("log_lines_written_total");
	return unused;
}

static bool collect_in_child(int out)
{
	atomic_store(&hook_waits, false);
	(void)metric("log_lines_written_total");
	return give(out, "", 1);
}

static void a_hook_that_runs_at_the_fork_is_the_parents(void **state)
{
	pthread_t thread;
	char byte;

	(void)state;
	NOT_IF_SANITIZED();
	tel_metrics_hook(hook);
	init();
	atomic_store(&hook_waits, true);
	assert_int_equal(pthread_create(&thread, NULL, collect, NULL), 0);
	while (!atomic_load(&hook_runs))
		sched_yield();
	assert_int_equal(run_child(collect_in_child, &byte, 1), 1);
	assert_true(atomic_load(&hook_runs));
	atomic_store(&hook_waits, false);
	pthread_join(thread, NULL);
	(void)metric("log_lines_written_total");
	tel_shutdown(1000);
}

static void a_hook_may_fork(void **state)
{
	(void)state;
	NOT_IF_SANITIZED();
	tel_metrics_hook(hook);
	init();
	fflush(NULL);
	atomic_store(&hook_forks, true);
	(void)metric("log_lines_written_total");
	if (forked_by_hook == 0) {
		alarm(CHILD_SECONDS);
		(void)metric("log_lines_written_total");
		(void)metric("log_lines_written_total");
		_exit(0);
	}
	assert_true(forked_by_hook > 0);
	expect_success(forked_by_hook);
	(void)metric("log_lines_written_total");
	tel_shutdown(1000);
}

static bool give_instance(int out)
{
	size_t count;
	const struct resource_attr *attrs = resource_attrs(&count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(attrs[i].key, "service.instance.id") == 0)
			return give(out, attrs[i].value, 36);
	return false;
}

static void a_child_is_another_instance(void **state)
{
	char instances[3][36];
	int fds[2];

	(void)state;
	init();
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(give_instance(fds[1]));
	assert_int_equal(read(fds[0], instances[0], 36), 36);
	for (int i = 1; i < 3; i++) {
		assert_int_equal(run_child(give_instance, instances[i], 36), 36);
		for (int j = 0; j < i; j++)
			assert_memory_not_equal(instances[i], instances[j], 36);
	}
	close(fds[0]);
	close(fds[1]);
	tel_shutdown(1000);
}

/* ---- the log ---- */

static bool log_before_and_after_init(int out)
{
	tel_info("child", tel_str("when", "before"));
	tel_log_reopen();
	tel_info("child", tel_str("when", "reopened"));
	if (!init_child())
		return false;
	tel_info("child", tel_str("when", "after"));
	tel_shutdown(20000);
	tel_info("child", tel_str("when", "at the end"));
	return give(out, "", 1);
}

static void a_childs_lines_are_written(void **state)
{
	char path[300], byte;
	struct file_lock lock;
	pid_t holder;

	(void)state;
	NOT_IF_SANITIZED();
	snprintf(path, sizeof(path), "%s/test-service.log", temporary);
	init();
	tel_info("parent", tel_str("when", "before"));
	assert_int_equal(run_child(log_before_and_after_init, &byte, 1), 1);
	assert_int_equal(file_lock_take(&lock, path, &holder), -EBUSY); /* the child has not given it back */
	assert_int_equal(holder, getpid());
	tel_info("parent", tel_str("when", "after"));
	stop_telemetry(20000);
	assert_int_equal(logged("\"msg\":\"parent\""), 2);
	assert_int_equal(logged("\"msg\":\"child\""), 4);
	assert_int_equal(file_lock_take(&lock, path, &holder), 0);
	file_lock_release(&lock);
}

/* ---- a host's own sinks ---- */

struct taken {
	atomic_int lines, complaints, told; /* `told`: complaints that spans are dropped */
};

static struct taken taken;

static void take_line(void *arg, enum tel_level level, const char *line, size_t bytes)
{
	struct taken *into = arg;

	(void)level, (void)line, (void)bytes;
	atomic_fetch_add(&into->lines, 1);
}

static void take_complaint(void *arg, enum tel_level level, const char *line, size_t bytes)
{
	struct taken *into = arg;

	(void)level, (void)bytes;
	atomic_fetch_add(&into->complaints, 1);
	atomic_fetch_add(&into->told, strstr(line, "spans are dropped: this process was forked") ? 1 : 0);
}

static const struct tel_config with_sinks = {.service_name = "test-service",
					     .log_line = take_line,
					     .log_line_arg = &taken,
					     .complain = take_complaint,
					     .complain_arg = &taken};

static bool use_sinks(int out)
{
	struct taken before = taken, now;

	tel_info("before");
	make_spans(2);
	now = taken;
	if (now.lines != before.lines + 1 || now.complaints != before.complaints + 1 || now.told != 1)
		return false;
	if (!SANITIZED) {
		if (tel_init(&with_sinks) != 0)
			return false;
		tel_info("after");
		if (taken.lines != now.lines + 1 || taken.told != 1)
			return false;
		tel_shutdown(20000);
	}
	return give(out, "", 1);
}

static void a_hosts_own_sinks_go_on(void **state)
{
	char byte, path[300];

	(void)state;
	setenv("OTEL_BSP_SCHEDULE_DELAY", "600000", 1);
	assert_int_equal(tel_init(&with_sinks), 0);
	tel_info("in the parent");
	assert_int_equal(taken.lines, 1);
	assert_int_equal(run_child(use_sinks, &byte, 1), 1);
	tel_info("in the parent");
	assert_int_equal(taken.lines, 2);
	assert_int_equal(taken.told, 0);
	tel_shutdown(20000);
	snprintf(path, sizeof(path), "%s/test-service.log", temporary);
	assert_int_equal(access(path, F_OK), -1);
}

/* ---- while others are in the midst of it ---- */

#define THREADS 3
#define FORKS 60

static atomic_bool storm_ends;
static atomic_uint storm_lines;

static void *make_a_storm(void *number)
{
	unsigned lines = 0;

	while (!atomic_load(&storm_ends)) {
		TEL_SPAN(span, "storm", TEL_INTERNAL);
		tel_span_set(span, tel_int("number", (intptr_t)number));
		tel_counter_add(&things, 1, lines % 2 ? "odd" : "even");
		tel_histogram_record(&durations, 0.001);
		tel_info("storm", tel_int("thread", (intptr_t)number), tel_int("line", lines));
		lines++;
		if (lines % 16 == 0) {
			(void)metric("test_things_total{kind=\"even\"}");
			tel_log_reopen();
		}
		sched_yield();
	}
	atomic_fetch_add(&storm_lines, lines);
	return NULL;
}

static bool live_a_little(int out)
{
	tel_info("forked", tel_str("when", "before"));
	make_spans(2);
	tel_counter_add(&things, 1, "new in the child");
	tel_histogram_record(&durations, 0.001);
	if (!SANITIZED && metric("test_things_total{kind=\"new in the child\"}") != 1)
		return false;
	if (!SANITIZED && random_u64() % 2 == 0) {
		if (!init_child())
			return false;
		tel_info("forked again", tel_str("when", "after"));
		make_spans(2);
		tel_shutdown(20000);
	}
	return give(out, "", 1);
}

/* A thread's lines come in order, so none stands there twice. */
static bool is_next_of_storm(const char *line)
{
	static int64_t last[THREADS] = {-1, -1, -1};
	const char *numbers = strstr(line, "\"thread\":");
	int number;
	unsigned count;

	if (!numbers || sscanf(numbers, "\"thread\":%d,\"line\":%u", &number, &count) != 2 || count <= last[number])
		return false;
	last[number] = count;
	return true;
}

/* Each line stands once and whole in the file, but for some that were dropped: of the storm, or a warning. */
static void judge_lines(unsigned storm, unsigned dropped, unsigned forked)
{
	unsigned storms = 0, forks = 0;
	char path[300], *line = NULL;
	size_t size = 0;
	ssize_t length;

	snprintf(path, sizeof(path), "%s/test-service.log", temporary);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	while ((length = getline(&line, &size, file)) > 0) {
		if (length < 9 || strncmp(line, "{\"ts\":\"", 7) != 0 || strcmp(line + length - 2, "}\n") != 0 ||
		    strstr(line + 1, "{\"ts\":"))
			fail_msg("not a line: %s", line);
		bool is_storm = strstr(line, "\"msg\":\"storm\"");
		if (is_storm && !is_next_of_storm(line))
			fail_msg("twice, or late: %s", line);
		storms += is_storm;
		forks += strstr(line, "\"msg\":\"forked\"") != NULL;
	}
	free(line);
	fclose(file);
	assert_in_range(storms, storm - dropped, storm);
	assert_int_equal(forks, forked);
}

static void forks_in_a_storm(void **state)
{
	pthread_t threads[THREADS];
	double dropped_before;
	char byte;

	(void)state;
	setenv("OTEL_LOGS_EXPORTER", "otlp", 1);
	setenv("OTEL_METRICS_EXPORTER", "otlp", 1);
	/* nobody listens: the exporters are busy, too */
	setenv("OTEL_BSP_SCHEDULE_DELAY", "1", 1);
	setenv("OTEL_BLRP_SCHEDULE_DELAY", "1", 1);
	setenv("OTEL_METRIC_EXPORT_INTERVAL", "1", 1);
	init();
	dropped_before = metric("log_lines_dropped_total");
	atomic_store(&storm_ends, false);
	atomic_store(&storm_lines, 0);
	for (intptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, make_a_storm, (void *)i), 0);
	for (int i = 0; i < FORKS; i++)
		assert_int_equal(run_child(live_a_little, &byte, 1), 1);
	atomic_store(&storm_ends, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	double dropped = metric("log_lines_dropped_total") - dropped_before;
	stop_telemetry(20000);
	judge_lines(atomic_load(&storm_lines), (unsigned)dropped, FORKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ids_are_a_process_own),
		TEST(metrics_of_a_child_begin_at_zero),
		TEST(a_hook_that_runs_at_the_fork_is_the_parents),
		TEST(a_hook_may_fork),
		TEST(a_child_is_another_instance),
		TEST(a_childs_lines_are_written),
		TEST(a_hosts_own_sinks_go_on),
		TEST(forks_in_a_storm),
	};

	return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
