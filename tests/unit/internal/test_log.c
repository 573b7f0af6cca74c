/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "count_allocations.h"
#include "golden.h"
#include "log_fixture.h"
#include "tel/src/span.h"

static uint64_t frozen_ns(void)
{
	return 1763815800123456789;
}

static void use_span(struct tel_span *span, struct tel_parent *parent)
{
	tel_parent_init(parent);
	tel_parent_header(parent, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03");
	tel_parent_end(parent);
	tel_span_start_remote(span, "GET", TEL_SERVER, parent);
	memcpy(span_of(span)->span_id, "\x00\xf0\x67\xaa\x0b\xa9\x02\xb7", 8);
}

static void lines_are_as_they_were(void **state)
{
	const struct clock_source real = clock_source;
	static struct tel_parent parent;
	struct tel_span span;
	size_t bytes;

	(void)state;
	clock_source.realtime_ns = frozen_ns;
	tel_info("no fields");
	tel_warn("all types", tel_str("text", "测试 \"商品\""), tel_lit("literal", "x"), tel_int("int", -5),
		 tel_double("double", 0.25), tel_bool("yes", true), tel_bool("no", false), tel_str("null", NULL));
	tel_debug("below the level");
	tel_info("hostile", tel_strn("bytes", "a\0\r\n\x1b[31m\xff\xc2\x85\xe2\x80\xa8\xed\xa0\x80", 18));
	use_span(&span, &parent);
	tel_info("request", tel_str("method", "GET"), tel_int("status", 200), tel_double("duration_ms", 1.234));
	tel_error("failed", tel_str("reason", "database is locked"));
	tel_span_end(&span);
	tel_info("after the request");
	clock_source.realtime_ns = real.realtime_ns; /* the log's thread reads the other clock */
	log_stop(10000);
	char *data = read_file(log_path, &bytes);
	assert_golden("log.jsonl", data, bytes);
	assert_int_equal(check_lines(data, bytes), 6);
	free(data);
}

static void long_values_are_cut(void **state)
{
	static char text[3 * 8000 + 1];
	size_t bytes;

	(void)state;
	for (int i = 0; i < 8000; i++)
		memcpy(text + 3 * i, "测", 3);
	for (size_t shift = 0; shift < 3; shift++)
		tel_info("long", tel_strn("a", text + 3, 3 * 8000 - 3 - shift), tel_int("b", 1));
	tel_info("longer than a line", tel_str("a", text), tel_str("b", text), tel_str("c", text), tel_str("d", text),
		 tel_str("e", text), tel_int("f", 7));
	memset(text, '\x01', sizeof(text) - 1);
	tel_info("escapes take room", tel_str("a", text), tel_int("b", 1));
	log_stop(10000);
	char *data = read_file(log_path, &bytes);
	assert_int_equal(check_lines(data, bytes), 5);
	for (char *line = data; *line; line = strchr(line, '\n') + 1) {
		size_t length = (size_t)(strchr(line, '\n') + 1 - line);
		assert_true(length <= 16384);
		assert_memory_equal(line + length - 18, "\"truncated\":true}\n", 18);
		if (strncmp(strstr(line, "\"msg\"") + 7, "longer", 6) != 0)
			assert_non_null(memmem(line, length, "\"b\":1,", 6));
		else
			assert_true(length > 16000);
	}
	free(data);
}

static void any_bytes_give_valid_lines(void **state)
{
	(void)state;
	char bytes[300];
	for (int i = 0; i < 3000; i++) {
		for (size_t b = 0; b < sizeof(bytes); b++)
			bytes[b] = (char)(random_u64() >> 20);
		tel_info("any", tel_strn("a", bytes, random_u64() % sizeof(bytes)), tel_strn("b", bytes, 5));
		if (i % 50 == 0)
			usleep(60000 / 50);
	}
	log_stop(10000);
	assert_int_equal(check_file(log_path), written());
	assert_int_equal(written() + dropped(), 3000);
}

static void level_comes_from_the_environment(void **state)
{
	static const char *const levels[] = {"debug", "info", "warn", "error"};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		unlink(log_path);
		setenv("LOG_LEVEL", i < 4 ? levels[i] : i == 4 ? "WARN" : "nonsense", 1);
		assert_int_equal(log_start("test"), 0);
		tel_debug("line");
		tel_info("line");
		tel_warn("line");
		tel_error("line");
		log_stop(10000);
		assert_int_equal(check_file(log_path), i < 4 ? 4 - i : i == 4 ? 2 : 3);
	}
	unsetenv("LOG_LEVEL");
	unlink(log_path);
}

#define THREADS 8
#define LINES 3000

static void *log_much(void *arg)
{
	for (int i = 0; i < LINES; i++) {
		tel_info("line", tel_int("thread", (intptr_t)arg), tel_int("number", i));
		if (i % 100 == 0)
			usleep(2000);
	}
	return NULL;
}

static void threads_never_mix_lines(void **state)
{
	pthread_t threads[THREADS];
	int last[THREADS];
	size_t bytes;

	(void)state;
	for (intptr_t i = 0; i < THREADS; i++) {
		last[i] = -1;
		assert_int_equal(pthread_create(&threads[i], NULL, log_much, (void *)i), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	log_stop(10000);

	char *data = read_file(log_path, &bytes);
	assert_int_equal(check_lines(data, bytes), written());
	assert_int_equal(written() + dropped(), THREADS * LINES);
	for (char *line = data, *end; (end = strchr(line, '\n')); line = end + 1) {
		int thread, number;
		*end = '\0'; /* also because sscanf measures the whole string */
		assert_int_equal(sscanf(strstr(line, "\"thread\""), "\"thread\":%d,\"number\":%d}", &thread, &number),
				 2);
		assert_true(number > last[thread]);
		last[thread] = number;
	}
	free(data);
}

static void logging_allocates_nothing(void **state)
{
	static struct tel_parent parent;
	struct tel_span span;

	(void)state;
	tel_info("warm");
	wait_until_file_has(log_path, "warm");
	use_span(&span, &parent);
	unsigned long before = atomic_load(&allocations);
	for (int i = 0; i < 5000; i++) {
		tel_info("request", tel_str("method", "GET"), tel_int("status", 200),
			 tel_double("duration_ms", i / 7.0), tel_str("path", "/api/v1/users"));
	}
	tel_error("last");
	unsigned long after = atomic_load(&allocations);
	assert_int_equal(after, before);
	tel_span_end(&span);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOG(lines_are_as_they_were),     WITH_LOG(long_values_are_cut),
		WITH_LOG(any_bytes_give_valid_lines), cmocka_unit_test(level_comes_from_the_environment),
		WITH_LOG(threads_never_mix_lines),    WITH_LOG(logging_allocates_nothing),
	};
	return cmocka_run_group_tests(tests, log_fixture_setup, log_fixture_teardown);
}
