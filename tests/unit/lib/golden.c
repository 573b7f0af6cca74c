/* SPDX-License-Identifier: MIT */
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"

void assert_golden(const char *name, const char *data, size_t bytes)
{
	char path[256];

	snprintf(path, sizeof(path), "tests/golden/%s", name);
	if (getenv("UPDATE_GOLDEN")) {
		FILE *out = fopen(path, "wb");
		assert_non_null(out);
		assert_int_equal(fwrite(data, 1, bytes, out), bytes);
		assert_int_equal(fclose(out), 0);
		return;
	}
	FILE *in = fopen(path, "rb");
	if (!in)
		fail_msg("%s cannot be read: tests run in the project's root", path);
	char *expected = calloc(1, bytes + 2); /* one byte more than there may be */
	assert_non_null(expected);
	size_t length = fread(expected, 1, bytes + 1, in);
	fclose(in);
	if (length != bytes || memcmp(expected, data, bytes) != 0) {
		size_t at = 0;
		while (at < bytes && at < length && data[at] == expected[at])
			at++;
		size_t from = at > 40 ? at - 40 : 0;
		print_message("golden: ...%.*s\nis:     ...%.*s\n", (int)(length - from < 200 ? length - from : 200),
			      expected + from, (int)(bytes - from < 200 ? bytes - from : 200), data + from);
		free(expected);
		fail_msg("differs from %s at byte %zu", path, at);
	}
	free(expected);
}
