/* SPDX-License-Identifier: MIT */
/* Writes all metrics in the Prometheus text format 0.0.4 or in OpenMetrics 1.0. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hex.h"
#include "tel/src/metrics.h"
#include "tel/src/misuse.h"
#include "tel/src/resource.h"

#define HOOKS_MAX 16
#define NAME_MAX_BYTES 256 /* of a metric, longer ones are cut */
#define FAMILY_MAX (16 << 20)

static void (*hooks[HOOKS_MAX])(void);
static unsigned hook_count;
static pthread_mutex_t scraping = PTHREAD_MUTEX_INITIALIZER;

void tel_metrics_hook(void (*hook)(void))
{
	for (unsigned i = 0; i < hook_count; i++)
		if (hooks[i] == hook)
			return;
	if (MISUSE_NULL(hook, "tel_metrics_hook"))
		return;
	if (hook_count == HOOKS_MAX) {
		MISUSE("tel_metrics_hook", "there are 16 hooks already");
		return;
	}
	hooks[hook_count++] = hook;
}

static void run_hooks(void)
{
	pthread_mutex_lock(&scraping);
	for (unsigned i = 0; i < hook_count; i++)
		hooks[i]();
	pthread_mutex_unlock(&scraping);
}

/* ---- pieces ----------------------------------------------------------------------------------------------------- */

static void add_escaped(struct buf *out, const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		switch (text[i]) {
		case '\\': buf_add(out, "\\\\", 2); break;
		case '"': buf_add(out, "\\\"", 2); break;
		case '\n': buf_add(out, "\\n", 2); break;
		default: buf_addc(out, text[i]);
		}
	}
}

/* As the Prometheus client libraries write a float: whole numbers with ".0". */
static void add_number(struct buf *out, double value)
{
	if (isnan(value)) {
		buf_adds(out, "NaN");
		return;
	}
	if (isinf(value)) {
		buf_adds(out, value > 0 ? "+Inf" : "-Inf");
		return;
	}
	size_t start = out->len;
	buf_add_double(out, value);
	if (!out->failed && !strpbrk(out->data + start, ".e"))
		buf_adds(out, ".0");
}

/* ---- names: OpenTelemetry's as Prometheus has them ("Prometheus and OpenMetrics Compatibility") -------------------
 */

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static char name_char(char c, bool first)
{
	if (is_letter(c) || (!first && c >= '0' && c <= '9'))
		return c;
	return '_';
}

static void add_plain_name(struct buf *out, const char *name)
{
	for (const char *c = name; *c; c++)
		buf_addc(out, name_char(*c, c == name));
}

/* The word for a unit of UCUM; "" for one that is none, such as "{order}". */
static const char *unit_word(const char *unit)
{
	static const struct {
		const char *unit, *word;
	} words[] = {{"s", "seconds"},      {"ms", "milliseconds"}, {"us", "microseconds"}, {"ns", "nanoseconds"},
		     {"min", "minutes"},    {"h", "hours"},         {"d", "days"},          {"By", "bytes"},
		     {"KiBy", "kibibytes"}, {"MiBy", "mebibytes"},  {"kBy", "kilobytes"},   {"MBy", "megabytes"},
		     {"m", "meters"},       {"V", "volts"},         {"A", "amperes"},       {"J", "joules"},
		     {"W", "watts"},        {"g", "grams"},         {"Cel", "celsius"},     {"Hz", "hertz"},
		     {"%", "percent"},      {"1", "ratio"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(words[i].unit, unit) == 0)
			return words[i].word;
	return "";
}

static bool ends_with(const struct buf *text, size_t start, const char *word)
{
	size_t bytes = strlen(word);

	return !text->failed && text->len - start > bytes && text->data[text->len - bytes - 1] == '_' &&
	       memcmp(text->data + text->len - bytes, word, bytes) == 0;
}

/* Adds "_word" unless the name ends with it. */
static void add_name_end(struct buf *out, size_t start, const char *word)
{
	if (!*word || ends_with(out, start, word))
		return;
	buf_addc(out, '_');
	buf_adds(out, word);
}

/* Without the _total of a counter's samples. */
static void add_family_name(struct buf *out, const struct tel_metric *metric)
{
	size_t start = out->len;
	bool is_counter = metric->type == TEL_METRIC_COUNTER;

	add_plain_name(out, metric->name);
	if (is_counter && ends_with(out, start, "total"))
		out->len -= strlen("_total");
	if (strcmp(metric->unit, "1") != 0 || metric->type == TEL_METRIC_GAUGE)
		add_name_end(out, start, unit_word(metric->unit));
}

static void add_sample_name(struct buf *out, const struct tel_metric *metric)
{
	add_family_name(out, metric);
	if (metric->type == TEL_METRIC_COUNTER)
		buf_adds(out, "_total");
}

/* A family's metadata. */
static void add_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_adds(out, "# HELP ");
	buf_adds(out, name);
	buf_addc(out, ' ');
	buf_adds(out, help);
	buf_adds(out, "\n# TYPE ");
	buf_adds(out, name);
	buf_addc(out, ' ');
	buf_adds(out, type);
	buf_addc(out, '\n');
}

/* ---- samples ---------------------------------------------------------------------------------------------------- */

/* Labels without braces; true when there was one, so that a comma is due. */
static bool add_labels(struct buf *out, const struct tel_series *series)
{
	const char *const *labels = series->metric->labels;
	const char *value = series->key;

	if (labels[0] && !series->key_bytes) {
		buf_adds(out, "otel_metric_overflow=\"true\"");
		return true;
	}
	for (unsigned i = 0; i < TEL_LABELS_MAX && labels[i]; i++) {
		size_t bytes = strlen(value);
		if (i)
			buf_addc(out, ',');
		add_plain_name(out, labels[i]);
		buf_add(out, "=\"", 2);
		add_escaped(out, value, bytes);
		buf_addc(out, '"');
		value += bytes + 1;
	}
	return labels[0];
}

/* The sample's name, `suffix`, {labels} and the space before the value. */
static void add_sample(struct buf *out, const struct tel_series *series, const char *suffix)
{
	add_sample_name(out, series->metric);
	buf_adds(out, suffix);
	if (series->metric->labels[0]) {
		buf_addc(out, '{');
		add_labels(out, series);
		buf_addc(out, '}');
	}
	buf_addc(out, ' ');
}

/* ---- histograms ------------------------------------------------------------------------------------------------- */

static void add_exemplar(struct buf *out, const struct exemplar *exemplar)
{
	struct exemplar_values values;
	char trace_id[32], span_id[16];

	if (!exemplar_read(exemplar, &values))
		return;
	hex_encode(values.trace_id, 16, trace_id);
	hex_encode(values.span_id, 8, span_id);
	buf_addf(out, " # {trace_id=\"%.32s\",span_id=\"%.16s\"} ", trace_id, span_id);
	add_number(out, values.value);
	buf_addf(out, " %llu.%03llu", (unsigned long long)(values.time_ns / 1000000000),
		 (unsigned long long)(values.time_ns / 1000000 % 1000));
}

/* Buckets are cumulative here; the count is their sum, so that it always equals the bucket of +Inf. */
static void add_histogram(struct buf *out, const struct tel_series *series, bool openmetrics)
{
	unsigned bounds = metric_bound_count(series->metric);
	uint64_t count = 0;

	for (unsigned i = 0; i <= bounds; i++) {
		count += series_bucket(series, i);
		add_family_name(out, series->metric);
		buf_adds(out, "_bucket{");
		if (add_labels(out, series))
			buf_addc(out, ',');
		buf_adds(out, "le=\"");
		add_number(out, i < bounds ? series->metric->bounds[i] : INFINITY);
		buf_adds(out, "\"} ");
		buf_add_int(out, (long long)count);
		if (openmetrics)
			add_exemplar(out, &series->exemplars[i]);
		buf_addc(out, '\n');
	}
	add_sample(out, series, "_sum");
	add_number(out, series_value(series));
	buf_addc(out, '\n');
	add_sample(out, series, "_count");
	buf_add_int(out, (long long)count);
	buf_addc(out, '\n');
}

static void add_family(struct buf *out, const struct tel_metric *metric, bool openmetrics)
{
	static const char *const types[] = {
		[TEL_METRIC_COUNTER] = "counter",
		[TEL_METRIC_GAUGE] = "gauge",
		[TEL_METRIC_HISTOGRAM] = "histogram",
	};
	const struct tel_series *series;
	char storage[NAME_MAX_BYTES];
	struct buf name;

	buf_init_fixed(&name, storage, sizeof(storage));
	if (openmetrics)
		add_family_name(&name, metric);
	else
		add_sample_name(&name, metric);
	add_head(out, name.data, types[metric->type], metric->help);
	for (unsigned i = 0; (series = metric_series(metric, i)); i++) {
		if (metric->type == TEL_METRIC_HISTOGRAM) {
			add_histogram(out, series, openmetrics);
			continue;
		}
		add_sample(out, series, "");
		add_number(out, series_value(series));
		buf_addc(out, '\n');
	}
}

/* ---- target_info ------------------------------------------------------------------------------------------------ */

static bool same_label(const char *a, const char *b)
{
	size_t i = 0;

	while (a[i] && b[i] && name_char(a[i], i == 0) == name_char(b[i], i == 0))
		i++;
	return !a[i] && !b[i];
}

/* Attributes whose names become the same label are joined with ';' (OpenTelemetry, "Prometheus Compatibility"). */
static void add_resource_label(struct buf *out, const struct resource_attr *attrs, size_t count, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (same_label(attrs[i].key, attrs[index].key))
			return;
	}
	if (index)
		buf_addc(out, ',');
	add_plain_name(out, attrs[index].key);
	buf_add(out, "=\"", 2);
	for (size_t i = index; i < count; i++) {
		if (!same_label(attrs[i].key, attrs[index].key))
			continue;
		if (i != index)
			buf_addc(out, ';');
		add_escaped(out, attrs[i].value, strlen(attrs[i].value));
	}
	buf_addc(out, '"');
}

static void add_target_info(struct buf *out, bool openmetrics)
{
	const char *name = openmetrics ? "target" : "target_info";
	size_t count;
	const struct resource_attr *attrs = resource_attrs(&count);

	add_head(out, name, openmetrics ? "info" : "gauge", "What this process is.");
	buf_adds(out, "target_info{");
	for (size_t i = 0; i < count; i++)
		add_resource_label(out, attrs, count, i);
	buf_adds(out, "} 1.0\n");
}

/* Hands over what is written so far. False: no more is wanted, or there was no memory. */
static bool hand_over(struct buf *text, bool (*write)(void *arg, const char *text, size_t bytes), void *arg)
{
	bool good = !text->failed && (!text->len || write(arg, text->data, text->len));

	buf_reset(text);
	return good;
}

bool tel_metrics_write(const char *content_type, bool (*write)(void *arg, const char *text, size_t bytes), void *arg)
{
	if (MISUSE_NULL(content_type && write, "tel_metrics_write"))
		return false;
	bool openmetrics = strncmp(content_type, "application/openmetrics-text", 28) == 0, good = true;
	BUF(text, FAMILY_MAX);

	if (metrics_enabled()) {
		run_hooks();
		add_target_info(&text, openmetrics);
		for (const struct tel_metric *metric = metrics_first(); good && metric; metric = metric->next) {
			add_family(&text, metric, openmetrics);
			good = hand_over(&text, write, arg);
		}
	}
	if (openmetrics)
		buf_adds(&text, "# EOF\n");
	return good && hand_over(&text, write, arg);
}
