/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "gateway/checkpoint.h"
#include "temporary.h"

static void a_broken_checkpoint_is_told_from_none(void **state)
{
	struct log_position at = {.inode = 1},
			    p = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, INT64_MIN};
	char text[512] = "";

	(void)state;
	assert_int_equal(checkpoint_read(in_temporary("none"), &at), -ENOENT);
	append_to("broken", "");
	assert_int_equal(checkpoint_read(in_temporary("broken"), &at), -EBADMSG);
	assert_int_equal(checkpoint_write(in_temporary("full"), &p, true), 0);
	assert_int_equal(checkpoint_read(in_temporary("full"), &at), 0);
	assert_memory_equal(&at, &p, sizeof(p));

	int fd = open(in_temporary("full"), O_RDONLY | O_CLOEXEC);
	ssize_t bytes = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_in_range(bytes, 100, 319);
	for (ssize_t cut = 0; cut < bytes - 1; cut++) {
		unlink(in_temporary("cut"));
		char c = text[cut];
		text[cut] = '\0';
		append_to("cut", text);
		text[cut] = c;
		assert_int_equal(checkpoint_read(in_temporary("cut"), &at), -EBADMSG);
	}
}

static void a_checkpoint_that_cannot_be_written_leaves_the_old_one(void **state)
{
	struct log_position p = {.inode = 7, .offset = 1}, q = {.inode = 7, .offset = 2}, at;

	(void)state;
	assert_int_equal(checkpoint_write(in_temporary("c"), &p, false), 0);
	assert_int_equal(symlink("/dev/full", in_temporary("c.new")), 0);
	assert_int_equal(checkpoint_write(in_temporary("c"), &q, false), -ENOSPC);
	assert_int_equal(checkpoint_read(in_temporary("c"), &at), 0);
	assert_int_equal(at.offset, 1);
	assert_int_equal(checkpoint_write(in_temporary("c"), &q, true), 0);
	assert_int_equal(checkpoint_read(in_temporary("c"), &at), 0);
	assert_int_equal(at.offset, 2);
	assert_int_equal(checkpoint_write(in_temporary("no/such/place"), &p, false), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_broken_checkpoint_is_told_from_none),
		TEST(a_checkpoint_that_cannot_be_written_leaves_the_old_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
