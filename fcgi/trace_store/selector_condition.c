/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "trace_store/selector_parser.h"

#define FIELDS                                                                                                         \
	"span. resource. event. link. instrumentation. or . before the name of an attribute, and name, kind, "         \
	"status, statusMessage, duration, rootName, rootServiceName, traceDuration"

/* Longer ones come before those that they begin with. */
static const struct {
	const char *text;
	enum selector_comparison comparison;
} comparisons[] = {
	{"!=", SELECT_NE},  {"<=", SELECT_LE}, {">=", SELECT_GE}, {"=~", SELECT_RE},
	{"!~", SELECT_NRE}, {"=", SELECT_EQ},  {"<", SELECT_LT},  {">", SELECT_GT},
};

/* ---- errors ---- */

static size_t word_length(const char *p)
{
	return strcspn(p, " \t\r\n=!<>&|{}()\"`~,^");
}

static void place(const struct selector_parser *r, const char *at, unsigned *line, unsigned *column)
{
	*line = *column = 1;
	for (const char *p = r->begin; p < at && *p; p++) {
		if (*p == '\n') {
			++*line;
			*column = 1;
		} else if ((*p & 0xc0) != 0x80) {
			++*column;
		}
	}
}

/* Returns the length of the word at `at` for an error, in whole characters. */
static size_t shown_length(const char *at)
{
	size_t len = word_length(at);

	if (*at == '"' || *at == '`')
		len = 1 + strcspn(at + 1, *at == '"' ? "\"" : "`") + 1;
	else if (len == 0)
		len = strspn(at, "=!<>&|~^");
	if (len == 0)
		len = 1;
	if (len > 40)
		for (len = 40; len && (at[len] & 0xc0) == 0x80;)
			len--;
	return strnlen(at, len);
}

bool selector_refuse(struct selector_parser *r, const char *at, const char *format, ...)
{
	char found[64], *out = r->error->text;
	size_t size = sizeof(r->error->text);
	unsigned line, column;
	va_list args;

	place(r, at, &line, &column);
	if (*at)
		snprintf(found, sizeof(found), "%.*s", (int)shown_length(at), at);
	else
		snprintf(found, sizeof(found), "%s", "the end of the query");
	int len = snprintf(out, size, "%s, line %u, column %u: found %s; ", r->what, line, column, found);
	if (len < 0 || (size_t)len >= size)
		return false;
	va_start(args, format);
	vsnprintf(out + len, size - (size_t)len, format, args);
	va_end(args);
	return false;
}

void selector_skip_space(struct selector_parser *r)
{
	r->p += strspn(r->p, " \t\r\n");
}

bool selector_starts_with(const struct selector_parser *r, const char *text)
{
	return strncmp(r->p, text, strlen(text)) == 0;
}

/* ---- a condition ---- */

static bool parse_attribute(struct selector_parser *r, struct selector_condition *c, size_t prefix)
{
	const char *at = r->p + prefix;

	if (*at == '"') {
		const char *after = selector_quoted(r->s, at, &c->key);
		if (!after)
			return selector_refuse(r, at, "the quote is not closed.");
		r->p = after;
	} else {
		c->key = selector_keep(r->s, at, word_length(at));
		r->p = at + word_length(at);
	}
	return c->key.len ? true : selector_refuse(r, at, "wanted the name of an attribute.");
}

static bool parse_field(struct selector_parser *r, struct selector_condition *c, enum selector_kind_of_value *kind)
{
	struct slice word = {r->p, word_length(r->p)};
	const struct selector_intrinsic_name *found = selector_find_intrinsic(word);
	size_t prefix = selector_scope(word, &c->field);

	*kind = SELECT_ANYTHING;
	if (prefix)
		return parse_attribute(r, c, prefix);
	if (found) {
		c->field = found->field;
		c->key = slice_of(strchr(found->text, ':') ? strchr(found->text, ':') + 1 : found->text);
		*kind = found->kind;
		r->p += word.len;
		return true;
	}
	if (selector_is_foreign(word))
		return selector_refuse(r, r->p, "TraceQL has it, but it is not known here. Known are " FIELDS ".");
	return selector_refuse(r, r->p, "wanted a field. Known are " FIELDS ".");
}

/* Call it where no name may begin: some of these characters may stand in one. */
static bool is_arithmetic(const char *p)
{
	return *p && strchr("+-*/%^", *p);
}

static bool parse_comparison(struct selector_parser *r, struct selector_condition *c)
{
	if (is_arithmetic(r->p))
		return selector_refuse(r, r->p, "arithmetic is not known here. Known are = != < <= > >= =~ !~.");
	for (size_t i = 0; i < sizeof(comparisons) / sizeof(*comparisons); i++) {
		if (selector_starts_with(r, comparisons[i].text)) {
			c->comparison = comparisons[i].comparison;
			r->p += strlen(comparisons[i].text);
			return true;
		}
	}
	return selector_refuse(r, r->p, "wanted a comparison after the field: = != < <= > >= =~ !~.");
}

static bool wrong_type(struct selector_parser *r, const char *at, enum selector_kind_of_value kind)
{
	switch (kind) {
	case SELECT_A_STATUS:
		return selector_refuse(r, at, "a status is compared with unset, ok or error, without quotes.");
	case SELECT_A_KIND:
		return selector_refuse(
			r, at,
			"a kind is compared with unspecified, internal, server, client, producer or consumer, "
			"without quotes.");
	case SELECT_A_DURATION:
		return selector_refuse(r, at, "a duration is wanted, such as 100ms or 1h30m, without quotes.");
	case SELECT_TEXT: return selector_refuse(r, at, "this field is compared with a text in quotes.");
	default:
		return selector_refuse(r, at,
				       "wanted a value: a text in quotes, a number, a duration, true, false or nil.");
	}
}

/* Returns false if there is no value, or one of another type than the field. */
static bool parse_value(struct selector_parser *r, struct selector_condition *c, enum selector_kind_of_value kind)
{
	const char *at = r->p, *after;
	struct slice word = {at, word_length(at)};

	if (*at == '"' || *at == '`') {
		if (!(after = selector_quoted(r->s, at, &c->value.text)))
			return selector_refuse(r, at, "the quote is not closed.");
		c->value.type = VALUE_STRING;
		r->p = after;
		return kind == SELECT_ANYTHING || kind == SELECT_TEXT ? true : wrong_type(r, at, kind);
	}
	r->p += word.len;
	if (kind == SELECT_A_STATUS || kind == SELECT_A_KIND) {
		return selector_find_name(c->field, word, &c->value) ? true : wrong_type(r, at, kind);
	}
	if (kind == SELECT_ANYTHING && slice_equal(word, slice_of("nil"))) {
		c->nil = true;
		return true;
	}
	if (kind == SELECT_ANYTHING && (slice_equal(word, slice_of("true")) || slice_equal(word, slice_of("false")))) {
		c->value = (struct value){.type = VALUE_BOOL, .number = *at == 't'};
		return true;
	}
	if (kind == SELECT_TEXT || !selector_number(word, &c->value))
		return wrong_type(r, at, kind);
	return true;
}

/* Refuses a comparison that the value does not know. */
static bool check_comparison(struct selector_parser *r, const char *at, const struct selector_condition *c,
			     enum selector_kind_of_value kind)
{
	bool equality = c->comparison == SELECT_EQ || c->comparison == SELECT_NE;
	bool pattern = c->comparison == SELECT_RE || c->comparison == SELECT_NRE;

	if (pattern && c->value.type != VALUE_STRING)
		return selector_refuse(r, at, "regular expressions are compared with a text in quotes.");
	if (!equality && (kind == SELECT_A_STATUS || kind == SELECT_A_KIND || c->nil || c->value.type == VALUE_BOOL))
		return selector_refuse(r, at, "this value can be compared by = and != only.");
	return true;
}

static bool parse_pattern(struct selector_parser *r, const char *at, struct selector_condition *c)
{
	const char *error;
	size_t offset;

	c->regex = regex_new(c->value.text, &error, &offset);
	/* the place is that of the quotes, because their escapes are gone from the text */
	return c->regex ? true
			: selector_refuse(r, at, "%s (after %zu bytes of the regular expression).", error, offset);
}

bool selector_add_step(struct selector_parser *r, uint8_t step)
{
	if (r->s->program_len == SELECTOR_PROGRAM_MAX)
		return selector_refuse(r, r->p, "the query has too many conditions.");
	r->s->program[r->s->program_len++] = step;
	return true;
}

bool selector_parse_condition(struct selector_parser *r)
{
	struct selector_condition c = {0};
	enum selector_kind_of_value kind;

	if (r->s->count == SELECTOR_CONDITIONS_MAX)
		return selector_refuse(r, r->p, "the query has more than %d conditions.", SELECTOR_CONDITIONS_MAX);
	if (!parse_field(r, &c, &kind))
		return false;
	selector_skip_space(r);
	const char *comparison = r->p;
	if (!parse_comparison(r, &c))
		return false;
	selector_skip_space(r);
	const char *value = r->p;
	if (!parse_value(r, &c, kind) || !check_comparison(r, comparison, &c, kind))
		return false;
	if ((c.comparison == SELECT_RE || c.comparison == SELECT_NRE) && !parse_pattern(r, value, &c))
		return false;
	r->s->conditions[r->s->count++] = c;
	selector_skip_space(r);
	if (is_arithmetic(r->p))
		return selector_refuse(r, r->p, "arithmetic is not known here.");
	return selector_add_step(r, (uint8_t)(r->s->count - 1));
}
