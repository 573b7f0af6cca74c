/* SPDX-License-Identifier: MIT */
/* Calls that make no sense: each is refused, leaves what was there, and is said once, however often it is made. */
#include "cmocka_all.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log_fixture.h"
#include "tel/ship.h"
#include "tel/src/metrics.h"
#include "tel/src/otlp.h"
#include "tel/src/resource.h"
#include "tel/src/span.h"

static const double few_bounds[] = {0.001, 0.01, 1, 0};

TEL_COUNTER(counter_metric, "test.counter", "{thing}", "A counter.");
TEL_GAUGE(gauge, "test.gauge", "", "A gauge.");
TEL_HISTOGRAM(histogram, "test.histogram", "s", "A histogram.", few_bounds);
TEL_COUNTER(labelled, "test.labelled", "{thing}", "A counter with labels.", "a", "b");

/* Declarations that differ from another one: the first holds. */
TEL_COUNTER(first, "test.twice", "{thing}", "Declared by one file.", "kind");
TEL_COUNTER(other_labels, "test.twice", "{thing}", "Declared by another file.", "sort");
TEL_GAUGE(other_type, "test.twice", "{thing}", "Declared by a third one.", "kind");
TEL_COUNTER(other_unit, "test.twice", "By", "Declared by a fourth one.", "kind");
/* Taken from the library, which must not log, while it holds the log's lock, that it cannot count. */
TEL_GAUGE(taken, "log.lines.dropped", "", "Lines of wood.");

static struct tel_metric loose = {.name = "test.loose", .unit = "", .help = "Never registered."};

#define OFTEN for (int times_ = 0; times_ < 3; times_++)

/* ---- the log ---- */

static char *said; /* since telemetry began, up to its end */

static void begin(void)
{
	unlink(log_path);
	assert_int_equal(
		tel_init(&(struct tel_config){.service_name = "misuse", .log_name = "test", .no_exporter = true}), 0);
}

static size_t count_of(const char *text)
{
	size_t count = 0;

	for (const char *at = said; (at = strstr(at, text)); at++)
		count++;
	return count;
}

static void assert_said(const char *call, const char *reason)
{
	char text[256];

	snprintf(text, sizeof(text), "\"call\":\"%s\",\"reason\":\"%s\"", call, reason);
	if (count_of(text) != 1)
		fail_msg("%zu times %s in\n%s", count_of(text), text, said);
}

#define NULL_SAID(call) assert_said(call, "a pointer is NULL")

static void read_said(const char *path)
{
	size_t bytes;

	free(said);
	said = read_file(path, &bytes);
	check_lines(said, bytes);
}

/* Ends telemetry, whose log has to have so many lines about refused calls. */
static void end(size_t refused)
{
	tel_shutdown(10000);
	read_said(log_path);
	if (count_of("\"refused\":true") != refused)
		fail_msg("%zu calls, not %zu, were refused:\n%s", count_of("\"refused\":true"), refused, said);
}

/* ---- life cycle ---- */

/* What may be called at any time. */
static void use_everything(void)
{
	static const struct tel_span_facts facts = {.kind = TEL_SERVER, .context = {{1}, {2}, TEL_SAMPLED}};
	struct tel_span shipped;
	struct tel_carrier carrier;
	BUF(text, 4 << 20);

	TEL_SPAN(span, "span", TEL_INTERNAL);
	tel_span_set(span, tel_int("n", 1));
	tel_span_event(span, "event");
	tel_span_link(span, tel_span_context(span));
	tel_span_rename(span, "GET", "/");
	tel_span_fail(span, "500");
	tel_span_inject(span, &carrier);
	assert_int_equal(strlen(carrier.traceparent), TEL_TRACEPARENT_LENGTH);
	assert_false(tel_span_recording(span));
	tel_span_from(&shipped, &facts);
	assert_false(tel_span_recording(&shipped));
	tel_counter_add(&counter_metric, 0);
	tel_series_record(tel_series(&histogram), 0, span);
	tel_info("a line", tel_str("text", "x"));
	tel_log_reopen();
	assert_true(metrics_text(&text, tel_metrics_content_type(NULL)));
	assert_false(tel_enabled());
	assert_null(tel_batch_new());
	tel_batch_free(NULL);
	tel_shutdown(0);
}

/* Without a log yet, or any more, lines go to stderr or to the file that was open. */
static void before_init_and_after_shutdown(void **state)
{
	char path[300];
	int before = dup(STDERR_FILENO);

	(void)state;
	snprintf(path, sizeof(path), "%s/stderr", temporary);
	assert_non_null(freopen(path, "w", stderr));
	OFTEN use_everything();
	fflush(stderr);
	dup2(before, STDERR_FILENO);
	close(before);
	read_said(path);
	unlink(path);
	assert_said("tel_batch_new", "there was no tel_init");
	assert_int_equal(count_of("\"refused\":true"), 1);
	assert_int_equal(count_of("\"a line\""), 3);

	begin();
	end(0);
	OFTEN use_everything();
	read_said(log_path);
	assert_int_equal(count_of("\"refused\":true"), 0); /* it was said */
	assert_int_equal(count_of("\"a line\""), 3);
}

static void configurations_that_are_none(void **state)
{
	static const struct tel_attr wrong[] = {{.key = NULL, .type = TEL_TYPE_LITERAL, .value.text = "text"},
						{.key = "null", .type = TEL_TYPE_LITERAL, .value.text = NULL},
						{.key = "number", .type = TEL_TYPE_INT, .value.number = 1},
						{.key = "broken", .type = TEL_TYPE_LITERAL, .value.text = "\xff"}};
	size_t count;

	(void)state;
	assert_int_equal(tel_init(&(struct tel_config){
				 .log_name = "test", .no_exporter = true, .resource = wrong, .resource_count = 4}),
			 0);
	resource_attrs(&count);
	assert_int_equal(count, 5);
	OFTEN assert_int_equal(tel_init(NULL), -EINVAL);
	end(2);
	assert_said("tel_init", "an attribute of the resource is not text in UTF-8, or there are too many");
	NULL_SAID("tel_init");
}

static void a_service_without_a_name(void **state)
{
	char path[300], name[100];

	(void)state;
	assert_int_equal(tel_init(&(struct tel_config){.no_exporter = true}), 0);
	tel_info("hello");
	tel_shutdown(10000);
	snprintf(path, sizeof(path), "%s/%s.log", temporary, program_invocation_short_name);
	read_said(path);
	unlink(path);
	snprintf(name, sizeof(name), "\"service\":\"unknown_service:%s\"", program_invocation_short_name);
	assert_true(count_of(name) > 0);
	assert_int_equal(count_of("\"hello\""), 1);
}

/* ---- metrics ---- */

static void metrics_of_another_kind(void **state)
{
	(void)state;
	begin();
	tel_counter_set(&counter_metric, 5);
	tel_gauge_set(&gauge, 7);
	OFTEN
	{
		tel_counter_add(&gauge, 1);
		tel_counter_set(&gauge, 1);
		tel_gauge_add(&counter_metric, 1);
		tel_gauge_set(&counter_metric, 1);
		tel_gauge_set(&histogram, 1);
		tel_histogram_record(&counter_metric, 1);
		tel_histogram_record(&gauge, 1);
		tel_series_add(tel_series(&histogram), 1);
		tel_series_set(tel_series(&histogram), 1);
		tel_series_record(tel_series(&counter_metric), 1, NULL);
		tel_series_record(tel_series(&gauge), 1, NULL);
	}
	end(1);
	assert_true(series_value(tel_series(&counter_metric)) == 5);
	assert_true(series_value(tel_series(&gauge)) == 7);
	assert_true(series_value(tel_series(&histogram)) == 0);
	assert_said("tel_counter_add", "the metric is of another kind");
	assert_int_equal(count_of("\"metric\":\"test.gauge\""), 1); /* the first that was misused */
}

static void negative_steps(void **state)
{
	(void)state;
	begin();
	tel_counter_set(&counter_metric, 5);
	tel_gauge_set(&gauge, 7);
	OFTEN
	{
		tel_counter_add(&counter_metric, -1);
		tel_counter_add(&counter_metric, NAN);
		tel_counter_set(&counter_metric, -1);
		tel_counter_set(&counter_metric, NAN);
		tel_histogram_record(&histogram, -1);
		tel_histogram_record(&histogram, NAN);
	}
	tel_gauge_add(&gauge, -10); /* a gauge may */
	end(1);
	assert_said("tel_series_add", "the value is negative, infinite or no number");
	assert_true(series_value(tel_series(&counter_metric)) == 5);
	assert_true(series_value(tel_series(&gauge)) == -3);
	assert_true(series_value(tel_series(&histogram)) == 0);
}

static unsigned count_series(const struct tel_metric *metric)
{
	unsigned count = 0;

	while (metric_series(metric, count))
		count++;
	return count;
}

static void labels_too_few_or_too_many(void **state)
{
	(void)state;
	begin();
	OFTEN
	{
		tel_counter_add(&labelled, 1);
		tel_counter_add(&labelled, 1, "x");
		tel_counter_add(&labelled, 1, "x", "y", "z");
		tel_counter_add(&labelled, 1, "1", "2", "3", "4", "5", "6", "7", "8");
		tel_counter_add(&counter_metric, 1000, "x");
		tel_series_add(tel_series(&labelled, "x"), 1);
		tel_counter_add_to(&labelled, 1, NULL, 2);
	}
	assert_int_equal(count_series(&labelled), 0);
	assert_true(series_value(tel_series(&counter_metric)) < 1000);
	/* no value is the empty one */
	OFTEN tel_counter_add(&labelled, 1, NULL, "y");
	assert_true(series_value(tel_series(&labelled, "", "y")) == 3);
	assert_int_equal(count_series(&labelled), 1);
	end(2);
	assert_said("tel_series", "there are more or fewer labels than the metric has");
	NULL_SAID("tel_series");
}

static void metrics_that_nobody_registered(void **state)
{
	const struct tel_metric *metric;

	(void)state;
	begin();
	OFTEN
	{
		tel_counter_add(&loose, 1);
		tel_series_set(tel_series(&loose), 1);
		tel_counter_add(&loose, 1, "x");
	}
	for (metric = NULL; (metric = metrics_next(metric, METRIC_PROMETHEUS));)
		assert_string_not_equal(metric->name, "test.loose");
	end(1);
	assert_said("tel_series", "the metric is not registered");
}

static void null_metrics(void **state)
{
	struct tel_metric *const none = NULL;
	BUF(out, 1000);

	(void)state;
	begin();
	OFTEN
	{
		tel_counter_add(none, 1);
		tel_counter_set(none, 1);
		tel_gauge_add(none, 1);
		tel_gauge_set(none, 1, "x");
		tel_histogram_record(none, 1);
		tel_series_add(tel_series(none, "x"), 1); /* said by the test of labels */
		tel_series_add(NULL, 1);
		tel_series_set(NULL, 1);
		tel_series_record(NULL, 1, NULL);
		tel_metric_register(NULL);
		tel_metrics_hook(NULL);
		assert_false(tel_metrics_write(NULL, metrics_text_add, &out));
		assert_false(tel_metrics_write(tel_metrics_content_type(NULL), NULL, &out));
	}
	end(7);
	assert_int_equal(out.len, 0);
	NULL_SAID("tel_counter_add");
	NULL_SAID("tel_series_add");
	NULL_SAID("tel_series_set");
	NULL_SAID("tel_series_record");
	NULL_SAID("tel_metric_register");
	NULL_SAID("tel_metrics_hook");
	NULL_SAID("tel_metrics_write");
}

/* The first declaration has what was recorded; the others keep nothing, and the program is told as it starts. */
static void declarations_that_differ(void **state)
{
	(void)state;
	assert_non_null(first.state);
	assert_non_null(taken.state); /* this test's constructors ran before the library's */
	assert_null(other_labels.state);
	assert_null(other_type.state);
	assert_null(other_unit.state);
	begin();
	tel_counter_add(&first, 1, "x");
	OFTEN
	{
		tel_counter_add(&other_labels, 10, "x");
		tel_gauge_add(&other_type, 10, "x");
		tel_counter_add(&other_unit, 10, "x");
	}
	assert_true(series_value(tel_series(&first, "x")) == 1);
	assert_int_equal(count_series(&first), 1);
	end(0); /* not registered: it was said */
	assert_int_equal(count_of("\"a metric cannot be registered\""),
			 4); /* and of the library's, which came second */
	assert_int_equal(count_of("\"reason\":\"another declaration of its name differs\""), 4);
}

/* ---- spans ---- */

static struct span ended;

static void keep(const struct span *span)
{
	memcpy(&ended, span, span_size(span));
}

static void begin_with_spans(void)
{
	begin();
	span_configure(true, &(struct sampler){.parent_based = true}, keep);
}

static bool has_parent(struct tel_span *span)
{
	static const uint8_t none[8];

	return memcmp(span_of(span)->parent_span_id, none, sizeof(none)) != 0;
}

static void null_texts_of_spans(void **state)
{
	struct buf encoded;

	(void)state;
	begin_with_spans();
	OFTEN
	{
		TEL_SPAN(span, NULL, TEL_INTERNAL);
		assert_true(tel_span_recording(span));
		assert_string_equal(span_of(span)->name, "");
		tel_span_set(span, tel_str(NULL, "x"));
		tel_span_set(span, tel_int(NULL, 1));
		assert_int_equal(span_of(span)->dropped_attributes, 2);
		tel_span_event(span, NULL);
		tel_span_rename(span, NULL, "/");
		tel_span_fail(span, NULL);
		assert_int_equal(span_of(span)->used, 0);
		assert_int_equal(span_of(span)->status, SPAN_UNSET);
		tel_span_set_attrs(span, NULL, 2);
		tel_span_event_attrs(span, "event", NULL, 1);
		assert_int_equal(span_of(span)->used, 0);

		tel_span_event(span, "event", tel_str(NULL, "x")); /* the event itself is sound */
		/* a value that is missing is the empty one */
		tel_span_set(span, tel_str("text", NULL), tel_strn("part", NULL, 5), tel_lit("literal", NULL));
		tel_span_end(span);
		buf_init(&encoded, 10000);
		otlp_add_span(&encoded, &ended);
		assert_false(encoded.failed);
		buf_done(&encoded);

		struct tel_span remote;
		tel_span_start_remote(&remote, NULL, TEL_SERVER, NULL);
		tel_span_end(&remote);
		assert_string_equal(ended.name, "");
	}
	end(5);
	assert_said("tel_span_start", "the name is NULL");
	assert_said("tel_span_set", "a key is NULL");
	NULL_SAID("tel_span_event");
	NULL_SAID("tel_span_rename");
	NULL_SAID("tel_span_fail");
}

static void spans_that_are_started_twice(void **state)
{
	struct tel_span outer, inner;

	(void)state;
	begin_with_spans();
	struct tel_span *const before = tel_span_current();
	OFTEN
	{
		tel_span_start(&outer, "forgotten", TEL_INTERNAL);
		tel_span_start(&outer, "outer", TEL_INTERNAL);
		assert_false(has_parent(&outer));
		tel_span_start(&inner, "inner", TEL_INTERNAL);
		tel_span_start_remote(&outer, "other", TEL_SERVER, NULL); /* with one inside */
		tel_span_end(&outer);
		assert_ptr_equal(tel_span_current(), &inner);
		tel_span_end(&inner);
		assert_ptr_equal(tel_span_current(), before);
	}
	end(1);
	assert_said("tel_span_start", "the span was started before and has not ended: it is lost");
}

static void null_spans(void **state)
{
	struct tel_span shipped;
	struct tel_carrier carrier;
	char *variables[4], storage[100];

	(void)state;
	begin_with_spans();
	struct tel_span *const none = NULL, *const current = tel_span_current();
	OFTEN
	{
		tel_span_start(none, "span", TEL_INTERNAL);
		tel_span_start_remote(none, "span", TEL_SERVER, NULL);
		assert_ptr_equal(tel_span_current(), current);
		tel_span_set(none, tel_int("n", 1));
		tel_span_event(none, "event"); /* said by the test of texts, as are others below */
		tel_span_link(none, (struct tel_context){.flags = 0});
		tel_span_rename(none, "GET", "/");
		tel_span_fail(none, "500");
		assert_false(tel_span_recording(none));
		assert_false(tel_context_valid(tel_span_context(none)));
		tel_span_inject(current, NULL);
		memset(&carrier, 'x', sizeof(carrier));
		tel_span_inject(none, &carrier);
		assert_string_equal(carrier.traceparent, "");
		assert_null(carrier.tracestate);
		assert_int_equal(tel_span_environment(none, NULL, variables, 4, storage, sizeof(storage)), 0);
		assert_int_equal(tel_span_environment(current, NULL, NULL, 4, storage, sizeof(storage)), 0);
		assert_int_equal(tel_span_environment(current, NULL, variables, 4, NULL, sizeof(storage)), 0);
		tel_span_end(none);

		memset(&shipped, 0xff, sizeof(shipped));
		tel_span_from(none, &(struct tel_span_facts){.kind = TEL_SERVER});
		tel_span_from(&shipped, NULL);
		assert_false(tel_span_recording(&shipped));
		tel_span_set(&shipped, tel_int("n", 1));
	}
	tel_shutdown(10000);
	read_said(log_path);
	NULL_SAID("tel_span_start");
	NULL_SAID("tel_span_start_remote");
	NULL_SAID("tel_span_link");
	NULL_SAID("tel_span_recording");
	NULL_SAID("tel_span_context");
	NULL_SAID("tel_span_environment");
	NULL_SAID("tel_span_end");
}

static void null_parents(void **state)
{
	struct tel_parent parent;

	(void)state;
	begin();
	tel_parent_init(&parent);
	OFTEN
	{
		tel_parent_init(NULL);
		tel_parent_header(NULL, "traceparent", "x");
		tel_parent_header(&parent, NULL, "x");
		tel_parent_header(&parent, "traceparent", NULL);
		tel_parent_end(NULL);
		tel_parent_environment(NULL);
		assert_false(tel_context_valid(tel_parent_context(NULL)));
	}
	tel_parent_header(&parent, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
	tel_parent_end(&parent);
	assert_true(tel_context_valid(tel_parent_context(&parent))); /* nothing else was taken for a traceparent */
	end(5);
	NULL_SAID("tel_parent_init");
	NULL_SAID("tel_parent_environment");
	NULL_SAID("tel_parent_header");
	NULL_SAID("tel_parent_end");
	NULL_SAID("tel_parent_context");
}

static void null_batches(void **state)
{
	const struct tel_span_facts facts = {.kind = TEL_SERVER, .context = {{1}, {2}, TEL_SAMPLED}};
	struct tel_span span;
	unsigned retry_ms;

	(void)state;
	begin();
	struct tel_batch *batch = tel_batch_new();
	assert_non_null(batch);
	tel_span_from(&span, &facts);
	OFTEN
	{
		assert_true(tel_batch_add(NULL, &span));
		assert_true(tel_batch_add(batch, NULL));
		assert_int_equal(tel_batch_count(NULL), 0);
		assert_int_equal(tel_batch_send(NULL, &retry_ms), TEL_SENT_OK);
		assert_int_equal(tel_batch_send(batch, NULL), TEL_SENT_OK);
		tel_batch_cancel(NULL);
		tel_batch_free(NULL); /* as free() */
	}
	assert_int_equal(tel_batch_count(batch), 0);
	tel_batch_free(batch);
	end(4);
	NULL_SAID("tel_batch_add");
	NULL_SAID("tel_batch_count");
	NULL_SAID("tel_batch_send");
	NULL_SAID("tel_batch_cancel");
}

/* ---- logs ---- */

/* It would be sent by settings that are gone, even when there are others again. */
static void a_batch_of_earlier_telemetry(void **state)
{
	const struct tel_span_facts facts = {.kind = TEL_SERVER, .context = {{1}, {2}, TEL_SAMPLED}};
	struct tel_span span;
	unsigned retry_ms;

	(void)state;
	begin();
	struct tel_batch *batch = tel_batch_new();
	tel_span_from(&span, &facts);
	assert_true(tel_batch_add(batch, &span));
	tel_shutdown(10000);
	for (int times = 0; times < 2; times++) {
		assert_true(tel_batch_add(batch, &span));
		assert_int_equal(tel_batch_send(batch, &retry_ms), TEL_SENT_OK);
		tel_batch_cancel(batch);
		assert_int_equal(tel_batch_count(batch), 1);
		if (!times) /* and the log goes on */
			assert_int_equal(tel_init(&(struct tel_config){
						 .service_name = "misuse", .log_name = "test", .no_exporter = true}),
					 0);
	}
	tel_batch_free(batch);
	tel_shutdown(10000);
	read_said(log_path);
	assert_int_equal(count_of("it was made before tel_shutdown"), 1);
}

static void lines_that_make_no_sense(void **state)
{
	(void)state;
	begin();
	OFTEN
	{
		tel_info(NULL);
		tel_log(TEL_LEVEL_INFO, "no attributes", NULL, 1);
		tel_log((enum tel_level)7, "too loud", NULL, 0);
		tel_log((enum tel_level) - 1, "too quiet", NULL, 0);
		tel_event(NULL);
		tel_event("");
		tel_event_attrs("no attributes", NULL, 1);
		tel_info("keyless", tel_int(NULL, 4711), tel_int("n", 42));
		tel_info("empty", tel_str("text", NULL), tel_strn("part", NULL, 9), tel_lit("literal", NULL));
	}
	end(5);
	NULL_SAID("tel_log");
	NULL_SAID("tel_event");
	assert_said("tel_event", "the name is empty");
	assert_said("tel_log", "there is no such level");
	assert_said("tel_log", "a key is NULL");
	assert_int_equal(count_of("no attributes") + count_of("too loud") + count_of("too quiet"), 0);
	assert_int_equal(count_of(":4711"), 0);
	assert_int_equal(count_of("\"n\":42"), 3); /* the rest of the line is there */
	assert_int_equal(count_of("\"text\":\"\",\"part\":\"\",\"literal\":\"\""), 3);
}

/* ---- many at once ---- */

#define THREADS 8

static void *misuse_much(void *unused)
{
	(void)unused;
	for (int i = 0; i < 10000; i++)
		tel_span_set_attrs(NULL, NULL, 0);
	return NULL;
}

static void threads_say_it_once(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	begin();
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, misuse_much, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	end(1);
	NULL_SAID("tel_span_set");
}

static int forget(void **state)
{
	free(said);
	unlink(log_path);
	return log_fixture_teardown(state);
}

/* In this order: each says what is said once in a process. */
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_init_and_after_shutdown),
		cmocka_unit_test(configurations_that_are_none),
		cmocka_unit_test(a_service_without_a_name),
		cmocka_unit_test(metrics_of_another_kind),
		cmocka_unit_test(negative_steps),
		cmocka_unit_test(labels_too_few_or_too_many),
		cmocka_unit_test(metrics_that_nobody_registered),
		cmocka_unit_test(null_metrics),
		cmocka_unit_test(declarations_that_differ),
		cmocka_unit_test(threads_say_it_once),
		cmocka_unit_test(null_texts_of_spans),
		cmocka_unit_test(spans_that_are_started_twice),
		cmocka_unit_test(null_spans),
		cmocka_unit_test(null_parents),
		cmocka_unit_test(null_batches),
		cmocka_unit_test(a_batch_of_earlier_telemetry),
		cmocka_unit_test(lines_that_make_no_sense),
	};

	return cmocka_run_group_tests_name("misuse", tests, make_log_directory, forget);
}
