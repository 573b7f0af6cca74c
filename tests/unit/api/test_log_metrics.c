/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"
#include "metrics_text.h"

#include <stdatomic.h>

#include "access_lines.h"
#include "base/buf.h"
#include "gateway/checkpoint.h"
#include "gateway/log_metrics.h"
#include "tel/tel.h"
#include "temporary.h"
#include "virtual_clock.h"

#define LOG "api-gateway.log"

static atomic_uint requests, sampled, not_found, as_written;

static void observe(const char *method, const char *route, int status, double seconds, const struct tel_span *exemplar)
{
	if (strcmp(method, "POST") == 0 && strcmp(route, "_unmatched") == 0 && seconds == 0.25)
		atomic_fetch_add(&as_written, 1);
	if (exemplar && tel_context_valid(tel_span_context(exemplar)))
		atomic_fetch_add(&sampled, 1);
	if (status == 404)
		atomic_fetch_add(&not_found, 1);
	atomic_fetch_add(&requests, 1);
}

static void write_line(const struct access_values *values)
{
	char line[2048];
	size_t bytes = access_line_write(line, sizeof(line) - 1, values);

	memcpy(line + bytes, "\n", 2);
	append_to(LOG, line);
}

#define WRITE(...) write_line(&(struct access_values){__VA_ARGS__})

static void wait_for_requests(unsigned count)
{
	virtual_pass(100 * VIRTUAL_MS);
	assert_int_equal(atomic_load(&requests), count);
}

static void assert_exposed(const char *sample)
{
	BUF(text, 1 << 20);

	metrics_text(&text, tel_metrics_content_type(NULL));
	if (!strstr(text.data, sample))
		fail_msg("no %s in\n%s", sample, text.data);
}

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
	char head[LOG_HEAD_BYTES];
	int fd = open(log, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, head, sizeof(head)), sizeof(head));
	close(fd);
	position = (struct log_position){.device = st.st_dev,
					 .inode = st.st_ino,
					 .offset = (uint64_t)st.st_size,
					 .head_bytes = sizeof(head),
					 .head = log_position_head(head, sizeof(head))};
	assert_int_equal(checkpoint_write(checkpoint, &position, false), 0);

	assert_int_equal(log_metrics_start(log, checkpoint, observe), 0);
	WRITE(.status = "404", .flags = "00", .duration_ms = "250", .method = "POST", .route = "_unmatched");
	wait_for_requests(1);
	assert_int_equal(atomic_load(&not_found), 1);
	assert_int_equal(atomic_load(&sampled), 0);
	assert_int_equal(atomic_load(&as_written), 1);

	for (int i = 0; i < 99; i++)
		WRITE(0);
	wait_for_requests(100);
	assert_int_equal(atomic_load(&sampled), 99);
	append_to(LOG, "garbage\n\n{\"ts\":\"2026");
	WRITE(0);
	wait_for_requests(101);
	assert_exposed("\ngateway_log_lines_total 103.0\n");
	assert_exposed("\ngateway_log_gaps_total{follower=\"metrics\"} 0.0\n");
	assert_exposed("\ngateway_log_lines_unparsed_total 3.0\n");

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
