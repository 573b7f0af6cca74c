/* SPDX-License-Identifier: MIT */
/*
 * Log records as OTLP bytes: golden files, whose meaning tests/integration/test_otlp_golden.py checks, and random ones,
 * judged by protoc here.
 */
#include "cmocka_all.h"

#include "base/random.h"
#include "golden.h"
#include "otlp_request.h"

#define TIME_NS UINT64_C(1763815800123456789)

static const struct tel_context log_context = {TRACE_ID, SPAN_ID, TEL_SAMPLED | TEL_RANDOM};

static struct log_record record_of(enum tel_level level, const char *message, const struct tel_attr *list, size_t count)
{
	return (struct log_record){
		.time_ns = TIME_NS, .level = level, .message = message, .attrs = list, .count = count};
}

static void log_records_of_all_kinds(void **state)
{
	static char longer[LOG_VALUE_MAX + 3];
	const struct tel_attr every[] = {
		tel_str("text", "\xe6\xb5\x8b\xe8\xaf\x95"),
		tel_lit("literal", "GET"),
		tel_int("int", 200),
		tel_int("negative", -1),
		tel_int("zero", 0),
		tel_double("double", 0.1),
		tel_bool("yes", true),
		tel_bool("no", false),
		tel_str("empty", ""),
		tel_str("repaired", "a\xff"
				    "b\xc3\xa9\xe6\xb5"),
		tel_strn("nul", "a\0b", 3),
		tel_str("null", NULL),
	};
	size_t bytes;

	(void)state;
	struct log_record record = record_of(TEL_LEVEL_DEBUG, "no span, no attributes", NULL, 0);
	otlp_add_log_record(&otlp_request, &record);
	record = record_of(TEL_LEVEL_INFO, "everything", every, sizeof(every) / sizeof(*every));
	record.context = log_context;
	otlp_add_log_record(&otlp_request, &record);
	record = record_of(TEL_LEVEL_WARN, "payment.declined", every, 1);
	record.event_name = "payment.declined";
	record.context = log_context;
	record.context.flags = 0;
	otlp_add_log_record(&otlp_request, &record);
	memset(longer, 'x', LOG_VALUE_MAX - 1);
	memcpy(longer + LOG_VALUE_MAX - 1, "\xc3\xa9", 3); /* the limit is within this character */
	const struct tel_attr too_much[] = {tel_str("long", longer), tel_int(NULL, 1), tel_int("last", 1)};
	record = record_of(TEL_LEVEL_ERROR, "not UTF-8: \xff", too_much, 3);
	otlp_add_log_record(&otlp_request, &record);
	const char *data = otlp_request_finish(&bytes);
	assert_golden("otlp_logs.bin", data, bytes);
}

/* ---- random records ---- */

static char random_bytes[6000];

static struct tel_attr random_attr(void)
{
	static const char *const keys[] = {"k", "http.request.method", "not UTF-8 \xe6\xb5"};
	const char *key = keys[random_u64() % 3];
	size_t bytes = random_u64() % (random_u64() % 8 ? 40 : sizeof(random_bytes));

	switch (random_u64() % 6) {
	case 0: return tel_int(key, (int64_t)(random_u64() >> random_u64() % 64));
	case 1: return tel_double(key, (double)random_u64());
	case 2: return tel_bool(key, random_u64() % 2);
	default: return tel_strn(key, random_bytes + random_u64() % (sizeof(random_bytes) - bytes), bytes);
	}
}

static struct log_record random_record(struct tel_attr *list)
{
	size_t count = random_u64() % 30;

	for (size_t i = 0; i < sizeof(random_bytes); i++)
		random_bytes[i] = (char)(random_u64() >> 56);
	random_bytes[sizeof(random_bytes) - 1] = '\0';
	for (size_t i = 0; i < count; i++)
		list[i] = random_attr();
	struct log_record record = record_of((enum tel_level)(random_u64() % 4),
					     random_bytes + random_u64() % sizeof(random_bytes), list, count);
	record.time_ns = random_u64();
	if (random_u64() % 2)
		record.context = log_context;
	if (random_u64() % 2)
		record.event_name = random_bytes + random_u64() % sizeof(random_bytes);
	return record;
}

/* Many do not fit: what is written then is whole all the same, and within its limit. */
static void protoc_reads_random_records(void **state)
{
	const size_t records = 1000;
	static char storage[LOG_RECORD_MAX + 1];
	struct tel_attr list[30];
	size_t bytes;

	(void)state;
	if (!have_protoc()) {
		print_message("protoc is not installed\n");
		skip();
	}
	for (size_t i = 0; i < records; i++) {
		struct log_record record = random_record(list);
		struct buf encoded;
		buf_init_fixed(&encoded, storage, sizeof(storage));
		otlp_add_log_record(&encoded, &record);
		assert_false(encoded.failed);
		assert_in_range(encoded.len, 30, LOG_RECORD_MAX);
		buf_add(&otlp_request, encoded.data, encoded.len);
	}
	const char *data = otlp_request_finish(&bytes);
	assert_int_equal(protoc_counts("ExportLogsServiceRequest", data, bytes, "    log_records {\n"), records);
}

/* Of a record that is too large the last attributes are missing and counted; the end is there. */
static void what_does_not_fit_is_counted(void **state)
{
	static char text[LOG_VALUE_MAX + 1], storage[LOG_RECORD_MAX + 1];
	struct tel_attr list[200];
	struct buf encoded;
	size_t bytes;

	(void)state;
	if (!have_protoc()) {
		print_message("protoc is not installed\n");
		skip();
	}
	memset(text, 'x', LOG_VALUE_MAX);
	for (size_t i = 0; i < 200; i++)
		list[i] = i % 50 ? tel_int("n", (int64_t)i) : tel_str("text", text);
	struct log_record record = record_of(TEL_LEVEL_INFO, "large", list, 200);
	record.context = log_context;
	buf_init_fixed(&encoded, storage, sizeof(storage));
	otlp_add_log_record(&encoded, &record);
	assert_in_range(encoded.len, LOG_RECORD_MAX - LOG_VALUE_MAX, LOG_RECORD_MAX);
	buf_add(&otlp_request, encoded.data, encoded.len);
	const char *data = otlp_request_finish(&bytes);
	/* three of the four texts fit, and all that is small beside them */
	assert_int_equal(protoc_counts("ExportLogsServiceRequest", data, bytes, "      attributes {\n"), 199);
	assert_int_equal(protoc_counts("ExportLogsServiceRequest", data, bytes, "      dropped_attributes_count: 1\n"),
			 1);
}

static void without_room_it_fails(void **state)
{
	char storage[LOG_RECORD_MAX];
	struct buf encoded;

	(void)state;
	struct log_record record = record_of(TEL_LEVEL_INFO, "small", NULL, 0);
	buf_init_fixed(&encoded, storage, sizeof(storage));
	otlp_add_log_record(&encoded, &record);
	assert_true(encoded.failed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, otlp_request_begin, otlp_request_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(log_records_of_all_kinds),
		TEST(protoc_reads_random_records),
		TEST(what_does_not_fit_is_counted),
		TEST(without_room_it_fails),
	};

	return cmocka_run_group_tests_name("otlp_log", tests, NULL, NULL);
}
