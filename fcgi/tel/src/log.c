/* SPDX-License-Identifier: MIT */
#include "tel/src/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/env.h"
#include "base/json_write.h"
#include "base/lock.h"
#include "tel/src/log_file.h"
#include "tel/src/misuse.h"
#include "tel/src/resource.h"
#include "tel/tel.h"

#define VALUE_MAX 4096 /* bytes of one value: one long text must not push the rest out of the line */

static const char *const level_names[] = {"debug", "info", "warn", "error", NULL};

ENV_SETTING(level_setting, .name = "LOG_LEVEL", .kind = ENV_CHOICE, .choices = level_names, .fallback = TEL_LEVEL_INFO);

static enum tel_level least_level = TEL_LEVEL_INFO;
static struct lock lock = {.fd = -1};

/* Two programs that write one file would cut each other's lines. */
static int start_file(const char *path)
{
	pid_t holder;
	int lock_error = lock_take(&lock, path, &holder);

	if (lock_error == -EBUSY) {
		fprintf(stderr, "%s: LOG_DIR: process %d writes %s: stop it, or give this program another LOG_DIR\n",
			program_invocation_short_name, (int)holder, path);
		return lock_error;
	}
	int error = log_file_start(path);
	if (error) {
		lock_release(&lock);
		fprintf(stderr, "%s: LOG_DIR: %s cannot be written: %s\n", program_invocation_short_name, path,
			strerror(-error));
	} else if (lock_error) {
		tel_warn("the log is not locked: another program may write it, too", tel_str("file", path),
			 tel_str("reason", strerror(-lock_error)));
	}
	return error;
}

int log_start(const char *name)
{
	const char *dir = env_string("LOG_DIR", NULL);
	char path[PATH_MAX];

	least_level = (enum tel_level)env_choice(&level_setting);
	if (!dir)
		return log_file_start(NULL);
	if (snprintf(path, sizeof(path), "%s/%s.log", dir, name) >= (int)sizeof(path)) {
		fprintf(stderr, "%s: LOG_DIR is too long\n", program_invocation_short_name);
		return -ENAMETOOLONG;
	}
	return start_file(path);
}

void log_stop(unsigned budget_ms)
{
	log_file_stop(budget_ms);
	lock_release(&lock);
}

/* ---- one line --------------------------------------------------------------------------------------------------- */

static const char cut_mark[] = ",\"truncated\":true";

static void add_time(struct json_writer *w)
{
	char text[CLOCK_RFC3339_SIZE];
	size_t length = clock_rfc3339(clock_realtime_ns(), 6, text);

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

/* A string value, cut to what the line has room for. False: it was cut. */
static bool add_text(struct json_writer *w, const char *text, size_t bytes)
{
	size_t room = w->out->max - w->out->len;

	room = room > 2 ? room - 2 : 0;
	return json_string_cut(w, text, bytes, room < VALUE_MAX ? room : VALUE_MAX);
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

/* Adds a member or, without room, nothing. False: it is not there as a whole. */
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

/* The room of `line` is less than its storage by what always has to fit: the mark and the end. */
static void build_line(struct buf *line, enum tel_level level, const char *message, const struct tel_attr *attrs,
		       size_t count)
{
	const char *service = resource_service_name();
	struct json_writer w;
	bool whole = true;

	json_init(&w, line);
	json_begin_object(&w);
	add_time(&w);
	json_key(&w, "level");
	json_text(&w, level_names[level]);
	json_key(&w, "service");
	whole &= add_text(&w, service, strlen(service));
	json_key(&w, "msg");
	whole &= add_text(&w, message, strlen(message));
	struct tel_context context = tel_span_context(tel_span_current());
	add_context(&w, &context);
	for (size_t i = 0; i < count; i++)
		whole &= attrs[i].key && add_member(&w, &attrs[i]);

	line->max = LOG_LINE_MAX;
	if (!whole)
		buf_adds(line, cut_mark);
	json_end_object(&w);
	buf_addc(line, '\n');
}

/* NOLINTNEXTLINE(misc-no-recursion): MISUSE logs, once, what is sound */
void tel_log(enum tel_level level, const char *message, const struct tel_attr *attrs, size_t count)
{
	char storage[LOG_LINE_MAX + 1];
	struct buf line;

	if ((unsigned)level > TEL_LEVEL_ERROR) {
		MISUSE("tel_log", "there is no such level");
		return;
	}
	if (MISUSE_NULL(message && (attrs || !count), "tel_log") || level < least_level)
		return;
	for (size_t i = 0; i < count; i++)
		if (!attrs[i].key)
			MISUSE("tel_log", "a key is NULL");
	buf_init_fixed(&line, storage, sizeof(storage));
	line.max = LOG_LINE_MAX - (sizeof(cut_mark) - 1) - 2;
	build_line(&line, level, message, attrs, count);
	log_file_add(line.data, line.len, level == TEL_LEVEL_ERROR);
}
