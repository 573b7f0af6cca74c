/* SPDX-License-Identifier: MIT */
/* Going on where the program before this one was, whatever became of the files. */
#include "log_tail_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "gateway/log_rotation.h"

/* ---- restarts ---- */

static void goes_on_where_it_was(void **state)
{
	(void)state;
	append_to(LOG, "one\ntwo\nthr");
	start_following();
	ASSERT_READ_LATER("one two");
	stop_following();
	append_to(LOG, "ee\nfour\n");
	start_following();
	ASSERT_READ_LATER("three four");
	log_tail_done(&tail);
}

static void finds_the_file_that_was_rotated_meanwhile(void **state)
{
	(void)state;
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	stop_following();
	append_to(LOG, "two\n");
	move(LOG, LOG ".2");
	append_to(LOG ".1", "three\n");
	append_to(LOG, "four\n");
	set_age(LOG ".2", 20);
	set_age(LOG ".1", 10);
	start_following();
	ASSERT_READ_LATER("two [rotated] three [rotated] four");
	log_tail_done(&tail);
}

/* logrotate's dateext, and another directory on another disk: neither name nor number stay. */
static void finds_a_copy_by_how_it_begins(void **state)
{
	(void)state;
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	stop_following();
	append_to(LOG "-20261121", "one\ntwo\n");
	assert_int_equal(truncate(in_temporary(LOG), 0), 0);
	append_to(LOG, "three, and more than there was before\n");
	start_following();
	ASSERT_READ_LATER("two [rotated] three, and more than there was before");
	log_tail_done(&tail);
}

static void says_when_a_file_is_gone_and_goes_on_with_what_followed(void **state)
{
	(void)state;
	append_to(LOG ".5", "done long ago\n");
	set_age(LOG ".5", 1000);
	append_to(LOG, "one\n");
	set_age(LOG, 500);
	start_following();
	ASSERT_READ_LATER("one");
	stop_following();
	move(LOG, LOG ".2.xz");
	append_to(LOG ".1", "three\n");
	set_age(LOG ".1", 100);
	append_to(LOG, "four\n");
	start_following();
	ASSERT_READ("");
	ASSERT_READ("");
	ASSERT_READ("[lost] three");
	ASSERT_READ_LATER("[rotated] four");
	log_tail_done(&tail);
}

static void says_when_everything_is_gone(void **state)
{
	(void)state;
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	stop_following();
	unlink(in_temporary(LOG));
	start_following();
	ASSERT_READ_LATER("[lost]");
	append_to(LOG, "two\n");
	ASSERT_READ_LATER("two");
	log_tail_done(&tail);
}

/* The number of a deleted file is soon given to another. */
static void a_file_with_the_same_number_is_not_the_same(void **state)
{
	struct stat st;

	(void)state;
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	stop_following();
	unlink(in_temporary(LOG));
	append_to(LOG, "a new file that is longer\n");
	assert_int_equal(stat(in_temporary(LOG), &st), 0);
	position.inode = st.st_ino;
	start_following();
	ASSERT_READ_LATER("[truncated] a new file that is longer");
	log_tail_done(&tail);
}

static void keeps_its_position_until_the_file_is_found(void **state)
{
	struct log_position at;

	(void)state;
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	stop_following();
	start_following();
	assert_true(log_tail_position(&tail, tail.offset, 0, &at));
	assert_memory_equal(&at, &position, sizeof(at));
	log_tail_done(&tail);
}

/* ---- names that rotation does not give ---- */

/* While the program is down, and while it runs. */
static void finds_the_file_whatever_it_is_called(void **state)
{
	static const char *const names[] = {LOG ".kept",           LOG ".old",   LOG "~", LOG ".1.kept",
					    LOG "-before-the-fix", "monday.txt", "a" LOG, ".hidden",
					    "nginx-error.log"};

	(void)state;
	for (int running = 0; running <= 1; running++) {
		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
			unlink(in_temporary(LOG));
			unlink(in_temporary("checkpoint"));
			position = (struct log_position){0};
			append_to(LOG, "one\n");
			start_following();
			ASSERT_READ_LATER("one");
			if (!running)
				stop_following();
			append_to(LOG, "two\n");
			move(LOG, names[i]);
			append_to(names[i], "three\n"); /* nginx has not opened the new one */
			if (!running)
				start_following();
			ASSERT_READ_LATER("two three");
			append_to(names[i], "four\n");
			append_to(LOG, "five\n");
			ASSERT_READ_LATER("four [rotated] five");
			stop_following();
			start_following();
			ASSERT_READ_LATER("");
			log_tail_done(&tail);
			unlink(in_temporary(names[i]));
		}
	}
}

static void goes_on_with_rotated_files_after_one_of_another_name(void **state)
{
	(void)state;
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	stop_following();
	append_to(LOG, "two\n");
	move(LOG, LOG ".kept");
	append_to(LOG ".1", "three\n");
	append_to(LOG, "four\n");
	set_age(LOG ".kept", 20);
	set_age(LOG ".1", 10);
	start_following();
	assert_int_equal(log_rotation_unread(in_temporary(LOG), &position), strlen("two\nthree\nfour\n"));
	ASSERT_READ_LATER("two [rotated] three [rotated] four");
	log_tail_done(&tail);
}

/* It is not ours: only the position could tell, and it is in another file. */
static void other_files_are_left_alone(void **state)
{
	(void)state;
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	stop_following();
	append_to(LOG ".errors", "one of them\n");
	append_to("user-service.log", "one\n");
	append_to(LOG, "two\n");
	move(LOG, LOG ".kept");
	append_to(LOG, "three\n");
	start_following();
	ASSERT_READ_LATER("two [rotated] three");
	log_tail_done(&tail);
}

/* A copy of it is no second log. */
static void a_copy_of_what_is_there_is_not_read(void **state)
{
	(void)state;
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	stop_following();
	append_to(LOG, "two\n");
	append_to(LOG ".copy", "one\ntwo\n");
	start_following();
	ASSERT_READ_LATER("two");
	move(LOG, LOG ".1");
	append_to(LOG, "three\n");
	ASSERT_READ_LATER("[rotated] three");
	log_tail_done(&tail);
}

static void a_truncated_file_goes_on_in_a_copy_of_any_name(void **state)
{
	(void)state;
	append_to(LOG, "one\n");
	set_age(LOG, 30);
	start_following();
	ASSERT_READ_LATER("one");
	stop_following();
	append_to(LOG ".kept", "one\ntwo\n");
	assert_int_equal(truncate(in_temporary(LOG), 0), 0);
	append_to(LOG, "three, and more than there was before\n");
	set_age(LOG ".kept", 20);
	start_following();
	ASSERT_READ_LATER("two [rotated] three, and more than there was before");
	log_tail_done(&tail);
}

/* Nothing was read of it: then its number alone says little. */
static void an_empty_file_of_another_name_is_ours_when_it_is_named_alike(void **state)
{
	(void)state;
	append_to(LOG, "");
	start_following();
	ASSERT_READ_LATER("");
	stop_following();
	append_to(LOG, "one\n");
	move(LOG, LOG ".kept");
	append_to(LOG, "two\n");
	start_following();
	ASSERT_READ_LATER("one [rotated] two");
	stop_following();

	position.offset = position.head_len = 0;
	position.head = log_position_head("", 0);
	move(LOG, "other.log");
	append_to(LOG, "three\n");
	start_following();
	ASSERT_READ_LATER("[lost] three");
	log_tail_done(&tail);
}

/* ---- what is unread ---- */

static void counts_what_is_unread_over_all_files(void **state)
{
	(void)state;
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	stop_following();
	assert_int_equal(log_rotation_unread(in_temporary(LOG), &position), 0);
	append_to(LOG, "12345");
	assert_int_equal(log_rotation_unread(in_temporary(LOG), &position), 5);
	move(LOG, LOG ".1");
	append_to(LOG, "123");
	assert_int_equal(log_rotation_unread(in_temporary(LOG), &position), 8);
	unlink(in_temporary(LOG ".1"));
	assert_int_equal(log_rotation_unread(in_temporary(LOG), &position), 3);
}

/* ---- compression ---- */

/* What gzip does to a file, up to the removal of the plain one. */
static void pack_copy(const char *name)
{
	char text[65536], packed[256];
	struct stat st;
	int fd = open(in_temporary(name), O_RDONLY | O_CLOEXEC);
	ssize_t bytes = read(fd, text, sizeof(text));

	assert_true(bytes > 0 && fstat(fd, &st) == 0);
	close(fd);
	snprintf(packed, sizeof(packed), "%s.gz", name);
	gzFile gz = gzopen(in_temporary(packed), "w");
	assert_int_equal(gzwrite(gz, text, (unsigned)bytes), bytes);
	gzclose(gz);
	struct timespec times[2] = {{.tv_sec = st.st_mtim.tv_sec}, {.tv_sec = st.st_mtim.tv_sec}};
	utimensat(AT_FDCWD, in_temporary(packed), times, 0);
}

static void pack(const char *name)
{
	pack_copy(name);
	unlink(in_temporary(name));
}

static void reads_compressed_files_as_well(void **state)
{
	(void)state;
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	stop_following();
	append_to(LOG, "two\nthree\n");
	move(LOG, LOG ".3");
	append_to(LOG ".2", "four\nfive\n");
	append_to(LOG ".1", "six\n");
	append_to(LOG, "seven\n");
	set_age(LOG ".3", 30);
	set_age(LOG ".2", 20);
	set_age(LOG ".1", 10);
	pack(LOG ".3");
	pack(LOG ".2");
	start_following();
	ASSERT_READ("");
	ASSERT_READ("two three");
	stop_following();
	start_following();
	ASSERT_READ_LATER("[rotated] four five [rotated] six [rotated] seven");
	log_tail_done(&tail);
}

static void a_file_that_is_compressed_while_it_is_read_is_not_read_twice(void **state)
{
	(void)state;
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	append_to(LOG, "two\n");
	move(LOG, LOG ".2");
	append_to(LOG ".1", "three\n");
	append_to(LOG, "four\n");
	set_age(LOG ".2", 20);
	set_age(LOG ".1", 10);
	pack_copy(LOG ".2"); /* under way: both are there */
	append_to(LOG ".1.gz", "\x1f\x8b\x08");
	ASSERT_READ("two");
	unlink(in_temporary(LOG ".2"));
	ASSERT_READ_LATER("[rotated] three [rotated] four");
	log_tail_done(&tail);
}

static void a_new_file_that_is_compressed_at_once_is_found(void **state)
{
	(void)state;
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	move(LOG, LOG ".1");
	append_to(LOG, "two\n");
	for (int i = 0; i < 12; i++) {
		struct log_tail_line line;
		assert_true(log_tail_next(&tail, &line) != LOG_TAIL_LINE);
		now_ns += SECOND / 10;
		if (tail.offset == 0)
			break; /* the new file is open, and nothing of it is read */
	}
	assert_int_equal(tail.offset, 0);
	stop_following();
	move(LOG ".1", LOG ".2");
	move(LOG, LOG ".1");
	set_age(LOG ".2", 20);
	set_age(LOG ".1", 10);
	pack(LOG ".1");
	append_to(LOG, "three\n"); /* often with the number that the second file had */
	start_following();
	ASSERT_READ_LATER("two [rotated] three");
	log_tail_done(&tail);
}

static void a_broken_compressed_file_is_told_of(void **state)
{
	char text[4096];

	(void)state;
	srand(1);
	append_to(LOG, "one\n");
	start_following();
	ASSERT_READ_LATER("one");
	stop_following();
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)('a' + rand() % 26);
	text[sizeof(text) - 1] = '\0';
	append_to(LOG, "two\n");
	append_to(LOG, text);
	move(LOG, LOG ".1");
	append_to(LOG, "three\n");
	set_age(LOG ".1", 10);
	pack(LOG ".1");
	int fd = open(in_temporary(LOG ".1.gz"), O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, 1500), 16);
	close(fd);
	set_age(LOG ".1.gz", 10);
	start_following();
	const char *read = read_later();
	assert_non_null(strstr(read, "[lost] three"));
	log_tail_done(&tail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(goes_on_where_it_was),
		TEST(finds_the_file_that_was_rotated_meanwhile),
		TEST(finds_a_copy_by_how_it_begins),
		TEST(says_when_a_file_is_gone_and_goes_on_with_what_followed),
		TEST(says_when_everything_is_gone),
		TEST(a_file_with_the_same_number_is_not_the_same),
		TEST(keeps_its_position_until_the_file_is_found),
		TEST(finds_the_file_whatever_it_is_called),
		TEST(goes_on_with_rotated_files_after_one_of_another_name),
		TEST(other_files_are_left_alone),
		TEST(a_copy_of_what_is_there_is_not_read),
		TEST(a_truncated_file_goes_on_in_a_copy_of_any_name),
		TEST(an_empty_file_of_another_name_is_ours_when_it_is_named_alike),
		TEST(counts_what_is_unread_over_all_files),
		TEST(reads_compressed_files_as_well),
		TEST(a_file_that_is_compressed_while_it_is_read_is_not_read_twice),
		TEST(a_new_file_that_is_compressed_at_once_is_found),
		TEST(a_broken_compressed_file_is_told_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
