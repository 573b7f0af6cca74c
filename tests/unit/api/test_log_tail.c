/* SPDX-License-Identifier: MIT */
/* Following a log that is written, rotated and truncated meanwhile. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log_tail_fixture.h"

/* ---- lines ---- */

static void gives_lines_as_they_are_finished(void **state)
{
	(void)state;
	append_to(LOG, "one\ntwo\nthr");
	start_following();
	ASSERT_READ("");
	ASSERT_READ("one two");
	ASSERT_READ("");
	append_to(LOG, "ee\n\nfour\n");
	ASSERT_READ("three () four");
	assert_int_equal(tail.offset, strlen("one\ntwo\nthree\n\nfour\n"));
	log_tail_done(&tail);
}

static void waits_for_a_log_that_is_not_there_yet(void **state)
{
	(void)state;
	start_following();
	ASSERT_READ("");
	assert_false(log_tail_position(&tail, 0, 0, &position));
	for (int i = 0; i < 1000; i++)
		append_to(LOG, "a line\n");
	append_to(LOG, "last\n");
	int count = 0;
	struct log_tail_line line;
	assert_int_equal(log_tail_next(&tail, &line), LOG_TAIL_IDLE);
	while (log_tail_next(&tail, &line) == LOG_TAIL_LINE)
		count++;
	assert_int_equal(count, 1001);
	log_tail_done(&tail);
}

static void begins_a_little_before_the_end(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++)
		append_to(LOG, "0123456789\n");
	append_to(LOG, "last\n");
	start_following();
	const char *read = read_later();
	assert_int_equal(strncmp(read, "0123456789 ", 11), 0);
	assert_int_equal(strlen(read), 92 * 11 + strlen("last"));
	log_tail_done(&tail);
}

static void begins_exactly_at_a_line_that_begins_there(void **state)
{
	char lines[1025];

	(void)state;
	append_to(LOG, "before\n");
	for (int i = 0; i < 1024; i++)
		lines[i] = i % 16 == 15 ? '\n' : 'x';
	lines[1024] = '\0';
	append_to(LOG, lines);
	start_following();
	assert_int_equal(strlen(read_later()), 1023);
	log_tail_done(&tail);
}

static void a_line_without_end_comes_as_an_empty_one(void **state)
{
	static char huge[LOG_TAIL_LINE_MAX + 5000];

	(void)state;
	memset(huge, 'x', sizeof(huge) - 1);
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	append_to(LOG, huge);
	ASSERT_READ("");
	struct log_position at;
	assert_true(log_tail_position(&tail, tail.offset, 0, &at));
	assert_int_equal(at.offset, 4);
	append_to(LOG, huge);
	append_to(LOG, "tail of it\ntwo\n");
	ASSERT_READ("() two");
	assert_int_equal(tail.offset, 4 + 2 * (sizeof(huge) - 1) + strlen("tail of it\ntwo\n"));

	huge[LOG_TAIL_LINE_MAX - 1] = '\n'; /* the longest that fits */
	huge[LOG_TAIL_LINE_MAX] = '\0';
	append_to(LOG, huge);
	struct log_tail_line line;
	assert_int_equal(log_tail_next(&tail, &line), LOG_TAIL_LINE);
	assert_int_equal(line.len, LOG_TAIL_LINE_MAX - 1);
	log_tail_done(&tail);
}

/* ---- rotation while we read ---- */

static void follows_a_rename(void **state)
{
	(void)state;
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	move(LOG, LOG ".1");
	ASSERT_READ_LATER("");
	append_to(LOG ".1", "two\n"); /* nginx has not opened the new one */
	ASSERT_READ_LATER("two");
	append_to(LOG, "four\n");
	ASSERT_READ("");
	append_to(LOG ".1", "three\n"); /* one worker has, the other has not */
	ASSERT_READ("three");
	now_ns += SECOND * 9 / 10;
	ASSERT_READ("");
	append_to(LOG ".1", "and a half");
	ASSERT_READ("");
	ASSERT_READ_LATER("and a half [rotated] four");
	append_to(LOG, "five\n");
	ASSERT_READ("five");
	log_tail_done(&tail);
}

static void reads_every_file_between(void **state)
{
	(void)state;
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	append_to(LOG, "two\n");
	move(LOG, LOG ".3");
	append_to(LOG ".2", "three\n");
	append_to(LOG ".1", "four\n");
	append_to(LOG ".old", "not one of them\n");
	append_to(LOG, "five\n");
	set_age(LOG ".3", 30);
	set_age(LOG ".2", 20);
	set_age(LOG ".1", 10);
	set_age(LOG, 40); /* nothing was written to it since */
	ASSERT_READ_LATER("two [rotated] three [rotated] four [rotated] five");
	log_tail_done(&tail);
}

static void files_of_the_same_age_go_by_name(void **state)
{
	struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	static const char *const names[] = {LOG ".1", LOG ".2", LOG ".10"};

	(void)state;
	append_to(LOG ".10", "one\n");
	append_to(LOG ".2", "two\n");
	append_to(LOG ".1", "three\n");
	append_to(LOG, "four\n");
	for (size_t i = 0; i < 3; i++)
		utimensat(AT_FDCWD, in_temporary(names[i]), times, 0);
	struct stat st;
	stat(in_temporary(LOG ".10"), &st);
	position = (struct log_position){.device = st.st_dev, .inode = st.st_ino, .head = log_position_head("", 0)};
	start_following();
	ASSERT_READ_LATER("one [rotated] two [rotated] three [rotated] four");
	log_tail_done(&tail);

	position = (struct log_position){0};
	move(LOG ".10", LOG "-20261121");
	move(LOG ".2", LOG "-20261122");
	move(LOG ".1", LOG "-20261123");
	position = (struct log_position){.device = st.st_dev, .inode = st.st_ino, .head = log_position_head("", 0)};
	start_following();
	ASSERT_READ_LATER("one [rotated] two [rotated] three [rotated] four");
	log_tail_done(&tail);
}

static void a_file_that_was_deleted_is_read_to_its_end(void **state)
{
	(void)state;
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	append_to(LOG, "two\n");
	unlink(in_temporary(LOG));
	ASSERT_READ_LATER("two");
	append_to(LOG, "three\n");
	ASSERT_READ_LATER("[rotated] three");
	log_tail_done(&tail);
}

static void a_file_that_cannot_be_read_is_told_of(void **state)
{
	(void)state;
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	move(LOG, LOG ".3");
	append_to(LOG ".2.xz", "two\n");
	append_to(LOG ".1", "three\n");
	append_to(LOG, "four\n");
	set_age(LOG ".3", 30);
	set_age(LOG ".2.xz", 20);
	set_age(LOG ".1", 10);
	ASSERT_READ_LATER("[lost] three [rotated] four");
	log_tail_done(&tail);
}

/* ---- truncation ---- */

static void a_truncated_file_begins_anew(void **state)
{
	(void)state;
	append_to(LOG, "one\ntwo\n");
	start_following();
	ASSERT_READ_LATER("one two");
	assert_int_equal(truncate(in_temporary(LOG), 0), 0);
	append_to(LOG, "three\n");
	ASSERT_READ_LATER("[truncated] three");
	append_to(LOG, "four\n");
	ASSERT_READ("four");
	/* grown past where we were before we look again */
	assert_int_equal(truncate(in_temporary(LOG), 0), 0);
	append_to(LOG, "a very long line, longer than all before\nfive\n");
	ASSERT_READ_LATER("[truncated] a very long line, longer than all before five");
	log_tail_done(&tail);
}

static void a_copy_of_the_truncated_file_is_read_to_its_end(void **state)
{
	(void)state;
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	append_to(LOG ".1", "one\ntwo\n");
	assert_int_equal(truncate(in_temporary(LOG), 0), 0);
	append_to(LOG, "three\n");
	ASSERT_READ_LATER("two [rotated] three");
	log_tail_done(&tail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(gives_lines_as_they_are_finished),
		TEST(waits_for_a_log_that_is_not_there_yet),
		TEST(begins_a_little_before_the_end),
		TEST(begins_exactly_at_a_line_that_begins_there),
		TEST(a_line_without_end_comes_as_an_empty_one),
		TEST(follows_a_rename),
		TEST(reads_every_file_between),
		TEST(files_of_the_same_age_go_by_name),
		TEST(a_file_that_was_deleted_is_read_to_its_end),
		TEST(a_file_that_cannot_be_read_is_told_of),
		TEST(a_truncated_file_begins_anew),
		TEST(a_copy_of_the_truncated_file_is_read_to_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
