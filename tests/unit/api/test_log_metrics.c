/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"
#include "metrics_text.h"

#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access_lines.h"
#include "base/buf.h"
#include "gateway/checkpoint.h"
#include "gateway/log_metrics.h"
#include "tel/tel.h"
#include "temporary.h"
#include "virtual_clock.h"

#define LOG "api-gateway.log"

static void write_line(const struct access_values *values)
{
	char line[2048];
	size_t bytes = access_line_write(line, sizeof(line) - 1, values);

	memcpy(line + bytes, "\n", 2);
	append_to(LOG, line);
}

#define WRITE(...) write_line(&(struct access_values){__VA_ARGS__})

/* The sample, and whether what follows it on its line has an exemplar. */
static void assert_exposed(const char *sample, bool has_exemplar)
{
	BUF(text, 1 << 20);

	metrics_text(&text, "application/openmetrics-text; version=1.0.0; charset=utf-8");
	const char *found = strstr(text.data, sample);
	if (!found)
		fail_msg("no %s in\n%s", sample, text.data);
	const char *exemplar = strstr(found + 1, " # {trace_id="), *end = strchr(found + 1, '\n');
	assert_int_equal(exemplar && exemplar < end, has_exemplar);
}

#define SECONDS "\nhttp_server_request_duration_seconds"
#define OF_POST "http_request_method=\"POST\",http_route=\"_unmatched\",http_response_status_code=\"404\""
#define OF_GET "http_request_method=\"GET\",http_route=\"/api/v1/users/{id}\",http_response_status_code=\"200\""

static void counts_what_the_log_says(void **state)
{
	static char log[PATH_MAX], checkpoint[PATH_MAX];
	struct log_position position;
	struct stat st;

	(void)state;
	snprintf(log, sizeof(log), "%s", in_temporary(LOG));
	snprintf(checkpoint, sizeof(checkpoint), "%s", in_temporary("checkpoint"));
	WRITE(0);
	/* counted by the program before this one */
	assert_int_equal(stat(log, &st), 0);
	char head[LOG_POSITION_HEAD_MAX];
	int fd = open(log, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, head, sizeof(head)), sizeof(head));
	close(fd);
	position = (struct log_position){.device = st.st_dev,
					 .inode = st.st_ino,
					 .offset = (uint64_t)st.st_size,
					 .head_len = sizeof(head),
					 .head = log_position_head(head, sizeof(head))};
	assert_int_equal(checkpoint_write(checkpoint, &position, false), 0);

	assert_int_equal(log_metrics_start(log, checkpoint), 0);
	WRITE(.status = "404", .flags = "00", .duration_ms = "250", .method = "POST", .route = "_unmatched");
	virtual_pass(100 * VIRTUAL_MS);
	assert_exposed(SECONDS "_bucket{" OF_POST ",le=\"0.25\"} 1", false);
	assert_exposed(SECONDS "_sum{" OF_POST "} 0.25\n", false);

	for (int i = 0; i < 99; i++)
		WRITE(0);
	virtual_pass(100 * VIRTUAL_MS);
	assert_exposed(SECONDS "_count{" OF_GET "} 99\n", false);
	assert_exposed(SECONDS "_bucket{" OF_GET ",le=\"0.025\"} 99", true);
	append_to(LOG, "garbage\n\n{\"ts\":\"2026");
	WRITE(0);
	virtual_pass(100 * VIRTUAL_MS);
	assert_exposed(SECONDS "_count{" OF_GET "} 100\n", false);
	assert_exposed(SECONDS "_count{" OF_POST "} 1\n", false);
	assert_exposed("\ngateway_log_lines_total 103.0\n", false);
	assert_exposed("\ngateway_log_gaps_total{follower=\"metrics\"} 0.0\n", false);
	assert_exposed("\ngateway_log_lines_unparsed_total 3.0\n", false);

	log_metrics_stop();
	assert_int_equal(stat(log, &st), 0);
	assert_int_equal(checkpoint_read(checkpoint, &position), 0);
	assert_int_equal(position.offset, st.st_size);
}

static int setup(void **state)
{
	if (temporary_setup(state))
		return -1;
	setenv("LOG_DIR", temporary, 1);
	virtual_begin();
	return tel_init(&(struct tel_config){
		.service_name = "api-gateway", .log_name = "gateway-shipper", .no_exporter = true});
}

static int teardown(void **state)
{
	tel_shutdown(1000);
	virtual_end();
	return temporary_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(counts_what_the_log_says)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
