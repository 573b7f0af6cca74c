/* SPDX-License-Identifier: MIT */
#include "http/form.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/c_locale.h"
#include "base/utf8.h"
#include "http/json_body.h"

#define EMAIL_MAX 254

static const char unknown_field[] = "is not a field of this request";

/* ---- faults ---- */

/* RFC 6901 section 6: the pointer escapes ~ and /, and the fragment every character that RFC 3986 does not allow. */
static void add_escaped(struct form_error *error, const char *prefix, const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._!$&'()*+,;=:@?";
	char *out = error->pointer, *end = out + sizeof(error->pointer);
	size_t left = strlen(name);

	out += snprintf(out, (size_t)(end - out), "%s", prefix);
	while (left) {
		size_t len = utf8_sequence(name, left);
		char piece[13] = "";

		if (*name == '~')
			strcpy(piece, "~0");
		else if (*name == '/')
			strcpy(piece, "~1");
		else if (len == 1 && strchr(allowed, *name))
			piece[0] = *name;
		else
			for (size_t i = 0; i < len; i++)
				snprintf(piece + 3 * i, 4, "%%%02X", (unsigned char)name[i]);
		if (len == 0 || (size_t)(end - out) <= strlen(piece))
			break; /* cut between characters */
		out = stpcpy(out, piece);
		name += len;
		left -= len;
	}
}

static void add_fault(struct form *form, const char *prefix, const char *name, const char *detail)
{
	if (form->error_count == FORM_ERRORS_MAX)
		return;
	struct form_error *error = &form->errors[form->error_count++];
	error->detail = detail;
	add_escaped(error, prefix, name);
}

static void form_fault(struct form *form, const char *name, const char *detail)
{
	add_fault(form, form->is_query ? "?" : "#/", name, detail);
}

/* ---- sources ---- */

static void form_init(struct form *form, struct request *req, struct reply *reply)
{
	form->req = req;
	form->reply = reply;
	form->object = NULL;
	form->is_query = false;
	form->field_count = 0;
	form->error_count = 0;
	form->status = 0;
	form->detail = NULL;
	form->query_used = 0;
}

void form_body(struct form *form, struct request *req, struct reply *reply)
{
	struct json_fault fault = {0};

	form_init(form, req, reply);
	if (req->body_too_large) {
		fault = (struct json_fault){413, "The body is larger than 64 KiB."};
	} else if (!json_body_type(req->content_type)) {
		fault = (struct json_fault){415, "Send the body as application/json."};
		/* RFC 9110 section 15.5.16; RFC 5789 section 2.2 */
		reply_header(reply, strcmp(req->method, "PATCH") == 0 ? "Accept-Patch" : "Accept", "application/json");
	} else {
		json_body_free(req->json);
		form->object = req->json = json_body_parse(req->body, req->body_len, &fault);
	}
	form->status = fault.status;
	form->detail = fault.detail;
	if (fault.status == 422)
		add_fault(form, "#", "", fault.detail);
}

void form_query(struct form *form, struct request *req, struct reply *reply)
{
	form_init(form, req, reply);
	form->is_query = true;
}

/* Returns false if the parameter cannot be read, and notes the fault. */
static bool take_from_query(struct form *form, const char *name, struct json_member *out)
{
	char *text = form->query + form->query_used;
	size_t room = sizeof(form->query) - form->query_used;
	int found = request_query(form->req, name, text, room < FORM_QUERY_VALUE_MAX ? room : FORM_QUERY_VALUE_MAX);

	*out = (struct json_member){.kind = JSON_ABSENT};
	if (found == 0)
		return true;
	if (found < 0 || !utf8_valid(text, strlen(text))) {
		form_fault(form, name, found < 0 ? "is too long or badly encoded" : "must be valid UTF-8");
		return false;
	}
	*out = (struct json_member){.kind = JSON_STRING, .text = {text, strlen(text)}};
	form->query_used += out->text.len + 1;
	return true;
}

/* Returns true if there is a value to look at. */
static bool take(struct form *form, const char *name, enum form_need need, struct json_member *out)
{
	if (form->status)
		return false;
	assert(form->field_count < FORM_FIELDS_MAX);
	form->fields[form->field_count++] = name;

	if (!form->is_query)
		*out = json_body_member(form->object, name);
	else if (!take_from_query(form, name, out))
		return false;
	if (out->kind == JSON_ABSENT && need == FORM_REQUIRED)
		form_fault(form, name, "is required");
	return out->kind != JSON_ABSENT;
}

/* ---- fields ---- */

static bool take_text(struct form *form, const char *name, enum form_need need, struct slice *out)
{
	struct json_member value;

	if (!take(form, name, need, &value))
		return false;
	if (value.kind != JSON_STRING) {
		form_fault(form, name, "must be a string");
		return false;
	}
	if (utf8_has_control(value.text.data, value.text.len)) {
		form_fault(form, name, "must not contain control characters");
		return false;
	}
	*out = value.text;
	return true;
}

void form_text(struct form *form, const char *name, enum form_need need, size_t min, size_t max, struct slice *out)
{
	struct slice text;

	*out = (struct slice){0};
	if (!take_text(form, name, need, &text))
		return;
	size_t characters = utf8_length(text.data, text.len);
	if (characters < min)
		form_fault(form, name, characters ? "is too short" : "must not be empty");
	else if (characters > max)
		form_fault(form, name, "is too long");
	else
		*out = text;
}

/* Looks for Unicode's White_Space, without the control characters, which no text may have. */
static bool has_white_space(const struct slice *text)
{
	static const char *const spaces[] = {" ", "\u00a0", "\u1680", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"};

	for (size_t i = 0; i < sizeof(spaces) / sizeof(*spaces); i++)
		if (strstr(text->data, spaces[i]))
			return true;
	for (const char *s = text->data; (s = strstr(s, "\xe2\x80")); s += 2) /* U+2000 to U+200A */
		if ((unsigned char)s[2] >= 0x80 && (unsigned char)s[2] <= 0x8a)
			return true;
	return false;
}

void form_email(struct form *form, const char *name, enum form_need need, struct slice *out)
{
	struct slice text;

	*out = (struct slice){0};
	if (!take_text(form, name, need, &text))
		return;
	const char *at = strchr(text.data, '@');
	if (text.len > EMAIL_MAX)
		form_fault(form, name, "is longer than 254 bytes");
	else if (!at || at == text.data || at[1] == '\0' || strchr(at + 1, '@') || has_white_space(&text))
		form_fault(form, name, "must be an e-mail address such as a@b");
	else
		*out = text;
}

void form_choice(struct form *form, const char *name, enum form_need need, const char *const *words, const char **out)
{
	struct slice text;

	if (!take_text(form, name, need, &text))
		return;
	for (; *words; words++) {
		if (strcmp(text.data, *words) == 0) {
			*out = *words;
			return;
		}
	}
	form_fault(form, name, "is not one of the allowed values");
}

/* Reads decimal digits, perhaps with a sign; 18 of them cannot overflow. */
static bool parse_integer(const char *text, int64_t *out)
{
	const char *digits = text + (*text == '-');
	size_t count = strspn(digits, "0123456789");

	if (count == 0 || count > 18 || digits[count])
		return false;
	*out = strtoll(text, NULL, 10);
	return true;
}

void form_int(struct form *form, const char *name, enum form_need need, int64_t min, int64_t max, int64_t *out)
{
	struct json_member value;

	if (!take(form, name, need, &value))
		return;
	if (form->is_query ? !parse_integer(value.text.data, &value.integer) : value.kind != JSON_INTEGER)
		form_fault(form, name, "must be an integer");
	else if (value.integer < min || value.integer > max)
		form_fault(form, name, "is out of range");
	else
		*out = value.integer;
}

void form_hundredths(struct form *form, const char *name, enum form_need need, int64_t min, int64_t max, int64_t *out)
{
	struct json_member value;
	char text[32];

	assert(!form->is_query);
	if (!take(form, name, need, &value))
		return;
	if (value.kind != JSON_INTEGER && value.kind != JSON_FRACTION) {
		form_fault(form, name, "must be a number");
		return;
	}
	double number = value.number;
	/* This is not (a || b), since any comparison with NaN is false. */
	if (!(number >= (double)min / 100 && number <= (double)max / 100)) {
		form_fault(form, name, "is out of range");
		return;
	}
	long long hundredths = llround(number * 100);
	snprintf(text, sizeof(text), "%s%lld.%02lld", hundredths < 0 ? "-" : "", llabs(hundredths) / 100,
		 llabs(hundredths) % 100);
	if (c_locale_strtod(text, NULL) != number)
		form_fault(form, name, "must have two decimals at most");
	else
		*out = hundredths;
}

void form_page(struct form *form, struct page *out)
{
	struct slice cursor = {0};

	*out = (struct page){.limit = 20};
	form_int(form, "limit", FORM_OPTIONAL, 1, 100, &out->limit);
	form_text(form, "cursor", FORM_OPTIONAL, 1, PAGE_CURSOR_SIZE, &cursor);
	if (cursor.data && !page_cursor_parse(cursor.data, &out->cursor))
		form_fault(form, "cursor", "is not a cursor of this list");
}

/* ---- the end ---- */

static bool is_known(const struct form *form, const char *name)
{
	for (size_t i = 0; i < form->field_count; i++)
		if (strcmp(form->fields[i], name) == 0)
			return true;
	return false;
}

static void refuse_unknown(void *form, const char *name)
{
	if (!is_known(form, name))
		form_fault(form, name, unknown_field);
}

static void write_problem(struct form *form)
{
	struct reply *reply = form->reply;
	const struct form_error *first = &form->errors[0];
	char detail[256];

	if (form->error_count == 0)
		snprintf(detail, sizeof(detail), "%s", form->detail);
	else
		snprintf(detail, sizeof(detail), "%s %s%s", first->pointer, first->detail,
			 form->error_count > 1 ? ", and more is wrong: see errors." : ".");
	reply_problem_start(reply, form->status ? form->status : 422, detail);
	if (form->error_count) {
		json_key(&reply->json, "errors");
		json_begin_array(&reply->json);
		for (size_t i = 0; i < form->error_count; i++) {
			json_begin_object(&reply->json);
			json_member_text(&reply->json, "pointer", form->errors[i].pointer);
			json_member_text(&reply->json, "detail", form->errors[i].detail);
			json_end_object(&reply->json);
		}
		json_end_array(&reply->json);
		/* The name of an unknown field is the client's text, and stays out of the log. */
		if (first->detail == unknown_field)
			snprintf(reply->reason, sizeof(reply->reason), "an unknown field");
	}
	reply_problem_end(reply);
}

bool form_end(struct form *form)
{
	if (form->object)
		json_body_names(form->object, refuse_unknown, form);
	if (!form->status && form->error_count == 0)
		return true;
	write_problem(form);
	return false;
}

void form_refuse(struct form *form, const char *name, const char *detail)
{
	form_fault(form, name, detail);
	write_problem(form);
}
