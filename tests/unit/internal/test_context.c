/* SPDX-License-Identifier: MIT */
/* traceparent, tracestate, baggage: in and out. */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "tel/src/span.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
#define IDS TRACE "-" SPAN

static struct tel_parent parent;
static const struct parent *const inside = (const struct parent *)&parent;

/* The parent that a request with these headers ("name: value", NULL-terminated) has. */
static void take(const char *const *headers)
{
	tel_parent_init(&parent);
	for (; *headers; headers++) {
		char name[32];
		const char *colon = strchr(*headers, ':');
		assert_non_null(colon);
		snprintf(name, sizeof(name), "%.*s", (int)(colon - *headers), *headers);
		tel_parent_header(&parent, name, colon + 1);
	}
	tel_parent_end(&parent);
}

#define TAKE(...) take((const char *const[]){__VA_ARGS__, NULL})

/* ---- traceparent ---- */

struct traceparent_case {
	const char *value;
	int flags; /* -1: a new trace */
};

static const struct traceparent_case traceparents[] = {
	/* version 00 */
	{"00-" IDS "-00", 0},
	{"00-" IDS "-01", 1},
	{"00-" IDS "-02", 2},
	{"00-" IDS "-03", 3},
	{"00-" IDS "-ff", 3}, /* flags are bits, the unknown ones are dropped */
	{"00-" IDS "-fc", 0},
	{"00-" IDS "-09", 1},
	{" \t00-" IDS "-01\t ", 1},
	{"00-" IDS "-01-", -1},
	{"00-" IDS "-01-extra", -1},
	{"00-" IDS "-01.", -1},
	{"00-" IDS "-0", -1},
	{"00-" IDS "-", -1},
	{"00-" IDS "", -1},
	{"00-" IDS "-1 ", -1},
	{"00-" IDS "-0G", -1},
	{"00-" IDS "-0A", -1},
	{"00-" IDS "_01", -1},
	{"00_" IDS "-01", -1},
	{"00-" TRACE "." SPAN "-01", -1},
	{"00-" TRACE "-" SPAN " -01", -1},
	{"00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", -1},
	{"00-" TRACE "-B7AD6B7169203331-01", -1},
	{"00-00000000000000000000000000000000-" SPAN "-01", -1},
	{"00-" TRACE "-0000000000000000-01", -1},
	{"00-00000000000000000000000000000001-0000000000000001-01", 1},
	{"00-0af7651916cd43dd8448eb211c80319-" SPAN "-01", -1},
	{"00-0af7651916cd43dd8448eb211c80319cc-" SPAN "-01", -1},
	{"00-" TRACE "-b7ad6b716920333-01", -1},
	{"00-" TRACE "-b7ad6b71692033311-01", -1},
	{"0-" IDS "-01", -1},
	{"000-" IDS "-01", -1},
	{"00-" IDS "-01,00-" IDS "-01", -1}, /* two headers, joined by a proxy */
	{"00-" IDS "-01 00", -1},
	{"", -1},
	{"-", -1},
	{"00-\xff\xff\xff", -1},
	/* versions to come */
	{"01-" IDS "-01", 1},
	{"cc-" IDS "-01", 1},
	{"fe-" IDS "-05-and-more", 1},
	{"cc-" IDS "-01-", 1},
	{"cc-" IDS "-01-what the future will be like", 1},
	{"cc-" IDS "-01.what-the-future-will-be-like", -1},
	{"cc-" IDS "-011", -1},
	{"cc-" IDS "-01-a,00-" IDS "-01", -1},
	{"cc-" IDS "-0", -1},
	{"cc-00000000000000000000000000000000-" SPAN "-01", -1},
	{"cc-" TRACE "-0000000000000000-01", -1},
	{"ff-" IDS "-01", -1},
	{"fF-" IDS "-01", -1},
	{"0g-" IDS "-01", -1},
};

static void traceparent_is_taken_or_not(void **state)
{
	uint8_t trace_id[16], span_id[8];

	(void)state;
	hex_decode(TRACE, 16, trace_id);
	hex_decode(SPAN, 8, span_id);
	for (size_t i = 0; i < sizeof(traceparents) / sizeof(traceparents[0]); i++) {
		const struct traceparent_case *c = &traceparents[i];
		tel_parent_init(&parent);
		tel_parent_header(&parent, "traceparent", c->value);
		tel_parent_header(&parent, "tracestate", "a=1");
		tel_parent_end(&parent);
		if (inside->valid != (c->flags >= 0) || (inside->valid && inside->flags != c->flags))
			fail_msg("\"%s\": %svalid, flags %02x", c->value, inside->valid ? "" : "not ", inside->flags);
		/* without its traceparent a tracestate says nothing */
		assert_string_equal(inside->tracestate, inside->valid ? "a=1" : "");
	}
	TAKE("traceparent:00-" IDS "-01");
	assert_memory_equal(inside->trace_id, trace_id, 16);
	assert_memory_equal(inside->span_id, span_id, 8);
}

static void two_traceparents_start_a_new_trace(void **state)
{
	(void)state;
	TAKE("traceparent:00-" IDS "-01", "traceparent:00-" IDS "-01", "tracestate:a=1");
	assert_false(inside->valid);
	assert_string_equal(inside->tracestate, "");
	TAKE("traceparent:", "traceparent:00-" IDS "-01");
	assert_false(inside->valid);
	TAKE("traceparent:00-" IDS "-01", "traceparent:", "traceparent:00-" IDS "-01");
	assert_false(inside->valid);
	TAKE("tracestate:a=1");
	assert_false(inside->valid);
}

/* ---- tracestate ---- */

static const char *tracestate_of(const char *value)
{
	tel_parent_init(&parent);
	tel_parent_header(&parent, "tracestate", value);
	tel_parent_header(&parent, "traceparent", "00-" IDS "-01");
	tel_parent_end(&parent);
	assert_true(inside->valid); /* whatever the tracestate is */
	return inside->tracestate;
}

static void tracestate_members_are_checked(void **state)
{
	static const char *const taken[][2] = {
		{"a=1", "a=1"},
		{"foo=1,bar=2", "foo=1,bar=2"},
		{" foo=1 \t , \tbar=2\t", "foo=1,bar=2"},
		{"foo=1,", "foo=1"},
		{",,foo=1, ,bar=2,,", "foo=1,bar=2"},
		{"", ""},
		{" , ", ""},
		{"foo= 1", "foo= 1"},
		{"foo=a b", "foo=a b"},
		{"0a_-*/@=1", "0a_-*/@=1"},
		{"a@b@c=1", "a@b@c=1"},
		{"foo=!~{}\"\\:;<>", "foo=!~{}\"\\:;<>"},
		{"foo=1,foo=2", "foo=1,foo=2"}, /* the mutator that knows the key decides */
	};
	static const char *const dropped[] = {
		"foo",          "foo=",    "=1",       "foo=1=2",     "Foo=1",        "fOo=1",    "foo =1",
		"_a=1",         "@a=1",    "foo.b=1",  "f\xc3\xb6=1", "foo=\xc3\xb6", "foo=\x01", "foo=a\tb",
		"a=1,foo=,b=2", "a=1,foo", "foo=\x7f", "a=1;b=2=3",   "*a=1",         "-a=1",     "/a=1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		assert_string_equal(tracestate_of(taken[i][0]), taken[i][1]);
	for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++)
		if (*tracestate_of(dropped[i]))
			fail_msg("\"%s\" was taken", dropped[i]);
}

/* `members` of "kNN=" with so many bytes in all each, joined. Free it. */
static char *make_list(int members, int bytes_each)
{
	char *list = malloc((size_t)members * (size_t)(bytes_each + 1) + 1);
	size_t length = 0;

	assert_non_null(list);
	for (int i = 0; i < members; i++) {
		length += (size_t)sprintf(list + length, "%sk%02d=", i ? "," : "", i);
		memset(list + length, 'v', (size_t)bytes_each - 4);
		length += (size_t)bytes_each - 4;
	}
	list[length] = '\0';
	return list;
}

static void tracestate_has_limits(void **state)
{
	(void)state;
	for (int members = 1; members <= 34; members++) {
		char *list = make_list(members, 10);
		assert_string_equal(tracestate_of(list), members <= 32 ? list : "");
		free(list);
	}

	/* a key has 256 characters at most, so has a value */
	char key[258], value[258], list[600];
	for (int bytes = 255; bytes <= 257; bytes++) {
		memset(key, 'k', sizeof(key));
		memset(value, 'v', sizeof(value));
		key[bytes] = '\0';
		value[bytes] = '\0';
		snprintf(list, sizeof(list), "%s=1", key);
		assert_string_equal(tracestate_of(list), bytes <= 256 ? list : "");
		snprintf(list, sizeof(list), "k=%s", value);
		assert_string_equal(tracestate_of(list), bytes <= 256 ? list : "");
	}
}

static void tracestate_that_is_too_long_loses_long_members(void **state)
{
	(void)state;
	char *list = make_list(32, 128); /* the longest list without a long member */
	assert_int_equal(strlen(list), TEL_TRACESTATE_MAX);
	assert_string_equal(tracestate_of(list), list);
	free(list);

	/* 16 of 200 fit; with 16 short ones behind they fit no more, and go */
	char *longs = make_list(16, 200), *shorts = make_list(16, 100), both[8192];
	assert_string_equal(tracestate_of(longs), longs);
	snprintf(both, sizeof(both), "%s,%s", longs, shorts);
	assert_string_equal(tracestate_of(both), shorts);
	shorts[15 * 101 - 1] = '\0'; /* 15 of them */
	snprintf(both, sizeof(both), "a=1,%s,%s", longs, shorts);
	assert_true(strlen(both) > TEL_TRACESTATE_MAX);
	char want[4096];
	snprintf(want, sizeof(want), "a=1,%s", shorts);
	assert_string_equal(tracestate_of(both), want);

	/* those that come after the cut go as well, though there is room again */
	snprintf(both, sizeof(both), "%.*s,%s", 10 * 101 - 1, shorts, longs);
	shorts[10 * 101 - 1] = '\0';
	longs[5 * 201 - 1] = '\0';
	snprintf(both + strlen(both), sizeof(both) - strlen(both), ",%s", longs);
	assert_string_equal(tracestate_of(both), shorts);
	free(longs);
	free(shorts);
}

static void tracestate_headers_are_one_list(void **state)
{
	(void)state;
	TAKE("traceparent:00-" IDS "-01", "tracestate:a=1", "tracestate:", "tracestate: b=2 ", "tracestate:c=3,d=4");
	assert_string_equal(inside->tracestate, "a=1,b=2,c=3,d=4");
	TAKE("tracestate:a=1", "traceparent:00-" IDS "-01", "tracestate:b=");
	assert_true(inside->valid);
	assert_string_equal(inside->tracestate, "");

	char *list = make_list(17, 10);
	tel_parent_init(&parent);
	tel_parent_header(&parent, "traceparent", "00-" IDS "-01");
	tel_parent_header(&parent, "tracestate", list);
	tel_parent_header(&parent, "tracestate", list);
	tel_parent_end(&parent);
	assert_string_equal(inside->tracestate, "");
	free(list);
}

/* ---- baggage ---- */

static void baggage_is_passed_whole_or_not(void **state)
{
	static const char *const taken[][2] = {
		{"a=1", "a=1"},
		{"userId=alice,serverNode=DF%2028,isProduction=false",
		 "userId=alice,serverNode=DF%2028,isProduction=false"},
		{"a = 1 ; p ; q = 2 , b=2", "a = 1 ; p ; q = 2,b=2"},
		{"a=", "a="},
		{"a==1=", "a==1="},
		{",a=1,,b=2", "a=1,b=2"},
		{"A!#$%&'*+-.^_`|~9=1", "A!#$%&'*+-.^_`|~9=1"},
	};
	static const char *const dropped[] = {
		"a",          "=1",   "a=1,b",  "a=1 2",  "a=\"1\"", "a=\\",     "a=\xc3\xa9",
		"\xc3\xa9=1", "a=1;", "a=1;=2", "a=\x01", "a b=1",   "a=1;p=\"", "a(=1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		tel_parent_init(&parent);
		tel_parent_header(&parent, "baggage", taken[i][0]);
		tel_parent_end(&parent);
		assert_false(inside->valid);
		assert_string_equal(inside->baggage, taken[i][1]); /* does not depend on a traceparent */
	}
	for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
		tel_parent_init(&parent);
		tel_parent_header(&parent, "baggage", "x=1");
		tel_parent_header(&parent, "baggage", dropped[i]);
		tel_parent_end(&parent);
		if (inside->baggage[0])
			fail_msg("\"%s\" was taken", dropped[i]);
	}
}

static void baggage_has_limits(void **state)
{
	(void)state;
	for (int members = 63; members <= 65; members++) {
		char *list = make_list(members, 10);
		tel_parent_init(&parent);
		tel_parent_header(&parent, "baggage", list);
		tel_parent_end(&parent);
		assert_string_equal(inside->baggage, members <= 64 ? list : "");
		free(list);
	}
	for (int bytes = 8191; bytes <= 8193; bytes++) {
		char *list = make_list(1, bytes - 4), header[9000];
		snprintf(header, sizeof(header), "%s,a=1", list);
		assert_int_equal(strlen(header), bytes);
		tel_parent_init(&parent);
		tel_parent_header(&parent, "baggage", header);
		tel_parent_end(&parent);
		assert_string_equal(inside->baggage, bytes <= 8192 ? header : "");
		/* the same from two headers */
		tel_parent_init(&parent);
		tel_parent_header(&parent, "baggage", list);
		tel_parent_header(&parent, "baggage", "a=1");
		tel_parent_end(&parent);
		assert_string_equal(inside->baggage, bytes <= 8192 ? header : "");
		free(list);
	}
}

static void other_headers_are_ignored(void **state)
{
	(void)state;
	TAKE("x-traceparent:00-" IDS "-01", "Traceparent:00-" IDS "-01", "trace-parent:00-" IDS "-01", "accept:*/*");
	assert_int_equal(inside->traceparents, 0);
	assert_false(inside->valid);
}

/* ---- out ---- */

static void inject_writes_version_00(void **state)
{
	struct tel_span storage = {0};
	struct span *span = span_of(&storage);
	struct tel_carrier carrier;

	(void)state;
	span->flags = TEL_SAMPLED | TEL_RANDOM;
	span->tracestate = "a=1";
	span->baggage = "b=2";
	hex_decode(TRACE, 16, span->trace_id);
	hex_decode(SPAN, 8, span->span_id);
	tel_span_inject(&storage, &carrier);
	assert_string_equal(carrier.traceparent, "00-" IDS "-03");
	assert_ptr_equal(carrier.tracestate, span->tracestate);
	assert_ptr_equal(carrier.baggage, span->baggage);

	tel_span_inject(tel_span_current(), &carrier); /* there is none: nothing is sent */
	assert_string_equal(carrier.traceparent, "");
	assert_null(carrier.tracestate);
	assert_null(carrier.baggage);
}

/* OTEL_PROPAGATORS: what is left out is neither read nor written. */
static void propagators_can_be_left_out(void **state)
{
	static const unsigned cases[] = {0, PROPAGATE_TRACECONTEXT, PROPAGATE_BAGGAGE,
					 PROPAGATE_TRACECONTEXT | PROPAGATE_BAGGAGE};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool tracecontext = cases[i] & PROPAGATE_TRACECONTEXT, baggage = cases[i] & PROPAGATE_BAGGAGE;
		struct tel_span span;
		struct tel_carrier carrier;
		context_configure(cases[i]);
		TAKE("traceparent:00-" IDS "-03", "tracestate:a=1", "baggage:b=2");
		assert_int_equal(tel_context_valid(tel_parent_context(&parent)), tracecontext);
		tel_span_start_remote(&span, "span", TEL_SERVER, &parent);
		tel_span_inject(&span, &carrier);
		tel_span_end(&span);
		assert_int_equal(carrier.traceparent[0] != '\0', tracecontext);
		assert_int_equal(carrier.tracestate != NULL, tracecontext);
		assert_int_equal(carrier.baggage != NULL, baggage);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traceparent_is_taken_or_not),
		cmocka_unit_test(two_traceparents_start_a_new_trace),
		cmocka_unit_test(tracestate_members_are_checked),
		cmocka_unit_test(tracestate_has_limits),
		cmocka_unit_test(tracestate_that_is_too_long_loses_long_members),
		cmocka_unit_test(tracestate_headers_are_one_list),
		cmocka_unit_test(baggage_is_passed_whole_or_not),
		cmocka_unit_test(baggage_has_limits),
		cmocka_unit_test(other_headers_are_ignored),
		cmocka_unit_test(inject_writes_version_00),
		cmocka_unit_test(propagators_can_be_left_out),
	};

	return cmocka_run_group_tests_name("context", tests, NULL, NULL);
}
