/* SPDX-License-Identifier: MIT */
#include "tel/src/metrics.h"

#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "tel/src/misuse.h"
#include "tel/src/prometheus_name.h"

/* Sub-millisecond latencies are the rule on one machine: finer bounds come before those of the conventions. */
const double tel_http_bounds[] = {0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1,
				  0.25,    0.5,    0.75,  1,      2.5,   5,    7.5,   10,   0};
const double tel_db_bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 0};

#define CHUNK_BYTES (1 << 20)

#define HOOKS_MAX 16
#define FAILURES_MAX 16
#define FAMILY_MAX_BYTES 256 /* with the NUL; a longer name is cut */

static struct tel_metric *metrics; /* by their family */
static struct metric_failure failures[FAILURES_MAX];
static unsigned failure_count;
static bool metrics_on = true;
static uint64_t start_ns;

static void (*hooks[HOOKS_MAX])(void);
static unsigned hook_count;
static pthread_mutex_t collecting = PTHREAD_MUTEX_INITIALIZER;
static unsigned collecting_forks; /* how often the lock was made new, in forked children */

void metrics_init(bool is_enabled)
{
	metrics_on = is_enabled;
	if (!start_ns)
		start_ns = clock_realtime_ns();
	if (metrics_on)
		process_metrics_init();
}

bool metrics_failure(unsigned number, struct metric_failure *out)
{
	if (number >= failure_count)
		return false;
	*out = failures[number];
	return true;
}

bool metrics_enabled(void)
{
	return metrics_on;
}

uint64_t metrics_start_ns(void)
{
	return start_ns;
}

void metric_hide(struct tel_metric *metric, enum metric_reader reader)
{
	struct series_set *set = metric->state;

	if (set)
		set->hidden[reader] = true;
}

void metric_sums(struct tel_metric *gauge)
{
	struct series_set *set = gauge->state;

	if (set)
		set->up_down = true;
}

const struct tel_metric *metrics_next(const struct tel_metric *metric, enum metric_reader reader)
{
	metric = metric ? metric->next : metrics;
	while (metric && ((const struct series_set *)metric->state)->hidden[reader])
		metric = metric->next;
	return metric;
}

/* ---- hooks ------------------------------------------------------------------------------------------------------- */

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

void metrics_run_hooks(void)
{
	pthread_mutex_lock(&collecting);
	unsigned forks = collecting_forks;
	for (unsigned i = 0; i < hook_count; i++)
		hooks[i]();
	/* a hook that forks comes back in the child, too, where the lock is another one */
	if (forks == collecting_forks)
		pthread_mutex_unlock(&collecting);
}

/* ---- registration, before main --------------------------------------------------------------------------------- */

/*
 * Returns zeroed memory that is never freed, or NULL. It is address space only: a page counts when it is first touched,
 * so huge pages are not wanted.
 */
static void *reserve(size_t bytes)
{
	static char *chunk;
	static size_t left;

	bytes = (bytes + METRIC_LINE - 1) / METRIC_LINE * METRIC_LINE;
	if (bytes > left) {
		size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
		char *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
				    0);
		if (mapped == MAP_FAILED)
			return NULL;
		madvise(mapped, size, MADV_NOHUGEPAGE);
		chunk = mapped;
		left = size;
	}
	void *p = chunk;
	chunk += bytes;
	left -= bytes;
	return p;
}

unsigned metric_bound_count(const struct tel_metric *metric)
{
	unsigned count = 0;

	while (metric->bounds && count <= TEL_BOUNDS_MAX && metric->bounds[count] != 0)
		count++;
	return count;
}

static unsigned label_count(const struct tel_metric *metric)
{
	unsigned count = 0;

	while (count < TEL_LABELS_MAX && metric->labels[count])
		count++;
	return count;
}

static bool same_meaning(const struct tel_metric *a, const struct tel_metric *b)
{
	for (unsigned i = 0; i < TEL_LABELS_MAX; i++) {
		if (!a->labels[i] != !b->labels[i] || (a->labels[i] && strcmp(a->labels[i], b->labels[i]) != 0))
			return false;
	}
	unsigned bounds = metric_bound_count(a);
	return a->type == b->type && strcmp(a->unit, b->unit) == 0 && bounds == metric_bound_count(b) &&
	       (!bounds || memcmp(a->bounds, b->bounds, bounds * sizeof(*a->bounds)) == 0);
}

/* Returns a copy of the buffer's text that is never freed, or NULL. */
static const char *reserve_text(const struct buf *text)
{
	char *copy = reserve(text->len + 1);

	if (copy && text->len)
		memcpy(copy, text->data, text->len);
	return copy;
}

/* Makes room for all the series that the metric may have. Returns NULL if memory is short. */
static struct series_set *make_set(const struct tel_metric *metric)
{
	unsigned labels = label_count(metric);
	size_t bytes = series_bytes(metric, labels);
	size_t slots = labels ? METRIC_SLOTS * sizeof(_Atomic(struct tel_series *)) : 0;
	struct series_set *set = reserve(sizeof(*set) + slots);
	char *series = reserve((labels ? METRIC_SERIES_MAX + 1 : 1) * bytes); /* and the overflow series */

	if (!set || !series)
		return NULL;
	set->labels = labels;
	set->stride = bytes;
	set->series = series;
	if (!labels) {
		series_at(series, metric);
		atomic_store_explicit(&set->count, 1, memory_order_relaxed);
	}
	return set;
}

static bool name_set(struct series_set *set, const struct tel_metric *metric)
{
	char unit_storage[FAMILY_MAX_BYTES], family_storage[FAMILY_MAX_BYTES];
	struct buf unit, family;

	buf_init_fixed(&unit, unit_storage, sizeof(unit_storage));
	buf_init_fixed(&family, family_storage, sizeof(family_storage));
	prometheus_add_unit(&unit, metric);
	set->unit = reserve_text(&unit);
	if (set->unit)
		prometheus_add_family(&family, metric, set->unit);
	set->family = reserve_text(&family);
	return set->unit && set->family;
}

static void fail_registration(const struct tel_metric *metric, const char *reason, const char *other)
{
	if (failure_count < FAILURES_MAX)
		failures[failure_count++] = (struct metric_failure){metric->name ? metric->name : "(no name)", reason,
								    other};
}

/* The last bucket, that of all numbers, is there without a bound. */
static bool ascends(const double *bounds, unsigned count)
{
	double before = -INFINITY;

	for (unsigned i = 0; i < count; i++) {
		if (!(bounds[i] > before && bounds[i] < INFINITY)) /* NaN is neither */
			return false;
		before = bounds[i];
	}
	return true;
}

/* Returns why the declaration is wrong, a literal, or NULL if it is right. */
static const char *misdeclared(const struct tel_metric *metric)
{
	if (!metric->name || !*metric->name || !metric->unit || !metric->help)
		return "it has no name, no unit or no help";
	if (!metric->bounds != (metric->type != TEL_METRIC_HISTOGRAM))
		return "a histogram has bounds, and no other metric has";
	if (metric_bound_count(metric) > TEL_BOUNDS_MAX)
		return "it has more than 20 bounds";
	if (!ascends(metric->bounds, metric_bound_count(metric)))
		return "its bounds are not ascending numbers";
	if (metric->labels[TEL_LABELS_MAX])
		return "it has more than 4 labels";
	for (unsigned i = 0; i < label_count(metric); i++) {
		if (!*metric->labels[i])
			return "a label has no name";
		if (metric->bounds && prometheus_same_label(metric->labels[i], "le"))
			return "the label le tells the bounds of a histogram";
	}
	return NULL;
}

/* Returns the name of a metric that Prometheus could not tell from this one, or NULL. */
static const char *find_clash(const struct series_set *set, const struct tel_metric *metric)
{
	if (prometheus_clash(set->family, metric->type, "target_info", TEL_METRIC_GAUGE) ||
	    prometheus_clash(set->family, metric->type, "target", TEL_METRIC_GAUGE))
		return "target_info";
	for (const struct tel_metric *other = metrics; other; other = other->next) {
		const struct series_set *its = other->state;
		if (prometheus_clash(set->family, metric->type, its->family, other->type))
			return other->name;
	}
	return NULL;
}

static void insert(struct tel_metric *metric, struct series_set *set)
{
	struct tel_metric **place = &metrics;

	while (*place && strcmp(((const struct series_set *)(*place)->state)->family, set->family) < 0)
		place = &(*place)->next;
	metric->state = set;
	metric->next = *place;
	*place = metric;
}

void tel_metric_register(struct tel_metric *metric)
{
	struct tel_metric *same = metrics;
	const char *reason;

	if (MISUSE_NULL(metric, "tel_metric_register"))
		return;
	reason = misdeclared(metric);
	while (!reason && same && strcmp(same->name, metric->name) != 0)
		same = same->next;
	if (!reason && same) {
		if (same_meaning(same, metric))
			metric->state = same->state;
		else
			reason = "another declaration of its name differs";
	}
	if (reason)
		fail_registration(metric, reason, NULL);
	if (reason || same)
		return;
	struct series_set *set = make_set(metric);
	if (!set || !name_set(set, metric)) {
		fail_registration(metric, "memory is short", NULL);
		return;
	}
	const char *clash = find_clash(set, metric);
	if (clash)
		fail_registration(metric, "Prometheus has the same name for another one", clash);
	else
		insert(metric, set);
}

/* ---- fork ------------------------------------------------------------------------------------------------------- */

/*
 * The lock is not held over a fork, as that of the series is: hooks are the program's, and may fork themselves or wait
 * for what the forking thread has locked.
 */
void metrics_in_child(void)
{
	collecting = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	collecting_forks++;
	for (const struct tel_metric *metric = metrics; metric; metric = metric->next)
		series_in_child(metric);
	start_ns = clock_realtime_ns();
	if (metrics_on)
		process_metrics_init(); /* it began now */
}
