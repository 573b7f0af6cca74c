/* SPDX-License-Identifier: MIT */
#include "log_tail_fixture.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "cmocka_all.h"

struct log_tail tail;
struct log_position position;
uint64_t now_ns = 5 * SECOND;

static uint64_t fake_monotonic_ns(void)
{
	return now_ns;
}

static char told[16384];

void tell(struct buf *out)
{
	static const char *const marks[] = {
		[LOG_TAIL_ROTATED] = "[rotated]", [LOG_TAIL_TRUNCATED] = "[truncated]", [LOG_TAIL_LOST] = "[lost]"};
	struct log_tail_line line;
	enum log_tail_event event;

	while ((event = log_tail_next(&tail, &line)) != LOG_TAIL_IDLE) {
		if (out->len)
			buf_addc(out, ' ');
		if (event != LOG_TAIL_LINE)
			buf_adds(out, marks[event]);
		else if (line.len)
			buf_add(out, line.text, line.len);
		else
			buf_adds(out, "()");
	}
}

const char *read_all(void)
{
	struct buf out;

	buf_init_fixed(&out, told, sizeof(told));
	tell(&out);
	return told;
}

const char *read_later(void)
{
	struct buf out;

	buf_init_fixed(&out, told, sizeof(told));
	for (int quiet = 0; quiet < 15; quiet++) {
		size_t before = out.len;
		tell(&out);
		if (out.len > before)
			quiet = 0;
		now_ns += SECOND / 10;
	}
	return told;
}

void start_following(void)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", in_temporary(LOG));
	log_tail_init(&tail, path, position.inode ? &position : NULL, 1024);
}

void stop_following(void)
{
	struct log_position at;

	assert_true(log_tail_position(&tail, tail.offset, 0, &at));
	assert_int_equal(checkpoint_write(in_temporary("checkpoint"), &at, false), 0);
	log_tail_done(&tail);
	assert_int_equal(checkpoint_read(in_temporary("checkpoint"), &position), 0);
	assert_memory_equal(&position, &at, sizeof(at));
}

void set_age(const char *name, int seconds)
{
	struct timespec times[2];

	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= seconds;
	times[1] = times[0];
	assert_int_equal(utimensat(AT_FDCWD, in_temporary(name), times, 0), 0);
}

int log_tail_setup(void **state)
{
	position = (struct log_position){0};
	clock_source.monotonic_ns = fake_monotonic_ns;
	return temporary_setup(state);
}
