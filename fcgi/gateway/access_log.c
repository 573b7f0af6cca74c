/* SPDX-License-Identifier: MIT */
#include "gateway/access_log.h"

#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "gateway/json_scan.h"

/* The members of a line in the order in which nginx writes them. Unused ones are here so that the next is expected. */
enum member {
	TS,
	LEVEL,
	SERVICE,
	MSG,
	TRACE_ID,
	SPAN_ID,
	TRACE_FLAGS,
	TRACE_STATE,
	TRACE_RESAMPLED,
	PARENT_SPAN_ID,
	CLIENT_SPAN_ID,
	METHOD,
	ROUTE,
	PATH,
	QUERY,
	STATUS,
	DURATION_MS,
	UP_ADDR,
	UP_STATUS,
	UP_TIME,
	UP_START,
	HOST,
	PORT,
	SCHEME,
	CLIENT,
	USER_AGENT,
	PROTOCOL,
	BYTES_IN,
	BYTES_OUT,
	MSEC,
	MEMBERS
};

static const char *const member_names[MEMBERS] = {
	[TS] = "ts",
	[LEVEL] = "level",
	[SERVICE] = "service",
	[MSG] = "msg",
	[TRACE_ID] = "trace_id",
	[SPAN_ID] = "span_id",
	[TRACE_FLAGS] = "trace_flags",
	[TRACE_STATE] = "trace_state",
	[TRACE_RESAMPLED] = "trace_resampled",
	[PARENT_SPAN_ID] = "parent_span_id",
	[CLIENT_SPAN_ID] = "client_span_id",
	[METHOD] = "method",
	[ROUTE] = "route",
	[PATH] = "path",
	[QUERY] = "query",
	[STATUS] = "status",
	[DURATION_MS] = "duration_ms",
	[UP_ADDR] = "up_addr",
	[UP_STATUS] = "up_status",
	[UP_TIME] = "up_time",
	[UP_START] = "up_start",
	[HOST] = "host",
	[PORT] = "port",
	[SCHEME] = "scheme",
	[CLIENT] = "client",
	[USER_AGENT] = "user_agent",
	[PROTOCOL] = "protocol",
	[BYTES_IN] = "bytes_in",
	[BYTES_OUT] = "bytes_out",
	[MSEC] = "msec",
};

/* Every line begins with this. A client cannot write it into a value, where nginx escapes the quotes. */
static const char line_start[] = "{\"ts\":\"";

/* Returns MEMBERS for a name that is not in the list. `expected`, which nginx writes next, is tried first. */
static unsigned find_member(const struct slice *name, unsigned expected)
{
	for (unsigned i = 0; i < MEMBERS; i++) {
		unsigned member = (expected + i) % MEMBERS;
		if (strlen(member_names[member]) == name->len &&
		    memcmp(member_names[member], name->data, name->len) == 0)
			return member;
	}
	return MEMBERS;
}

static bool scan_members(struct json_scan *s, struct slice *values)
{
	struct slice name, value;
	enum json_scanned result;
	unsigned expected = 0;

	while ((result = json_scan_next(s, &name, &value)) == JSON_SCAN_MEMBER) {
		unsigned member = find_member(&name, expected);
		if (member == MEMBERS)
			continue;
		values[member] = value;
		expected = member + 1;
	}
	return result == JSON_SCAN_END;
}

/* ---- the values ---- */

/*
 * Reads "12" or "12.345" in units of 10^-decimals; further digits are dropped. Returns false when the text is no such
 * number or too large.
 */
static bool parse_decimal(const struct slice *text, unsigned decimals, uint64_t *out)
{
	const char *s = text->data, *end = s + text->len;
	uint64_t value = 0;
	bool any = false;

	for (; s < end && *s >= '0' && *s <= '9'; s++, any = true) {
		if (value > (UINT64_MAX - 9) / 10)
			return false;
		value = value * 10 + (uint64_t)(*s - '0');
	}
	if (!any)
		return false;
	if (s < end && *s == '.' && end - s > 1)
		s++;
	for (; decimals; decimals--) {
		if (value > (UINT64_MAX - 9) / 10)
			return false;
		value *= 10;
		if (s < end && *s >= '0' && *s <= '9')
			value += (uint64_t)(*s++ - '0');
	}
	while (s < end && *s >= '0' && *s <= '9')
		s++;
	if (s != end)
		return false;
	*out = value;
	return true;
}

static bool parse_number(const struct slice *text, unsigned decimals, uint64_t max, uint64_t *out)
{
	uint64_t value;

	if (!parse_decimal(text, decimals, &value) || value > max)
		return false;
	*out = value;
	return true;
}

/* Reads an id of `len` bytes, which must not be all zeros (W3C Trace Context). */
static bool parse_id(const struct slice *text, size_t len, uint8_t *out)
{
	static const uint8_t zero[16];

	return text->len == 2 * len && hex_decode(text->data, len, out) && memcmp(out, zero, len) != 0;
}

/* Takes the next element off one of nginx's lists: "a, b : c". The separator depends on why nginx went on. */
static struct slice next_element(struct slice *list)
{
	const char *p = list->data, *end = list->data + list->len;
	struct slice element = {p, list->len};

	for (; p < end; p++) {
		size_t separator = *p == ',' && end - p >= 2 && p[1] == ' '                ? 2
				   : *p == ' ' && end - p >= 3 && memcmp(p, " : ", 3) == 0 ? 3
											   : 0;
		if (separator) {
			element.len = (size_t)(p - list->data);
			*list = (struct slice){p + separator, (size_t)(end - p) - separator};
			return element;
		}
	}
	*list = (struct slice){end, 0};
	return element;
}

static bool is_none(const struct slice *text)
{
	return text->len == 0 || (text->len == 1 && text->data[0] == '-');
}

#define NS_PER_DAY (86400 * NS_PER_SECOND)

static void set_attempts(struct access_line *out, struct slice addresses, struct slice statuses, struct slice times)
{
	while (addresses.len && out->attempt_count < ACCESS_ATTEMPTS_MAX) {
		struct access_attempt *attempt = &out->attempts[out->attempt_count];
		struct slice address = next_element(&addresses);
		struct slice status = next_element(&statuses);
		struct slice time = next_element(&times);
		uint64_t code;

		*attempt = (struct access_attempt){.address = address};
		if (is_none(&address) && is_none(&status))
			continue;
		if (parse_number(&status, 0, 999, &code))
			attempt->status = code >= 100 ? (int)code : 0;
		(void)parse_number(&time, 9, 365 * NS_PER_DAY, &attempt->duration_ns);
		out->attempt_count++;
	}
}

#define NS_MAX (UINT64_C(1) << 62) /* the year 2116 */

static bool set_facts(struct access_line *out, const struct slice *values)
{
	uint64_t status, port = 0;

	if (!parse_id(&values[TRACE_ID], 16, out->trace_id) || !parse_id(&values[SPAN_ID], 8, out->span_id) ||
	    !parse_number(&values[STATUS], 0, 999, &status) || !parse_number(&values[MSEC], 9, NS_MAX, &out->end_ns) ||
	    !parse_number(&values[DURATION_MS], 6, 365 * NS_PER_DAY, &out->duration_ns))
		return false;
	out->status = status >= 100 ? (int)status : 0;
	if (values[TRACE_FLAGS].len != 2 || !hex_decode(values[TRACE_FLAGS].data, 1, &out->flags))
		out->flags = 0;
	out->trace_state = values[TRACE_STATE];
	out->resampled = values[TRACE_RESAMPLED].len == 1 && values[TRACE_RESAMPLED].data[0] == '1';
	if (!parse_id(&values[PARENT_SPAN_ID], 8, out->parent_span_id))
		memset(out->parent_span_id, 0, 8);
	if (parse_number(&values[PORT], 0, 65535, &port))
		out->port = (int)port;
	(void)parse_number(&values[UP_START], 9, NS_MAX, &out->upstream_start_ns);
	/* Without an id of its own an attempt would have the id of another span. */
	if (parse_id(&values[CLIENT_SPAN_ID], 8, out->client_span_id))
		set_attempts(out, values[UP_ADDR], values[UP_STATUS], values[UP_TIME]);
	out->method = values[METHOD];
	out->route = values[ROUTE];
	out->path = values[PATH];
	out->query = values[QUERY];
	out->host = values[HOST];
	out->scheme = values[SCHEME];
	out->client = values[CLIENT];
	out->user_agent = values[USER_AGENT];
	out->protocol = values[PROTOCOL];
	return true;
}

bool access_log_parse(char *line, size_t len, struct access_line *out, bool *cut)
{
	*cut = false;
	while (len) {
		struct json_scan s;
		struct slice values[MEMBERS];

		for (unsigned i = 0; i < MEMBERS; i++)
			values[i] = (struct slice){"", 0};
		*out = (struct access_line){0};
		json_scan_init(&s, line, len);
		if (scan_members(&s, values))
			return set_facts(out, values);

		/* The bytes after s.at are unmodified. The brace before the name "ts" may be the last byte of a string
		 * that was cut off, which the scanner has passed. */
		char *from = s.at - line > 2 ? s.at - 2 : line + 1;
		char *next = memmem(from, (size_t)(s.end - from), line_start, sizeof(line_start) - 1);
		if (!next)
			return false;
		len -= (size_t)(next - line);
		line = next;
		*cut = true;
	}
	return false;
}
