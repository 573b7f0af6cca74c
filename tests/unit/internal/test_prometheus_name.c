/* SPDX-License-Identifier: MIT */
/* What Prometheus calls metrics and labels. */
#include "cmocka_all.h"

#include <string.h>

#include "tel/src/prometheus_name.h"

#define COUNTER TEL_METRIC_COUNTER
#define GAUGE TEL_METRIC_GAUGE
#define HISTOGRAM TEL_METRIC_HISTOGRAM

static void families_have_names_and_units(void **state)
{
	static const struct {
		const char *name, *unit;
		enum tel_metric_type type;
		const char *family, *word;
	} cases[] = {
		{"orders.created", "{order}", COUNTER, "orders_created", ""},
		{"http.server.request.duration", "s", HISTOGRAM, "http_server_request_duration_seconds", "seconds"},
		{"plain", "", GAUGE, "plain", ""},
		/* the unit comes before _total, and no word twice */
		{"sent.total", "By", COUNTER, "sent_bytes", "bytes"},
		{"sent.bytes.total", "By", COUNTER, "sent_bytes", "bytes"},
		{"sent_bytes", "By", COUNTER, "sent_bytes", "bytes"},
		{"a.total", "", GAUGE, "a_total", ""},
		{"total", "", COUNTER, "total", ""},
		{"seconds.before", "s", GAUGE, "seconds_before_seconds", "seconds"},
		{"seconds", "s", GAUGE, "seconds", "seconds"},
		{"milliseconds", "s", GAUGE, "milliseconds_seconds", "seconds"},
		/* a ratio is a gauge */
		{"memory.utilization", "1", GAUGE, "memory_utilization_ratio", "ratio"},
		{"tries", "1", COUNTER, "tries", ""},
		{"tries", "1", HISTOGRAM, "tries", ""},
		/* rates, and what is in braces */
		{"speed", "m/s", GAUGE, "speed_meters_per_second", "meters_per_second"},
		{"flow", "By/min", GAUGE, "flow_bytes_per_minute", "bytes_per_minute"},
		{"load", "{request}/s", GAUGE, "load_per_second", "per_second"},
		{"load", "1/s", GAUGE, "load_per_second", "per_second"},
		{"share", "By/{request}", GAUGE, "share_bytes", "bytes"},
		{"heap", "By{used}", GAUGE, "heap_bytes", "bytes"},
		{"open", "{never ends", GAUGE, "open", ""},
		/* a unit that has no word is one */
		{"mass", "[lb_av]", GAUGE, "mass_lb_av", "lb_av"},
		{"heat", "J/Cel/m", GAUGE, "heat_joules_per_Celm", "joules_per_Celm"},
		{"used", "GiBy", GAUGE, "used_gibibytes", "gibibytes"},
		/* characters that are not allowed */
		{"a-b/c d", "", GAUGE, "a_b_c_d", ""},
		{"a..b._c__d", "", GAUGE, "a_b_c_d", ""},
		{"rule:rate", "", GAUGE, "rule:rate", ""},
		{"2xx.answers", "", COUNTER, "_xx_answers", ""},
		{"_9", "", GAUGE, "_9", ""},
		{"gr\xc3\xb6\xc3\x9f"
		 "e.",
		 "By", GAUGE, "gr_e_bytes", "bytes"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct tel_metric metric = {.name = cases[i].name, .unit = cases[i].unit, .type = cases[i].type};
		BUF(unit, 100);
		BUF(family, 100);
		prometheus_add_unit(&unit, &metric);
		prometheus_add_family(&family, &metric, unit.len ? unit.data : "");
		assert_string_equal(unit.len ? unit.data : "", cases[i].word);
		assert_string_equal(family.data, cases[i].family);
	}
}

static void a_unit_is_told_when_the_name_ends_with_it(void **state)
{
	(void)state;
	assert_true(prometheus_has_unit("duration_seconds", "seconds"));
	assert_false(prometheus_has_unit("seconds", "seconds"));
	assert_false(prometheus_has_unit("milliseconds", "seconds"));
	assert_false(prometheus_has_unit("orders", ""));
}

static void labels_have_names(void **state)
{
	static const struct {
		const char *key, *label;
	} cases[] = {{"http.route", "http_route"},
		     {"a:b", "a_b"},
		     {"0day", "_day"},
		     {"__x", "_x"},
		     {"a.-b", "a_b"},
		     {"A9_", "A9_"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		BUF(label, 100);
		prometheus_add_label_name(&label, cases[i].key);
		assert_string_equal(label.data, cases[i].label);
		assert_true(prometheus_same_label(cases[i].key, cases[i].label));
	}
	assert_true(prometheus_same_label("a.b", "a__b"));
	assert_false(prometheus_same_label("a.b", "a.b."));
	assert_false(prometheus_same_label("a.b.", "a.b"));
	assert_false(prometheus_same_label("a", "b"));
}

static void families_clash(void **state)
{
	static const struct {
		const char *one;
		enum tel_metric_type type;
		const char *other;
		enum tel_metric_type other_type;
		bool clash;
	} cases[] = {
		{"a", GAUGE, "a", GAUGE, true},
		{"a", COUNTER, "a", GAUGE, true}, /* OpenMetrics calls both "a" */
		{"a", COUNTER, "a_total", GAUGE, true},
		{"a", COUNTER, "a_created", GAUGE, true},
		{"a", COUNTER, "a_total", COUNTER, true},
		{"a", GAUGE, "a_total", GAUGE, false},
		{"a", GAUGE, "a_count", GAUGE, false},
		{"a", HISTOGRAM, "a_count", GAUGE, true},
		{"a", HISTOGRAM, "a_count", COUNTER, true},
		{"a", HISTOGRAM, "a_sum", HISTOGRAM, true},
		{"a", HISTOGRAM, "a_bucket", GAUGE, true},
		{"a", HISTOGRAM, "a_total", GAUGE, false},
		{"a", HISTOGRAM, "a_counts", GAUGE, false},
		{"a", HISTOGRAM, "b_count", GAUGE, false},
		{"a_count", COUNTER, "a_total", GAUGE, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		bool there = prometheus_clash(cases[i].one, cases[i].type, cases[i].other, cases[i].other_type);
		bool back = prometheus_clash(cases[i].other, cases[i].other_type, cases[i].one, cases[i].type);
		if (there != cases[i].clash || back != cases[i].clash)
			fail_msg("%s and %s: %d, and %d", cases[i].one, cases[i].other, there, back);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(families_have_names_and_units),
		cmocka_unit_test(a_unit_is_told_when_the_name_ends_with_it),
		cmocka_unit_test(labels_have_names),
		cmocka_unit_test(families_clash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
