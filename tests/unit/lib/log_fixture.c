/* SPDX-License-Identifier: MIT */
#include "log_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "cmocka_all.h"
#include "metrics_text.h"
#include "strict_json.h"
#include "tel/src/metrics.h"
#include "tel/src/resource.h"
#include "wait_until.h"

char log_path[300];

char *read_file(const char *path, size_t *bytes)
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

static double written_before, dropped_before;

void remember_counters(void)
{
	written_before = metric("log_lines_written_total");
	dropped_before = metric("log_lines_dropped_total");
}

unsigned long written(void)
{
	return (unsigned long)(metric("log_lines_written_total") - written_before);
}

unsigned long dropped(void)
{
	return (unsigned long)(metric("log_lines_dropped_total") - dropped_before);
}

unsigned long check_lines(const char *data, size_t bytes)
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

unsigned long check_file(const char *path)
{
	size_t bytes;
	char *data = read_file(path, &bytes);
	unsigned long lines = check_lines(data, bytes);

	free(data);
	return lines;
}

bool file_has(const char *path, const char *text)
{
	size_t bytes;
	char *data = access(path, R_OK) ? strdup("") : read_file(path, &bytes);
	bool found = strstr(data, text);

	free(data);
	return found;
}

void wait_until_file_has(const char *path, const char *text)
{
	WAIT_UNTIL(file_has(path, text), 10);
}

int fresh_log(void **state)
{
	(void)state;
	unlink(log_path);
	return log_start("test");
}

int end_log(void **state)
{
	(void)state;
	log_stop(10000);
	unlink(log_path);
	return 0;
}

int make_log_directory(void **state)
{
	if (temporary_setup(state))
		return -1;
	snprintf(log_path, sizeof(log_path), "%s/test.log", temporary);
	setenv("LOG_DIR", temporary, 1);
	unsetenv("LOG_LEVEL");
	return 0;
}

int log_fixture_setup(void **state)
{
	if (make_log_directory(state))
		return -1;
	metrics_init(true);
	return resource_init(&(struct tel_config){.service_name = "test-service"});
}

int log_fixture_teardown(void **state)
{
	(void)state;
	return rmdir(temporary);
}

int start_counting(void **state)
{
	int result = fresh_log(state);

	remember_counters();
	return result;
}
