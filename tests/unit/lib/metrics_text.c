/* SPDX-License-Identifier: MIT */
#include "metrics_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"

bool metrics_text_add(void *out, const char *text, size_t bytes)
{
	buf_add(out, text, bytes);
	return !((struct buf *)out)->failed;
}

bool metrics_text(struct buf *out, const char *content_type)
{
	return tel_metrics_write(content_type, metrics_text_add, out);
}

double metric(const char *series)
{
	BUF(out, 4 << 20);
	char needle[200];

	assert_true(metrics_text(&out, tel_metrics_content_type(NULL)));
	assert_in_range(snprintf(needle, sizeof(needle), "\n%s ", series), 3, sizeof(needle) - 1);
	const char *line = strstr(out.data, needle);
	if (!line)
		fail_msg("%s is not exposed", series);
	return strtod(line + strlen(needle), NULL);
}
