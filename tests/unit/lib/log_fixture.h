/* SPDX-License-Identifier: MIT */
/* A log in a temporary directory, for the tests of log.c and log_file.c. */
#ifndef APM_TESTS_LOG_FIXTURE_H
#define APM_TESTS_LOG_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "metrics_text.h"
#include "strict_json.h"
#include "tel/src/log.h"
#include "tel/src/metrics.h"
#include "tel/src/resource.h"

static char directory[256];
static char file[300]; /* of the log "test" */

/* The whole file as it is now; the caller frees it. */
static inline char *read_file(const char *path, size_t *bytes)
{
	FILE *in = fopen(path, "rb");
	assert_non_null(in);
	assert_int_equal(fseek(in, 0, SEEK_END), 0);
	long size = ftell(in);
	assert_true(size >= 0);
	rewind(in);
	char *data = malloc((size_t)size + 1);
	assert_non_null(data);
	*bytes = fread(data, 1, (size_t)size, in);
	data[*bytes] = '\0';
	fclose(in);
	return data;
}

static inline double counter(const char *name)
{
	BUF(out, 4 << 20);
	char needle[64];

	metrics_text(&out, tel_metrics_content_type(NULL));
	assert_false(out.failed);
	snprintf(needle, sizeof(needle), "\n%s ", name);
	const char *line = strstr(out.data, needle);
	assert_non_null(line);
	return strtod(line + strlen(needle), NULL);
}

static double written_before, dropped_before;

static inline void remember_counters(void)
{
	written_before = counter("log_lines_written_total");
	dropped_before = counter("log_lines_dropped_total");
}

static inline unsigned long written(void)
{
	return (unsigned long)(counter("log_lines_written_total") - written_before);
}

static inline unsigned long dropped(void)
{
	return (unsigned long)(counter("log_lines_dropped_total") - dropped_before);
}

/* Every line is one JSON object in valid UTF-8; returns how many there are. */
static inline unsigned long check_lines(const char *data, size_t bytes)
{
	struct json_tokener *tokener = strict_json();
	unsigned long lines = 0;

	assert_true(utf8_valid(data, bytes));
	while (bytes) {
		const char *end = memchr(data, '\n', bytes);
		if (!end)
			fail_msg("half a line: %.*s", (int)bytes, data);
		json_tokener_reset(tokener);
		struct json_object *object = json_tokener_parse_ex(tokener, data, (int)(end - data));
		if (!json_object_is_type(object, json_type_object) ||
		    json_tokener_get_parse_end(tokener) != (size_t)(end - data))
			fail_msg("not an object: %.*s", (int)(end - data), data);
		json_object_put(object);
		lines++;
		bytes -= (size_t)(end + 1 - data);
		data = end + 1;
	}
	json_tokener_free(tokener);
	return lines;
}

static inline unsigned long check_file(const char *path)
{
	size_t bytes;
	char *data = read_file(path, &bytes);
	unsigned long lines = check_lines(data, bytes);

	free(data);
	return lines;
}

static inline bool file_has(const char *path, const char *text)
{
	size_t bytes;
	char *data = access(path, R_OK) ? strdup("") : read_file(path, &bytes);
	bool found = strstr(data, text);

	free(data);
	return found;
}

static inline void wait_until_file_has(const char *path, const char *text)
{
	for (int i = 0; i < 2000; i++) {
		if (file_has(path, text))
			return;
		usleep(5000);
	}
	fail_msg("%s never had %s", path, text);
}

static inline int fresh_log(void **state)
{
	(void)state;
	unlink(file);
	return log_start("test");
}

static inline int end_log(void **state)
{
	(void)state;
	log_stop(10000);
	unlink(file);
	return 0;
}

static inline int make_directory(void **state)
{
	(void)state;
	const char *root = getenv("TMPDIR");
	snprintf(directory, sizeof(directory), "%s/apm-log-XXXXXX", root ? root : "/tmp");
	if (!mkdtemp(directory))
		return -1;
	snprintf(file, sizeof(file), "%s/test.log", directory);
	setenv("LOG_DIR", directory, 1);
	unsetenv("LOG_LEVEL");
	return 0;
}

static inline int setup(void **state)
{
	if (make_directory(state))
		return -1;
	metrics_init(true);
	return resource_init(&(struct tel_config){.service_name = "test-service"});
}

static inline int teardown(void **state)
{
	(void)state;
	return rmdir(directory);
}

static inline int start_counting(void **state)
{
	int result = fresh_log(state);

	remember_counters();
	return result;
}

#define WITH_LOG(test) cmocka_unit_test_setup_teardown(test, start_counting, end_log)

#endif
