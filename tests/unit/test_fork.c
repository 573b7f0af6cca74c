/* SPDX-License-Identifier: MIT */
/* A process with telemetry forks: whose are the ids, the spans, the lines, the metrics, the locks? */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/lock.h"
#include "base/random.h"
#include "tel/ship.h"
#include "tel/src/resource.h"
#include "tel/src/span.h"
#include "telemetry_fixture.h"

#define CHILD_SECONDS 120 /* more means that it hangs */

TEL_COUNTER(things, "test.things", "{thing}", "Counted by parent and children.", "kind");
TEL_HISTOGRAM(durations, "test.durations", "s", "Measured by parent and children.", tel_db_bounds);

/*
 * The allocators of the sanitizers do not survive a fork beside other threads, and ThreadSanitizer lets no child start
 * threads: there the children do what takes neither.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

#define NOT_IF_SANITIZED()                                                                                             \
	do {                                                                                                           \
		if (SANITIZED) {                                                                                       \
			print_message("skipped: the sanitizer's runtime does not survive fork() beside threads\n");    \
			skip();                                                                                        \
		}                                                                                                      \
	} while (0)

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}

/* Runs `work` in a forked child, which has to return true. What it gives to its argument, the parent can read. */
static pid_t fork_child(bool (*work)(int out), int *in)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(CHILD_SECONDS);
		_exit(work(fds[1]) ? 0 : 1);
	}
	close(fds[1]);
	*in = fds[0];
	return pid;
}

static void expect_success(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("the child ended with %s %d", WIFSIGNALED(status) ? "signal" : "code",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* Bytes that the child gave. */
static size_t run_child(bool (*work)(int out), void *result, size_t size)
{
	int in;
	pid_t pid = fork_child(work, &in);
	size_t length = 0;
	ssize_t got;

	while (length < size && (got = read(in, (char *)result + length, size - length)) > 0)
		length += (size_t)got;
	close(in);
	expect_success(pid);
	return length;
}

static bool give(int out, const void *bytes, size_t count)
{
	return write(out, bytes, count) == (ssize_t)count;
}

static void init(void)
{
	assert_int_equal(tel_init(&(struct tel_config){.service_name = "test-service"}), 0);
}

/* In a child, where no assertion may be made. */
static bool init_child(void)
{
	return tel_init(&(struct tel_config){.service_name = "test-service"}) == 0;
}

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

/* ---- spans ---- */

static const struct step accepts[] = {OK_EMPTY};

static bool send_one_span(int out)
{
	if (!init_child())
		return false;
	make_spans(1);
	tel_shutdown(20000);
	return give(out, "", 1);
}

/* Nothing is sent before the shutdown: the child's first, and then the parent's. */
static void what_is_queued_is_sent_by_the_parent_alone(void **state)
{
	char byte;

	(void)state;
	NOT_IF_SANITIZED();
	setenv("OTEL_BSP_SCHEDULE_DELAY", "600000", 1);
	collector_serve(accepts, 1);
	init();
	make_spans(5);
	assert_int_equal(run_child(send_one_span, &byte, 1), 1);
	assert_int_equal(SEEN(spans), 1);
	tel_shutdown(20000);
	assert_int_equal(SEEN(spans), 6);
	assert_int_equal(SEEN(requests), 2);
	/* another instance of the same service */
	const struct collector_request *request = collector.request;
	const char *child = memmem(request[0].body, request[0].bytes, "service.instance.id", 19);
	const char *parent = memmem(request[1].body, request[1].bytes, "service.instance.id", 19);
	assert_non_null(child);
	assert_non_null(parent);
	assert_memory_not_equal(child, parent, 19 + 4 + 36);
}

static bool make_spans_without_init(int out)
{
	make_spans(3);
	double counted[] = {metric("otel_sdk_span_started_total"),
			    metric("otel_sdk_span_dropped_total{reason=\"shutdown\"}"),
			    metric("otel_sdk_processor_span_queue_size")};
	tel_shutdown(1000);
	return give(out, counted, sizeof(counted));
}

static void spans_of_a_child_without_tel_init_are_dropped_and_said_once(void **state)
{
	double counted[3];

	(void)state;
	NOT_IF_SANITIZED();
	init();
	make_spans(7);
	assert_int_equal(run_child(make_spans_without_init, counted, sizeof(counted)), sizeof(counted));
	assert_true(counted[0] == 3 && counted[1] == 3 && counted[2] == 0);
	stop_telemetry(1000);
	assert_int_equal(logged("spans are dropped: this process was forked"), 1);
}

static bool log_without_init(int out)
{
	for (int i = 0; i < 3; i++)
		tel_info("of the child");
	double counted[] = {metric("otel_sdk_log_created_total"),
			    metric("otel_sdk_log_dropped_total{reason=\"shutdown\"}"),
			    metric("otel_sdk_processor_log_queue_size")};
	tel_shutdown(1000);
	return give(out, counted, sizeof(counted));
}

static void log_records_of_a_child_without_tel_init_are_lines_alone(void **state)
{
	double counted[3];

	(void)state;
	NOT_IF_SANITIZED();
	setenv("OTEL_LOGS_EXPORTER", "otlp", 1);
	init();
	tel_info("of the parent");
	assert_int_equal(run_child(log_without_init, counted, sizeof(counted)), sizeof(counted));
	assert_true(counted[0] == 3 && counted[1] == 3 && counted[2] == 0);
	stop_telemetry(1000);
	assert_int_equal(logged("\"msg\":\"of the child\""), 3);
	assert_int_equal(logged("log records are dropped: this process was forked"), 1);
}

static bool end_what_is_open(int out)
{
	struct tel_span *inherited = tel_span_current();
	struct tel_context contexts[2] = {tel_span_context(inherited)};
	struct tel_span own;

	if (!init_child() || tel_span_recording(inherited))
		return false;
	tel_span_start(&own, "own", TEL_INTERNAL);
	memcpy(contexts[1].span_id, span_of(&own)->parent_span_id, 8);
	memcpy(contexts[1].trace_id, span_of(&own)->trace_id, 16);
	tel_span_end(&own);
	tel_span_end(inherited);
	tel_shutdown(20000);
	return give(out, contexts, sizeof(contexts));
}

static void an_open_span_is_the_parents_to_send(void **state)
{
	struct tel_context contexts[2];

	(void)state;
	NOT_IF_SANITIZED();
	setenv("OTEL_BSP_SCHEDULE_DELAY", "600000", 1);
	collector_serve(accepts, 1);
	init();
	{
		TEL_SPAN(span, "open", TEL_INTERNAL);
		assert_int_equal(run_child(end_what_is_open, contexts, sizeof(contexts)), sizeof(contexts));
		struct tel_context here = tel_span_context(span);
		assert_memory_equal(contexts[0].span_id, here.span_id, 8);
		assert_memory_equal(contexts[1].span_id, here.span_id, 8);
		assert_memory_equal(contexts[1].trace_id, here.trace_id, 16);
		assert_int_equal(SEEN(spans), 1);
	}
	tel_shutdown(20000);
	assert_int_equal(SEEN(spans), 2);
}

static struct tel_batch *shipped;

/* Whether this process has an end of a connection to the collector, of which the other is the collector's. */
static bool is_connected(void)
{
	int port = atoi(strrchr(collector.url, ':') + 1);

	for (int fd = 0; fd < 256; fd++) {
		struct sockaddr_in peer;
		socklen_t size = sizeof(peer);
		if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sin_family == AF_INET &&
		    ntohs(peer.sin_port) == port)
			return true;
	}
	return false;
}

static bool use_an_inherited_batch(int out)
{
	unsigned retry_ms;
	struct tel_span_facts facts = {.context = {.trace_id = {1}, .span_id = {2}, .flags = TEL_SAMPLED}};
	struct tel_span span;

	tel_span_from(&span, &facts);
	tel_batch_add(shipped, &span);
	bool nothing_sent = tel_batch_send(shipped, &retry_ms) == TEL_SENT_OK && tel_batch_count(shipped) == 1;
	tel_batch_cancel(shipped);
	tel_batch_free(shipped);
	return nothing_sent && !is_connected() && give(out, "", 1);
}

static void a_batch_is_not_inherited(void **state)
{
	struct tel_span_facts facts = {.context = {.trace_id = {1}, .span_id = {2}, .flags = TEL_SAMPLED}};
	struct tel_span span;
	unsigned retry_ms;
	char byte;

	(void)state;
	collector_serve(accepts, 1);
	assert_int_equal(tel_init(&(struct tel_config){.service_name = "test-service", .no_exporter = true}), 0);
	shipped = tel_batch_new();
	for (int i = 0; i < 2; i++) { /* with no connection, and with one */
		tel_span_from(&span, &facts);
		assert_true(tel_batch_add(shipped, &span));
		assert_int_equal(run_child(use_an_inherited_batch, &byte, 1), 1);
		assert_int_equal(tel_batch_send(shipped, &retry_ms), TEL_SENT_OK);
		assert_int_equal(SEEN(spans), i + 1);
	}
	assert_int_equal(SEEN(connections), 1); /* the child has not closed it */
	assert_true(is_connected());
	tel_batch_free(shipped);
	tel_shutdown(1000);
}

/* ---- metrics and the resource ---- */

static bool give_metrics(int out)
{
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

	(void)state;
	NOT_IF_SANITIZED();
	init();
	tel_counter_add(&things, 1, "a");
	{
		TEL_SPAN(span, "span", TEL_INTERNAL);
		tel_histogram_record(&durations, 0.5); /* with an exemplar */
	}
	double began = metric("process_start_time_seconds");
	assert_int_equal(run_child(give_metrics, values, sizeof(values)), sizeof(values));
	assert_true(values[0] == 0 && values[1] == 0 && values[2] == 0);
	assert_true(values[3] >= began);
	assert_true(metric("test_things_total{kind=\"a\"}") >= 1);
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
	struct lock lock;
	pid_t holder;

	(void)state;
	NOT_IF_SANITIZED();
	snprintf(path, sizeof(path), "%s/test-service.log", log_dir);
	init();
	tel_info("parent", tel_str("when", "before"));
	assert_int_equal(run_child(log_before_and_after_init, &byte, 1), 1);
	assert_int_equal(lock_take(&lock, path, &holder), -EBUSY); /* the child has not given it back */
	assert_int_equal(holder, getpid());
	tel_info("parent", tel_str("when", "after"));
	stop_telemetry(20000);
	assert_int_equal(logged("\"msg\":\"parent\""), 2);
	assert_int_equal(logged("\"msg\":\"child\""), 4);
	assert_int_equal(lock_take(&lock, path, &holder), 0);
	lock_release(&lock);
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

	snprintf(path, sizeof(path), "%s/test-service.log", log_dir);
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
	setenv("OTEL_BSP_SCHEDULE_DELAY", "1", 1); /* nobody listens: the exporters are busy, too */
	setenv("OTEL_LOGS_EXPORTER", "otlp", 1);
	setenv("OTEL_BLRP_SCHEDULE_DELAY", "1", 1);
	setenv("OTEL_METRICS_EXPORTER", "prometheus,otlp", 1);
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
	unsetenv("OTEL_LOGS_EXPORTER");
	unsetenv("OTEL_METRICS_EXPORTER");
}

/* No time of the test's own: processes and threads of others take part. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin_in_real_time, fork_fixture_end)

/* The file of a lock that was shared stays. */
static int fork_fixture_end(void **state)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/.test-service-log.lock", log_dir);
	unlink(path);
	return fixture_end(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ids_are_a_process_own),
		TEST(what_is_queued_is_sent_by_the_parent_alone),
		TEST(spans_of_a_child_without_tel_init_are_dropped_and_said_once),
		TEST(log_records_of_a_child_without_tel_init_are_lines_alone),
		TEST(an_open_span_is_the_parents_to_send),
		TEST(a_batch_is_not_inherited),
		TEST(metrics_of_a_child_begin_at_zero),
		TEST(a_child_is_another_instance),
		TEST(a_childs_lines_are_written),
		TEST(forks_in_a_storm),
	};

	return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
