/* SPDX-License-Identifier: MIT */
/*
 * The headers that carry a trace across process boundaries: traceparent and tracestate (W3C Trace Context level 2,
 * sections 3.2 and 3.3) and baggage (W3C Baggage, section 3.3).
 */
#include "tel/src/context.h"

#include <string.h>

#include "base/hex.h"
#include "base/slice.h"
#include "tel/src/misuse.h"
#include "tel/src/probability.h"
#include "tel/tel.h"

#define TRACESTATE_MEMBERS_MAX 32
#define TRACESTATE_KEY_MAX 256
#define TRACESTATE_VALUE_MAX 256
#define TRACESTATE_LONG_MEMBER 128 /* of a too long list the longer ones go first (section 3.3.1.5) */
#define BAGGAGE_MEMBERS_MAX 64

_Static_assert(TEL_TRACESTATE_MAX >= TRACESTATE_MEMBERS_MAX * (TRACESTATE_LONG_MEMBER + 1) - 1,
	       "what is left without the long members fits");

static unsigned propagators = PROPAGATE_TRACECONTEXT | PROPAGATE_BAGGAGE;

bool context_propagates(unsigned headers)
{
	return propagators & headers;
}

void context_configure(unsigned chosen)
{
	propagators = chosen;
}

static bool is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool all_zero(const uint8_t *id, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (id[i])
			return false;
	return true;
}

/* ---- traceparent ---- */

static bool parse_traceparent(struct slice text, struct parent *p)
{
	const char *s = text.data;
	uint8_t version, trace_id[16], span_id[8], flags;

	if (text.len < TEL_TRACEPARENT_LENGTH || s[2] != '-' || s[35] != '-' || s[52] != '-')
		return false;
	if (!hex_decode(s, 1, &version) || !hex_decode(s + 3, 16, trace_id) || !hex_decode(s + 36, 8, span_id) ||
	    !hex_decode(s + 53, 1, &flags))
		return false;
	if (version == 0xff || all_zero(trace_id, 16) || all_zero(span_id, 8))
		return false;
	/* later versions may add fields; a comma is two headers that a proxy joined */
	if (text.len > TEL_TRACEPARENT_LENGTH &&
	    (version == 0 || s[TEL_TRACEPARENT_LENGTH] != '-' || memchr(s, ',', text.len)))
		return false;

	memcpy(p->trace_id, trace_id, 16);
	memcpy(p->span_id, span_id, 8);
	p->flags = flags & (TEL_SAMPLED | TEL_RANDOM);
	return true;
}

static void add_traceparent(struct parent *p, struct slice value)
{
	p->traceparents++;
	p->valid = p->traceparents == 1 && parse_traceparent(value, p);
}

/* ---- tracestate ---- */

static bool tracestate_key_valid(struct slice key)
{
	if (key.len == 0 || key.len > TRACESTATE_KEY_MAX || !is_lower_or_digit(key.data[0]))
		return false;
	for (size_t i = 1; i < key.len; i++)
		if (!is_lower_or_digit(key.data[i]) && !memchr("_-*/@", key.data[i], 5))
			return false;
	return true;
}

static bool tracestate_value_valid(struct slice value)
{
	if (value.len == 0 || value.len > TRACESTATE_VALUE_MAX)
		return false;
	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] < ' ' || value.data[i] > '~' || value.data[i] == '=')
			return false;
	return true;
}

static bool tracestate_member_valid(struct slice member)
{
	const char *equals = memchr(member.data, '=', member.len);
	if (!equals)
		return false;
	size_t key_bytes = (size_t)(equals - member.data);
	return tracestate_key_valid((struct slice){member.data, key_bytes}) &&
	       tracestate_value_valid((struct slice){equals + 1, member.len - key_bytes - 1});
}

/* Appends to the comma-separated `list`; false: no room. */
static bool append_member(char *list, size_t max, struct slice part)
{
	size_t bytes = strlen(list);

	if (bytes + (bytes > 0) + part.len > max)
		return false;
	if (bytes)
		list[bytes++] = ',';
	memcpy(list + bytes, part.data, part.len);
	list[bytes + part.len] = '\0';
	return true;
}

static void drop_long_members(char *tracestate)
{
	struct slice rest = {tracestate, strlen(tracestate)}, member;
	char *end = tracestate;

	while (slice_take_trimmed(&rest, ',', &member)) {
		if (member.len > TRACESTATE_LONG_MEMBER)
			continue;
		if (end != tracestate)
			*end++ = ',';
		memmove(end, member.data, member.len);
		end += member.len;
	}
	*end = '\0';
}

static void append_tracestate(struct parent *p, struct slice member)
{
	if (!p->tracestate_cut) {
		if (append_member(p->tracestate, TEL_TRACESTATE_MAX, member))
			return;
		p->tracestate_cut = true;
		drop_long_members(p->tracestate);
	}
	if (member.len <= TRACESTATE_LONG_MEMBER)
		append_member(p->tracestate, TEL_TRACESTATE_MAX, member);
}

static void add_tracestate(struct parent *p, struct slice rest)
{
	struct slice member;

	while (!p->tracestate_broken && slice_take_trimmed(&rest, ',', &member)) {
		if (member.len == 0) /* empty members are allowed (section 3.3.1.1) */
			continue;
		if (++p->tracestate_members > TRACESTATE_MEMBERS_MAX || !tracestate_member_valid(member))
			p->tracestate_broken = true;
		else
			append_tracestate(p, member);
	}
}

/* ---- baggage ---- */

static bool is_baggage_value(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] <= ' ' || s.data[i] > '~' || strchr("\",;\\", s.data[i]))
			return false;
	return true;
}

/* key OWS "=" OWS value; of a property (after ";") the key may stand alone. */
static bool baggage_pair_valid(struct slice pair, bool property)
{
	const char *equals = memchr(pair.data, '=', pair.len);
	if (!equals)
		return property && slice_is_token(pair);
	size_t key_bytes = (size_t)(equals - pair.data);
	return slice_is_token(slice_trim((struct slice){pair.data, key_bytes})) &&
	       is_baggage_value(slice_trim((struct slice){equals + 1, pair.len - key_bytes - 1}));
}

static bool baggage_member_valid(struct slice member)
{
	struct slice pair;
	bool property = false;

	for (; slice_take_trimmed(&member, ';', &pair); property = true)
		if (!baggage_pair_valid(pair, property))
			return false;
	return true;
}

static void add_baggage(struct parent *p, struct slice value)
{
	struct slice rest = value, member;

	while (!p->baggage_broken && slice_take_trimmed(&rest, ',', &member)) {
		if (member.len == 0)
			continue;
		if (++p->baggage_members > BAGGAGE_MEMBERS_MAX || !baggage_member_valid(member) ||
		    !append_member(p->baggage, TEL_BAGGAGE_MAX, member))
			p->baggage_broken = true;
	}
}

/* ---- public ---- */

void tel_parent_init(struct tel_parent *parent)
{
	struct parent *p = parent_of(parent);

	if (MISUSE_NULL(p, "tel_parent_init"))
		return;
	/* not the whole: the texts are 12 KiB */
	memset(p, 0, offsetof(struct parent, tracestate));
	p->tracestate[0] = '\0';
	p->baggage[0] = '\0';
}

void tel_parent_header(struct tel_parent *parent, const char *name, const char *value)
{
	struct parent *p = parent_of(parent);

	if (MISUSE_NULL(p && name && value, "tel_parent_header"))
		return;
	struct slice text = slice_trim((struct slice){value, strlen(value)});
	bool tracecontext = propagators & PROPAGATE_TRACECONTEXT;
	if (tracecontext && strcmp(name, "traceparent") == 0)
		add_traceparent(p, text);
	else if (tracecontext && strcmp(name, "tracestate") == 0)
		add_tracestate(p, text);
	else if (propagators & PROPAGATE_BAGGAGE && strcmp(name, "baggage") == 0)
		add_baggage(p, text);
}

void tel_parent_end(struct tel_parent *parent)
{
	struct parent *p = parent_of(parent);

	if (MISUSE_NULL(p, "tel_parent_end"))
		return;
	if (!p->valid || p->tracestate_broken)
		p->tracestate[0] = '\0';
	if (p->baggage_broken)
		p->baggage[0] = '\0';
}

void tel_parent_forget_threshold(struct tel_parent *parent)
{
	if (!MISUSE_NULL(parent, "tel_parent_forget_threshold"))
		probability_erase_threshold(parent_of(parent)->tracestate);
}

bool tel_context_valid(struct tel_context context)
{
	return !all_zero(context.trace_id, sizeof(context.trace_id));
}

struct tel_context tel_parent_context(const struct tel_parent *parent)
{
	const struct parent *p = const_parent_of(parent);
	struct tel_context context = {.flags = 0};

	if (!MISUSE_NULL(p, "tel_parent_context") && p->valid) {
		memcpy(context.trace_id, p->trace_id, sizeof(context.trace_id));
		memcpy(context.span_id, p->span_id, sizeof(context.span_id));
		context.flags = p->flags;
	}
	return context;
}
