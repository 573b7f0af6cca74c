/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "trace_store/schema.h"
#include "trace_store/selector_parser.h"

#define DEPTH_MAX 16 /* of parentheses */

/* ---- what joins conditions ---- */

static bool parse_any_of(struct selector_parser *r);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as DEPTH_MAX */
static bool parse_one(struct selector_parser *r)
{
	const char *at = r->p;
	bool negated = *at == '!';

	if (!negated && *at != '(')
		return selector_parse_condition(r);
	if (++r->depth > DEPTH_MAX)
		return selector_refuse(r, at, "the query is nested too deeply.");
	r->p++;
	selector_skip_space(r);
	if (negated) {
		if (*r->p != '(')
			return selector_refuse(r, r->p, "wanted ( after !.");
		if (!parse_one(r) || !selector_add_step(r, SELECT_NOT))
			return false;
	} else {
		if (!parse_any_of(r))
			return false;
		if (*r->p != ')')
			return selector_refuse(r, r->p, "wanted ) or && or ||.");
		r->p++;
		selector_skip_space(r);
	}
	r->depth--;
	return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as DEPTH_MAX */
static bool parse_all_of(struct selector_parser *r)
{
	if (!parse_one(r))
		return false;
	while (selector_starts_with(r, "&&")) {
		r->p += 2;
		selector_skip_space(r);
		if (!parse_one(r) || !selector_add_step(r, SELECT_AND))
			return false;
	}
	return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as DEPTH_MAX */
static bool parse_any_of(struct selector_parser *r)
{
	if (!parse_all_of(r))
		return false;
	while (selector_starts_with(r, "||")) {
		r->p += 2;
		selector_skip_space(r);
		if (!parse_all_of(r) || !selector_add_step(r, SELECT_OR))
			return false;
	}
	return true;
}

static bool parse_rest(struct selector_parser *r)
{
	static const char *const structural[] = {"&>>", "&<<", "&>", "&<", "&~", "!>>", "!<<", "!>",
						 "!<",  "!~",  ">>", "<<", ">",  "<",   "~"};

	selector_skip_space(r);
	if (*r->p == '\0')
		return true;
	if (selector_starts_with(r, "&&") || selector_starts_with(r, "||"))
		return selector_refuse(r, r->p, "&& and || between span sets are not known here, only within one {…}.");
	if (*r->p == '|')
		return selector_refuse(
			r, r->p,
			"pipelines such as | count() > 2, | select(…) and | rate() are not known here: a query ends "
			"after }.");
	if (selector_starts_with(r, "with"))
		return selector_refuse(r, r->p, "hints by with(…) are not known here: a query ends after }.");
	for (size_t i = 0; i < sizeof(structural) / sizeof(*structural); i++)
		if (selector_starts_with(r, structural[i]))
			return selector_refuse(r, r->p, "structural operators such as >> and ~ are not known here.");
	return selector_refuse(r, r->p, "a query ends after }.");
}

static void begin(struct selector *s, bool each_alone)
{
	s->count = s->used = s->program_len = 0;
	s->each_alone = each_alone;
}

bool selector_parse(struct selector *s, const char *query, struct selector_error *error)
{
	struct selector_parser r = {.s = s, .what = "TraceQL", .begin = query, .p = query, .error = error};

	begin(s, false);
	selector_skip_space(&r);
	if (*r.p == '\0')
		return true;
	if (strlen(query) >= SELECTOR_TEXT_MAX)
		return selector_refuse(&r, query + strlen(query), "the query has more than %d bytes.",
				       SELECTOR_TEXT_MAX - 1);
	if (*r.p != '{')
		return selector_refuse(&r, r.p, "a query is one span set here: {, conditions, }.");
	r.p++;
	selector_skip_space(&r);
	if (*r.p != '}' && !parse_any_of(&r))
		return false;
	if (*r.p != '}')
		return selector_refuse(&r, r.p, "wanted }, && or ||.");
	r.p++;
	return parse_rest(&r);
}

/* ---- tags ---- */

static void set_tag(struct selector_condition *c, struct slice key)
{
	if (slice_equal(key, slice_of("name"))) {
		c->field = SELECT_NAME;
	} else if (slice_equal(key, slice_of("root.name"))) {
		c->field = SELECT_ROOT_NAME;
	} else if (slice_equal(key, slice_of("root.service.name"))) {
		c->field = SELECT_ROOT_SERVICE;
	} else if (slice_equal(key, slice_of("error")) && slice_equal(c->value.text, slice_of("true"))) {
		c->field = SELECT_STATUS;
		c->value = (struct value){.type = VALUE_NUMBER, .number = OTLP_STATUS_CODE_ERROR};
	} else if (slice_equal(key, slice_of("status")) &&
		   selector_find_name(SELECT_STATUS, c->value.text, &c->value)) {
		c->field = SELECT_STATUS;
	}
}

static bool parse_tag(struct selector_parser *r)
{
	struct selector_condition c = {.value.type = VALUE_STRING, .loose = true};
	size_t len = strcspn(r->p, " \t\r\n=");

	if (len == 0 || r->p[len] != '=')
		return selector_refuse(r, r->p, "tags are key=value, with spaces between them.");
	if (r->s->count == SELECTOR_CONDITIONS_MAX)
		return selector_refuse(r, r->p, "there are more than %d tags.", SELECTOR_CONDITIONS_MAX);
	c.key = selector_keep(r->s, r->p, len);
	r->p += len + 1;
	if (*r->p == '"') {
		const char *after = selector_quoted(r->s, r->p, &c.value.text);
		if (!after)
			return selector_refuse(r, r->p, "the quote is not closed.");
		r->p = after;
	} else {
		len = strcspn(r->p, " \t\r\n");
		c.value.text = selector_keep(r->s, r->p, len);
		r->p += len;
	}
	set_tag(&c, c.key);
	r->s->conditions[r->s->count++] = c;
	selector_skip_space(r);
	return true;
}

bool selector_parse_tags(struct selector *s, const char *tags, struct selector_error *error)
{
	struct selector_parser r = {.s = s, .what = "tags", .begin = tags, .p = tags, .error = error};

	begin(s, true);
	if (strlen(tags) >= SELECTOR_TEXT_MAX)
		return selector_refuse(&r, tags + strlen(tags), "there are more than %d bytes.", SELECTOR_TEXT_MAX - 1);
	selector_skip_space(&r);
	while (*r.p)
		if (!parse_tag(&r))
			return false;
	return true;
}

void selector_done(struct selector *s)
{
	for (size_t i = 0; i < s->count; i++) {
		regex_free(s->conditions[i].regex);
		s->conditions[i].regex = NULL;
	}
	s->count = 0;
}
