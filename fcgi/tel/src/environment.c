/* SPDX-License-Identifier: MIT */
/* The context in environment variables, between a process and its children. */
#include <stdlib.h>
#include <string.h>

#include "tel/src/misuse.h"
#include "tel/tel.h"

static const struct {
	const char *variable, *header;
} carried[] = {
	{"TRACEPARENT", "traceparent"},
	{"TRACESTATE", "tracestate"},
	{"BAGGAGE", "baggage"},
};

#define CARRIED (sizeof(carried) / sizeof(*carried))

void tel_parent_environment(struct tel_parent *parent)
{
	if (MISUSE_NULL(parent, "tel_parent_environment"))
		return;
	tel_parent_init(parent);
	for (size_t i = 0; i < CARRIED; i++) {
		const char *value = getenv(carried[i].variable);
		if (value)
			tel_parent_header(parent, carried[i].header, value);
	}
	tel_parent_end(parent);
}

static bool is_carried(const char *variable)
{
	for (size_t i = 0; i < CARRIED; i++) {
		size_t bytes = strlen(carried[i].variable);
		if (strncmp(variable, carried[i].variable, bytes) == 0 && variable[bytes] == '=')
			return true;
	}
	return false;
}

/* Room that is left, and what was made in it. */
struct environment {
	char **variables;
	size_t count, count_max;
	char *storage;
	size_t bytes;
	bool failed;
};

static void add_variable(struct environment *e, char *variable)
{
	if (e->count_max - e->count < 2) /* NULL is the last one */
		e->failed = true;
	else
		e->variables[e->count++] = variable;
}

static void make_variable(struct environment *e, const char *name, const char *value)
{
	size_t name_bytes = strlen(name), value_bytes = value ? strlen(value) : 0;

	if (!value_bytes)
		return;
	if (name_bytes + value_bytes + 2 > e->bytes) {
		e->failed = true;
		return;
	}
	char *text = e->storage;
	memcpy(text, name, name_bytes);
	text[name_bytes] = '=';
	memcpy(text + name_bytes + 1, value, value_bytes + 1);
	e->storage += name_bytes + value_bytes + 2;
	e->bytes -= name_bytes + value_bytes + 2;
	add_variable(e, text);
}

size_t tel_span_environment(const struct tel_span *span, char *const *inherited, char **variables, size_t count,
			    char *storage, size_t bytes)
{
	struct environment e = {.variables = variables, .count_max = count, .storage = storage, .bytes = bytes};
	struct tel_carrier carrier;

	if (MISUSE_NULL(span && variables && storage, "tel_span_environment") || !count)
		return 0;
	for (; inherited && *inherited && !e.failed; inherited++)
		if (!is_carried(*inherited))
			add_variable(&e, *inherited);
	tel_span_inject(span, &carrier);
	const char *values[CARRIED] = {carrier.traceparent, carrier.tracestate, carrier.baggage};
	for (size_t i = 0; i < CARRIED; i++)
		make_variable(&e, carried[i].variable, values[i]);
	if (e.failed)
		e.count = 0;
	variables[e.count] = NULL;
	return e.count;
}
