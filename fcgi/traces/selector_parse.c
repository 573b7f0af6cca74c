#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "traces/selector.h"

struct name {
	const char *text;
	unsigned number;
};

static const struct name fields[] = {
	{"name", SELECT_NAME},
	{"span:name", SELECT_NAME},
	{"kind", SELECT_KIND},
	{"span:kind", SELECT_KIND},
	{"status", SELECT_STATUS},
	{"span:status", SELECT_STATUS},
	{"duration", SELECT_DURATION},
	{"span:duration", SELECT_DURATION},
	{"rootName", SELECT_ROOT_NAME},
	{"trace:rootName", SELECT_ROOT_NAME},
	{"rootServiceName", SELECT_ROOT_SERVICE},
	{"trace:rootService", SELECT_ROOT_SERVICE},
	{"traceDuration", SELECT_TRACE_DURATION},
	{"trace:duration", SELECT_TRACE_DURATION},
	{NULL, 0},
};

static const struct name statuses[] = {{"unset", 0}, {"ok", 1}, {"error", 2}, {NULL, 0}};
static const struct name kinds[] = {{"unspecified", 0}, {"internal", 1}, {"server", 2}, {"client", 3},
				    {"producer", 4},    {"consumer", 5}, {NULL, 0}};

static const struct {
	const char *text;
	double ns;
} units[] = {{"ns", 1},  {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"ms", 1e6},
	     {"s", 1e9}, {"m", 60e9}, {"h", 3600e9},      {NULL, 0}};

/* ---- words ---- */

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

static bool find_name(const struct name *names, struct bytes text, unsigned *number)
{
	for (; names->text; names++) {
		if (bytes_equal(text, bytes_of(names->text))) {
			*number = names->number;
			return true;
		}
	}
	return false;
}

static size_t word_length(const char *p)
{
	return strcspn(p, " \t\r\n=!<>&|{}()\"`~,");
}

/* Copies into the selector's own text, which is as long as any query. */
static void keep_char(struct selector *s, struct bytes *out, char c)
{
	if (s->used < sizeof(s->text)) {
		s->text[s->used++] = c;
		out->len++;
	}
}

static struct bytes keep_word(struct selector *s, const char *p, size_t len)
{
	struct bytes out = {s->text + s->used, 0};

	for (size_t i = 0; i < len; i++)
		keep_char(s, &out, p[i]);
	return out;
}

/* "text" with \ before what is meant as it is, or `text`. NULL: it does not end. */
static const char *quoted(struct selector *s, const char *p, struct bytes *out)
{
	char quote = *p++;

	*out = (struct bytes){s->text + s->used, 0};
	for (; *p && *p != quote; p++) {
		if (*p == '\\' && quote == '"') {
			p++;
			if (*p == '\0')
				return NULL;
			keep_char(s, out, (char)(*p == 'n' ? '\n' : *p == 't' ? '\t' : *p));
		} else {
			keep_char(s, out, *p);
		}
	}
	return *p ? p + 1 : NULL;
}

/* ---- numbers ---- */

static bool find_unit(const char *p, size_t len, double *ns)
{
	for (size_t i = 0; units[i].text; i++) {
		if (strlen(units[i].text) == len && memcmp(units[i].text, p, len) == 0) {
			*ns = units[i].ns;
			return true;
		}
	}
	return false;
}

/* A number, or a sum of numbers with units of time (in ns). False: neither. */
static bool parse_number(const char *p, size_t len, double *out)
{
	const char *end = p + len;
	double sum = 0, unit;

	while (p < end) {
		size_t digits = strspn(p, "0123456789.");
		size_t sign = *p == '-' && p + len == end;
		char *after;

		if (sign)
			digits = strspn(p + 1, "0123456789.") + 1;
		double number = strtod(p, &after);
		if (digits == sign || after != p + digits || after > end)
			return false;
		p = after;
		if (p == end)
			return sum == 0 ? (*out = number, true) : false;
		size_t letters = 0;
		while (p + letters < end && !isdigit((unsigned char)p[letters]))
			letters++;
		if (!find_unit(p, letters, &unit))
			return false;
		sum += number * unit;
		p += letters;
	}
	*out = sum;
	return len > 0;
}

bool selector_duration(const char *text, uint64_t *ns)
{
	double value;

	if (*text == '-' || strlen(text) > 32 || !parse_number(text, strlen(text), &value) || value > 1e18)
		return false;
	*ns = (uint64_t)value;
	return true;
}

/* ---- TraceQL ---- */

static const char *parse_field(struct selector *s, const char *p, struct selector_condition *c)
{
	static const struct {
		const char *prefix;
		enum selector_field field;
	} scopes[] = {{"resource.", SELECT_RESOURCE}, {"span.", SELECT_SPAN}, {".", SELECT_ATTRIBUTE}};
	unsigned number;

	for (size_t i = 0; i < sizeof(scopes) / sizeof(*scopes); i++) {
		size_t len = strlen(scopes[i].prefix);
		if (strncmp(p, scopes[i].prefix, len) != 0)
			continue;
		c->field = scopes[i].field;
		if (p[len] == '"')
			return quoted(s, p + len, &c->key);
		c->key = keep_word(s, p + len, word_length(p + len));
		return c->key.len ? p + len + c->key.len : NULL;
	}
	size_t len = word_length(p);
	if (!find_name(fields, (struct bytes){p, len}, &number))
		return NULL;
	c->field = (enum selector_field)number;
	return p + len;
}

static const char *parse_operator(const char *p, enum selector_operator *out)
{
	static const struct name operators[] = {{"!=", SELECT_NE}, {"<=", SELECT_LE}, {">=", SELECT_GE},
						{"=", SELECT_EQ},  {"<", SELECT_LT},  {">", SELECT_GT}};

	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++) {
		size_t len = strlen(operators[i].text);
		if (strncmp(p, operators[i].text, len) == 0 && p[len] != '~') {
			*out = (enum selector_operator)operators[i].number;
			return p + len;
		}
	}
	return NULL;
}

static const char *parse_value(struct selector *s, const char *p, struct selector_condition *c)
{
	if (*p == '"' || *p == '`') {
		c->value.type = VALUE_STRING;
		return quoted(s, p, &c->value.text);
	}
	size_t len = word_length(p);
	struct bytes word = {p, len};
	unsigned number;
	bool named = c->field == SELECT_STATUS ? find_name(statuses, word, &number)
					       : c->field == SELECT_KIND && find_name(kinds, word, &number);
	if (named) {
		c->value = (struct value){.type = VALUE_NUMBER, .number = number};
	} else if (bytes_equal(word, bytes_of("true")) || bytes_equal(word, bytes_of("false"))) {
		c->value = (struct value){.type = VALUE_BOOL, .number = *p == 't'};
	} else {
		c->value.type = VALUE_NUMBER;
		if (c->field == SELECT_STATUS || c->field == SELECT_KIND || !parse_number(p, len, &c->value.number))
			return NULL;
	}
	return p + len;
}

static const char *parse_condition(struct selector *s, const char *p, const char **error)
{
	struct selector_condition c = {0};

	if (s->count == SELECTOR_CONDITIONS_MAX) {
		*error = "q has too many conditions.";
		return NULL;
	}
	*error = "q names a field that is not known here.";
	if (!(p = parse_field(s, p, &c)))
		return NULL;
	*error = "q has an operator that is not known here: = != < <= > >= and && are.";
	if (!(p = parse_operator(skip_space(p), &c.operator)))
		return NULL;
	*error = "q has a value that is not known here.";
	if (!(p = parse_value(s, skip_space(p), &c)))
		return NULL;
	s->conditions[s->count++] = c;
	return skip_space(p);
}

bool selector_parse(struct selector *s, const char *query, const char **error)
{
	const char *p = skip_space(query);

	s->count = s->used = 0;
	s->each_alone = false;
	if (*p == '\0')
		return true;
	*error = "q must be of the form {…}.";
	if (strlen(query) >= SELECTOR_TEXT_MAX || *p++ != '{')
		return false;
	p = skip_space(p);
	for (bool more = *p != '}'; more;) {
		if (!(p = parse_condition(s, p, error)))
			return false;
		more = strncmp(p, "&&", 2) == 0;
		if (more)
			p = skip_space(p + 2);
	}
	*error = "q must have its conditions joined by && and end in }.";
	if (*p != '}')
		return false;
	*error = "q must end after }: pipelines are not known here.";
	return *skip_space(p + 1) == '\0';
}

/* ---- tags ---- */

static void set_tag(struct selector_condition *c, struct bytes key)
{
	unsigned number;

	if (bytes_equal(key, bytes_of("name"))) {
		c->field = SELECT_NAME;
	} else if (bytes_equal(key, bytes_of("root.name"))) {
		c->field = SELECT_ROOT_NAME;
	} else if (bytes_equal(key, bytes_of("root.service.name"))) {
		c->field = SELECT_ROOT_SERVICE;
	} else if (bytes_equal(key, bytes_of("error")) && bytes_equal(c->value.text, bytes_of("true"))) {
		c->field = SELECT_STATUS;
		c->value = (struct value){.type = VALUE_NUMBER, .number = 2};
	} else if (bytes_equal(key, bytes_of("status")) && find_name(statuses, c->value.text, &number)) {
		c->field = SELECT_STATUS;
		c->value = (struct value){.type = VALUE_NUMBER, .number = number};
	}
}

bool selector_parse_tags(struct selector *s, const char *tags, const char **error)
{
	s->count = s->used = 0;
	s->each_alone = true;
	*error = "tags must be of the form key=value.";
	if (strlen(tags) >= SELECTOR_TEXT_MAX)
		return false;
	for (const char *p = skip_space(tags); *p; p = skip_space(p)) {
		struct selector_condition c = {.value.type = VALUE_STRING, .loose = true};
		size_t len = strcspn(p, " \t\r\n=");

		if (len == 0 || p[len] != '=' || s->count == SELECTOR_CONDITIONS_MAX)
			return false;
		c.key = keep_word(s, p, len);
		p += len + 1;
		if (*p == '"') {
			if (!(p = quoted(s, p, &c.value.text)))
				return false;
		} else {
			len = strcspn(p, " \t\r\n");
			c.value.text = keep_word(s, p, len);
			p += len;
		}
		set_tag(&c, c.key);
		s->conditions[s->count++] = c;
	}
	return true;
}
