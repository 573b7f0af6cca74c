/* SPDX-License-Identifier: MIT */
#include "gateway/log_metrics.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "gateway/access_span.h"
#include "gateway/log_follower.h"
#include "semconv/http_server.h"

#define SAVE_NS NS_PER_SECOND
#define COMPLAINT_NS (60 * NS_PER_SECOND)

TEL_COUNTER(lines, "gateway.log.lines", "{line}", "Lines of the access log that were read.");
TEL_COUNTER(unparsed, "gateway.log.lines.unparsed", "{line}", "Lines of the access log that could not be understood.");

static struct {
	struct log_follower follower;
	uint64_t saved_ns;
	uint64_t saved_offset;
	uint64_t complaint_ns;
	atomic_bool end;
} metrics = {.follower = {.name = "metrics", .thread = THREAD_INITIALIZER}};

static void observe(const struct access_line *line)
{
	double seconds = (double)line->duration_ns / 1e9;
	struct tel_span exemplar;

	if (line->flags & TEL_SAMPLED) {
		struct tel_span_facts facts;
		access_span_facts(line, &facts);
		tel_span_from(&exemplar, &facts);
	}
	http_server_observe(line->method.data, line->route.data, line->status, seconds,
			    line->flags & TEL_SAMPLED ? &exemplar : NULL);
}

/* The line itself is not logged: it may hold anything. */
static void count_unparsed(const struct log_tail_line *line)
{
	uint64_t now_ns = clock_monotonic_ns();

	tel_counter_add(&unparsed, 1);
	if (metrics.complaint_ns && now_ns - metrics.complaint_ns < COMPLAINT_NS)
		return;
	metrics.complaint_ns = now_ns;
	tel_warn("a line of the access log is not understood", tel_str("file", metrics.follower.log_path),
		 tel_int("offset", (int64_t)line->offset), tel_int("bytes", (int64_t)line->len));
}

static void read_line(const struct log_tail_line *line)
{
	struct access_line facts;
	bool cut;
	bool parsed = access_log_parse(line->text, line->len, &facts, &cut);

	tel_counter_add(&lines, 1);
	if (!parsed || cut)
		count_unparsed(line);
	if (parsed)
		observe(&facts);
}

static void save(struct log_follower *f)
{
	struct log_position position;

	if (f->tail.offset == metrics.saved_offset || !log_tail_position(&f->tail, f->tail.offset, 0, &position))
		return;
	metrics.saved_offset = f->tail.offset;
	log_follower_save(f, &position);
}

static void run(void *arg)
{
	struct log_follower *f = arg;
	struct log_tail_line line;

	while (!atomic_load_explicit(&metrics.end, memory_order_relaxed)) {
		bool more = log_follower_next(f, &line);
		if (more)
			read_line(&line);
		uint64_t now_ns = clock_monotonic_ns();
		if (now_ns - metrics.saved_ns >= SAVE_NS) {
			metrics.saved_ns = now_ns;
			save(f);
		}
		if (!more && log_follower_wait(f, LOG_FOLLOWER_POLL_MS))
			break;
	}
	save(f);
}

int log_metrics_start(const char *access_log, const char *checkpoint_file)
{
	struct log_position from;

	metrics.follower.log_path = access_log;
	metrics.follower.checkpoint_file = checkpoint_file;
	return log_follower_start(&metrics.follower, run, &from);
}

static void end(void)
{
	atomic_store(&metrics.end, true);
}

void log_metrics_stop(void)
{
	log_follower_stop(&metrics.follower, 0, end);
}
