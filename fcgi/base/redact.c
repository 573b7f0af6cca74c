/* SPDX-License-Identifier: MIT */
#include "base/redact.h"

#include <stdbool.h>
#include <string.h>

static const char *const names[] = {
	"AWSAccessKeyId",   "Signature", "X-Amz-Credential", "X-Amz-Security-Token", "X-Amz-Signature",
	"X-Goog-Signature", "sig"};

static bool is_secret(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i]) == len && memcmp(name, names[i], len) == 0)
			return true;
	return false;
}

static const char *find(const char *at, const char *end, char c)
{
	const char *found = memchr(at, c, (size_t)(end - at));
	return found ? found : end;
}

void redact_query(struct buf *out, const char *query, size_t len)
{
	const char *stop = query + len, *end = find(query, stop, '#');

	for (const char *at = query, *next; at < end; at = next + (next < end)) {
		next = find(at, end, '&');
		const char *equals = find(at, next, '=');

		if (next - equals > 1 && is_secret(at, (size_t)(equals - at))) {
			buf_add(out, at, (size_t)(equals - at));
			buf_adds(out, "=REDACTED");
		} else {
			buf_add(out, at, (size_t)(next - at));
		}
		if (next < end)
			buf_addc(out, '&');
	}
	buf_add(out, end, (size_t)(stop - end));
}

void redact_url(struct buf *out, const char *url, size_t len)
{
	const char *end = url + len, *mark = find(url, end, '?');
	size_t before = (size_t)(mark - url) + (mark < end);

	buf_add(out, url, before);
	redact_query(out, url + before, len - before);
}
