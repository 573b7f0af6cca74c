/* SPDX-License-Identifier: MIT */
#include "tel/src/log.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/env.h"
#include "base/file_lock.h"
#include "base/json_write.h"
#include "tel/src/complain.h"
#include "tel/src/export.h"
#include "tel/src/log_file.h"
#include "tel/src/log_level.h"
#include "tel/src/misuse.h"
#include "tel/src/otlp.h"
#include "tel/src/resource.h"
#include "tel/tel.h"

#define EXIT_MS 1000 /* how long exit(3) waits for a disk that hangs */

/* Where the host wants lines to go. Without `take` they go into the file. */
struct sink {
	void (*take)(void *arg, enum tel_level level, const char *line, size_t bytes);
	void *arg;
};

static enum tel_level least_level = TEL_LEVEL_INFO;
static unsigned least_complaint = TEL_LEVEL_INFO;
static struct file_lock lock = {.fd = -1};
static atomic_bool lock_is_shared; /* with a forked child, or with the parent */
static struct sink line_sink, complaint_sink;
static atomic_bool sinks_open;

void log_configure(const struct tel_config *config)
{
	line_sink = (struct sink){config->log_line, config->log_line_arg};
	complaint_sink = config->complain ? (struct sink){config->complain, config->complain_arg} : line_sink;
}

bool complain_to_host(void)
{
	return complaint_sink.take;
}

/* Says why the log cannot be opened. */
__attribute__((format(printf, 1, 2))) static void tell_why(const char *format, ...)
{
	char reason[PATH_MAX + 200];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	if (complain_to_host())
		complain_error("the log cannot be opened", tel_str("reason", reason));
	else
		fprintf(stderr, "%s: LOG_DIR%s\n", program_invocation_short_name, reason);
}

/* The lock that another process holds, too, remains: it is given back when the last one has closed it. */
static void give_lock_back(void)
{
	if (lock_is_shared && lock.fd >= 0)
		close(lock.fd);
	else
		file_lock_release(&lock);
	lock.fd = -1;
}

/* Returns true if the lock could not be taken because this forked child has it already, from its parent. */
static bool has_inherited(const struct file_lock *refused, int error)
{
	return error == -EBUSY && lock.fd >= 0 && strcmp(refused->name, lock.name) == 0;
}

/* Opens the file under a lock, since two programs that write one file would cut each other's lines. An earlier lock of
 * this process is kept until the new file is open. */
static int start_file(const char *path)
{
	struct file_lock taken;
	pid_t holder;
	int lock_error = file_lock_take(&taken, path, &holder);
	bool inherited = has_inherited(&taken, lock_error);

	if (lock_error == -EBUSY && !inherited) {
		tell_why(": process %d writes %s: stop it, or give this program another LOG_DIR", (int)holder, path);
		return lock_error;
	}
	int error = log_file_start(path);
	if (error) {
		file_lock_release(&taken);
		tell_why(": %s cannot be written: %s", path, strerror(-error));
		return error;
	}
	if (inherited)
		return 0;
	give_lock_back();
	lock = taken;
	lock_is_shared = false;
	if (lock_error)
		complain_warn("the log is not locked: another program may write it, too", tel_str("file", path),
			      tel_str("reason", strerror(-lock_error)));
	return 0;
}

static int start_in(const char *dir, const char *name)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s.log", dir, name) < (int)sizeof(path))
		return start_file(path);
	tell_why(" is too long");
	return -ENAMETOOLONG;
}

/* Complaints have the level of other lines, unless OTEL_LOG_LEVEL says otherwise. */
static void read_levels(void)
{
	unsigned level = TEL_LEVEL_INFO;

	log_level_parse(env_string("LOG_LEVEL", ""), &level);
	least_level = (enum tel_level)level;
	least_complaint = level;
	log_level_parse_complaints(env_string("OTEL_LOG_LEVEL", ""), &least_complaint);
}

/* A program that ends itself in the middle, for a reason that it has just logged, calls no tel_shutdown. */
static void stop_at_exit(void)
{
	log_file_stop(EXIT_MS);
	give_lock_back();
}

int log_start(const char *name)
{
	static bool exit_is_watched;
	const char *dir = env_string("LOG_DIR", NULL);
	int error = 0;

	if (!exit_is_watched)
		exit_is_watched = atexit(stop_at_exit) == 0;
	read_levels();
	atomic_store(&sinks_open, true);
	if (!line_sink.take)
		error = dir ? start_in(dir, name) : log_file_start(NULL);
	if (error)
		atomic_store(&sinks_open, false);
	return error;
}

void log_stop(unsigned budget_ms)
{
	log_file_stop(budget_ms);
	give_lock_back();
	atomic_store(&sinks_open, false);
}

void log_before_fork(void)
{
	lock_is_shared = lock.fd >= 0;
}

/* ---- one line --------------------------------------------------------------------------------------------------- */

static const char whole_end[] = "}\n", cut_end[] = ",\"truncated\":true}\n";

static void add_time(struct json_writer *w, uint64_t time_ns)
{
	char text[CLOCK_RFC3339_SIZE];
	size_t length = clock_rfc3339(time_ns, 6, text);

	json_key(w, "ts");
	json_string(w, text, length);
}

static void add_context(struct json_writer *w, const struct tel_context *context)
{
	static const uint8_t zero[16];

	if (memcmp(context->trace_id, zero, sizeof(context->trace_id)) == 0)
		return;
	json_key(w, "trace_id");
	json_hex(w, context->trace_id, sizeof(context->trace_id));
	json_key(w, "span_id");
	json_hex(w, context->span_id, sizeof(context->span_id));
	json_key(w, "trace_flags");
	json_hex(w, &context->flags, 1);
}

/* Adds a string value, cut to the room of the line. Returns false if it was cut. */
static bool add_text(struct json_writer *w, const char *text, size_t bytes)
{
	size_t room = w->out->max - w->out->len;

	room = room > 2 ? room - 2 : 0;
	return json_string_cut(w, text, bytes, room < LOG_VALUE_MAX ? room : LOG_VALUE_MAX);
}

static bool add_attr_value(struct json_writer *w, const struct tel_attr *attr)
{
	switch (attr->type) {
	case TEL_TYPE_LITERAL:
	case TEL_TYPE_STRING: return add_text(w, attr->value.text, attr->bytes);
	case TEL_TYPE_INT: json_int(w, attr->value.number); break;
	case TEL_TYPE_DOUBLE: json_double(w, attr->value.real); break;
	case TEL_TYPE_BOOL: json_boolean(w, attr->value.number); break;
	}
	return true;
}

/* Adds a member, or nothing if there is no room. Returns false if it is not there as a whole. */
static bool add_member(struct json_writer *w, const struct tel_attr *attr)
{
	struct json_writer before = *w;
	size_t length = w->out->len;

	json_key(w, attr->key);
	bool whole = add_attr_value(w, attr);
	if (!w->out->failed)
		return whole;
	*w = before;
	w->out->len = length;
	w->out->failed = false;
	return false;
}

/* Writes a line but for its end. Returns false if something had to be cut. */
static bool write_members(struct buf *line, const struct log_record *r)
{
	const char *service = resource_service_name();
	struct json_writer w;
	bool whole = true;

	json_init(&w, line);
	json_begin_object(&w);
	add_time(&w, r->time_ns);
	json_key(&w, "level");
	json_text(&w, log_level_names[r->level]);
	json_key(&w, "service");
	whole &= add_text(&w, service, strlen(service));
	json_key(&w, "msg");
	whole &= add_text(&w, r->message, strlen(r->message));
	add_context(&w, &r->context);
	if (r->event_name) {
		struct tel_attr event = tel_lit("event", r->event_name);
		whole &= add_member(&w, &event);
	}
	for (size_t i = 0; i < r->count; i++)
		whole &= r->attrs[i].key && add_member(&w, &r->attrs[i]);
	return whole;
}

/* A line that the sink itself logs would come back to it for ever. */
static void give_line(const struct sink *sink, enum tel_level level, struct buf *line)
{
	static _Thread_local bool giving;

	if (giving || !atomic_load_explicit(&sinks_open, memory_order_relaxed)) {
		log_count_lines(0, 1);
		return;
	}
	line->data[--line->len] = '\0'; /* instead of the newline */
	giving = true;
	sink->take(sink->arg, level, line->data, line->len);
	giving = false;
	log_count_lines(1, 0);
}

static void put_line(const struct sink *sink, const struct log_record *record, char storage[LOG_LINE_MAX + 1])
{
	struct buf line;

	/* The line is kept shorter than its storage, so that the mark of a cut and the closing brace always fit. */
	buf_init_fixed(&line, storage, LOG_LINE_MAX + 1 - (sizeof(cut_end) - 1));
	bool whole = write_members(&line, record);
	buf_widen(&line, sizeof(cut_end) - 1);
	buf_adds(&line, whole ? whole_end : cut_end);
	if (sink->take)
		give_line(sink, record->level, &line);
	else
		log_file_add(line.data, line.len, record->level == TEL_LEVEL_ERROR);
}

static void check_keys(const struct tel_attr *attrs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!attrs[i].key)
			MISUSE("tel_log", "a key is NULL");
}

static struct log_record make_record(enum tel_level level, const char *message, const struct tel_attr *attrs,
				     size_t count)
{
	return (struct log_record){.time_ns = clock_realtime_ns(),
				   .level = level,
				   .message = message,
				   .context = tel_span_context(tel_span_current()),
				   .attrs = attrs,
				   .count = count};
}

static void put_record(const struct log_record *record)
{
	char storage[LOG_LINE_MAX + 1];

	put_line(&line_sink, record, storage);
	if (!export_takes_logs())
		return;
	struct buf encoded;
	buf_init_fixed(&encoded, storage, sizeof(storage));
	otlp_add_log_record(&encoded, record);
	export_log_record(encoded.data, encoded.len);
}

void tel_log(enum tel_level level, const char *message, const struct tel_attr *attrs, size_t count)
{
	if ((unsigned)level > TEL_LEVEL_ERROR) {
		MISUSE("tel_log", "there is no such level");
		return;
	}
	if (MISUSE_NULL(message && (attrs || !count), "tel_log") || level < least_level)
		return;
	check_keys(attrs, count);
	struct log_record record = make_record(level, message, attrs, count);
	put_record(&record);
}

void tel_event_attrs(const char *name, const struct tel_attr *attrs, size_t count)
{
	if (MISUSE_NULL(name && (attrs || !count), "tel_event"))
		return;
	if (!*name) {
		MISUSE("tel_event", "the name is empty");
		return;
	}
	if (TEL_LEVEL_INFO < least_level)
		return;
	check_keys(attrs, count);
	struct log_record record = make_record(TEL_LEVEL_INFO, name, attrs, count);
	record.event_name = name;
	put_record(&record);
}

void complain(enum tel_level level, const char *message, const struct tel_attr *attrs, size_t count)
{
	char storage[LOG_LINE_MAX + 1];

	if (level < least_complaint)
		return;
	struct log_record record = make_record(level, message, attrs, count);
	put_line(&complaint_sink, &record, storage);
}
