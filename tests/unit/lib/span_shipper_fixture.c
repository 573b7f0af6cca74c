/* SPDX-License-Identifier: MIT */
#include "span_shipper_fixture.h"

#include <assert.h>
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access_lines.h"
#include "cmocka_all.h"
#include "otlp_ids.h"
#include "tel/tel.h"

/* ---- the shipper ---- */

static bool is_running;

int start_parts(void)
{
	int error = tel_init(&(struct tel_config){
		.service_name = "api-gateway", .log_name = "gateway-shipper", .no_exporter = true});

	return error ? error : span_shipper_start(getenv("ACCESS_LOG"), getenv("CHECKPOINT_FILE"));
}

void stop_parts(void)
{
	span_shipper_stop(1500);
	tel_shutdown(1000);
}

void start(void)
{
	assert_int_equal(start_parts(), 0);
	is_running = true;
	virtual_settle(); /* a first start begins where the log is then */
}

uint64_t stop(void)
{
	uint64_t begin_ns = clock_monotonic_ns();

	is_running = false;
	stop_parts();
	return (clock_monotonic_ns() - begin_ns) / VIRTUAL_MS;
}

/* ---- the collector ---- */

atomic_uchar seen[SPANS_MAX];
atomic_uint seen_count;
struct tiny_server span_collector;

static void take_id(const uint8_t *span_id)
{
	uint64_t id;

	memcpy(&id, span_id, sizeof(id));
	id = be64toh(id);
	assert(id > 0 && id < SPANS_MAX);
	atomic_fetch_add(&seen[id], 1);
	atomic_fetch_add(&seen_count, 1);
}

static void take_request(const char *body, size_t bytes, int status)
{
	if (status == 200)
		otlp_each_span_id((const uint8_t *)body, bytes, 0, take_id);
}

/* ---- the log ---- */

uint64_t last_id;

size_t next_line(char *out, size_t size, const char *flags)
{
	char server[17], client[17];

	snprintf(server, sizeof(server), "%016llx", (unsigned long long)++last_id);
	snprintf(client, sizeof(client), "%016llx", (unsigned long long)++last_id);
	assert_true(last_id < SPANS_MAX);
	size_t bytes = access_line_write(
		out, size - 2, &(struct access_values){.span_id = server, .client_span_id = client, .flags = flags});
	memcpy(out + bytes, "\n", 2);
	return bytes + 1;
}

void write_lines(const char *name, unsigned count)
{
	char line[2048];
	int fd = open(in_temporary(name), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	while (count--) {
		size_t bytes = next_line(line, sizeof(line), "01");
		assert_int_equal(write(fd, line, bytes), bytes);
	}
	close(fd);
}

/* ---- judging ---- */

void wait_until_seen(uint64_t count)
{
	VIRTUAL_UNTIL(atomic_load(&seen_count) >= count, 60);
}

unsigned count_repeats(void)
{
	unsigned repeats = 0;

	for (uint64_t id = 1; id <= last_id; id++) {
		unsigned times = atomic_load(&seen[id]);
		if (times == 0)
			fail_msg("span %llu of %llu is lost", (unsigned long long)id, (unsigned long long)last_id);
		repeats += times - 1;
	}
	return repeats;
}

bool is_shipped(void)
{
	struct log_position position;
	struct stat st;

	assert_int_equal(checkpoint_read(in_temporary("checkpoint"), &position), 0);
	assert_int_equal(stat(in_temporary(LOG), &st), 0);
	return position.offset == (uint64_t)st.st_size && position.inode == st.st_ino;
}

void assert_each_once(void)
{
	wait_until_seen(last_id);
	virtual_pass(VIRTUAL_SECOND);
	assert_int_equal(count_repeats(), 0);
}

bool log_says(const char *text)
{
	static char content[65536];
	int fd = open(in_temporary("gateway-shipper.log"), O_RDONLY | O_CLOEXEC);
	ssize_t bytes = fd < 0 ? -1 : read(fd, content, sizeof(content) - 1);

	if (fd >= 0)
		close(fd);
	content[bytes < 0 ? 0 : bytes] = '\0';
	return strstr(content, text);
}

int shipper_setup_in_real_time(void **state)
{
	char url[64];

	if (temporary_setup(state))
		return -1;
	memset((void *)seen, 0, sizeof(seen));
	atomic_store(&seen_count, 0);
	last_id = 0;
	append_to(LOG, "");
	span_collector = (struct tiny_server){.status = 200, .take = take_request};
	tiny_start(&span_collector);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", span_collector.port);
	setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url, 1);
	setenv("OTEL_BSP_SCHEDULE_DELAY", "200", 1);
	unsetenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE");
	setenv("ACCESS_LOG", in_temporary(LOG), 1);
	setenv("CHECKPOINT_FILE", in_temporary("checkpoint"), 1);
	setenv("LOG_DIR", temporary, 1);
	return 0;
}

int shipper_setup(void **state)
{
	virtual_server_hangs = &span_collector.hangs;
	virtual_begin();
	return shipper_setup_in_real_time(state);
}

int shipper_teardown(void **state)
{
	if (is_running)
		stop();
	tiny_stop(&span_collector);
	virtual_end();
	return temporary_teardown(state);
}
