/* SPDX-License-Identifier: MIT */
#include "gateway/log_follower.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "gateway/checkpoint.h"
#include "tel/tel.h"

#define FIRST_BACKLOG (UINT64_C(1) << 20)
#define DURABLE_NS NS_PER_SECOND
#define COMPLAINT_NS (60 * NS_PER_SECOND)

TEL_COUNTER(gaps, "gateway.log.gaps", "{gap}",
	    "Times that lines of a rotated or truncated access log were gone before they were read.", "follower");

static void init_tail(struct log_follower *f, struct log_position *from)
{
	int error = checkpoint_read(f->checkpoint_file, from);

	switch (error) {
	case 0: log_tail_init(&f->tail, f->log_path, from, 0); return;
	case -ENOENT: log_tail_init(&f->tail, f->log_path, NULL, FIRST_BACKLOG); return;
	}
	/* Reading a line twice is better than never. */
	log_tail_init(&f->tail, f->log_path, NULL, UINT64_MAX);
	tel_error("the checkpoint cannot be read: the access log is read from its start", tel_str("follower", f->name),
		  tel_str("file", f->checkpoint_file), tel_str("reason", strerror(-error)));
}

int log_follower_start(struct log_follower *f, void (*run)(void *f), struct log_position *from)
{
	*from = (struct log_position){0};
	tel_series_add(tel_series(&gaps, f->name), 0); /* A counter that is there from the start can be watched. */
	init_tail(f, from);
	int error = thread_start(&f->thread, f->name, run, f);
	if (error)
		log_tail_done(&f->tail);
	return error;
}

void log_follower_stop(struct log_follower *f, unsigned budget_ms, void (*hurry)(void))
{
	if (!thread_stop(&f->thread, clock_monotonic_ns() + budget_ms * NS_PER_MS)) {
		hurry();
		thread_stop(&f->thread, CLOCK_NEVER);
	}
	log_tail_done(&f->tail);
}

bool log_follower_wait(struct log_follower *f, unsigned ms)
{
	return thread_sleep(&f->thread, clock_monotonic_ns() + ms * NS_PER_MS);
}

static void gap(const struct log_follower *f, const char *message)
{
	tel_series_add(tel_series(&gaps, f->name), 1);
	tel_warn(message, tel_str("follower", f->name), tel_str("file", f->log_path));
}

bool log_follower_next(struct log_follower *f, struct log_tail_line *line)
{
	for (;;) {
		switch (log_tail_next(&f->tail, line)) {
		case LOG_TAIL_LINE: return true;
		case LOG_TAIL_IDLE: return false;
		case LOG_TAIL_ROTATED:
			tel_info("the rotated access log is read to its end", tel_str("follower", f->name));
			break;
		case LOG_TAIL_TRUNCATED: gap(f, "the access log was truncated: it is read from its start"); break;
		case LOG_TAIL_LOST: gap(f, "a rotated access log is gone or cannot be read: lines are lost"); break;
		}
	}
}

void log_follower_save(struct log_follower *f, const struct log_position *position)
{
	uint64_t now_ns = clock_monotonic_ns();
	bool durable = now_ns - f->saved_ns >= DURABLE_NS;
	int error = checkpoint_write(f->checkpoint_file, position, durable);

	if (error == 0) {
		f->complaint_ns = 0;
		if (durable)
			f->saved_ns = now_ns;
		return;
	}
	if (f->complaint_ns && now_ns - f->complaint_ns < COMPLAINT_NS)
		return;
	f->complaint_ns = now_ns;
	tel_error("the checkpoint cannot be written: after a restart lines are read twice",
		  tel_str("follower", f->name), tel_str("file", f->checkpoint_file),
		  tel_str("reason", strerror(-error)));
}
