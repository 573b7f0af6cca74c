/* SPDX-License-Identifier: MIT */
#include "trace_store/schema_from_json.h"

#include <string.h>

#include "base/hex.h"
#include "base/json_lex.h"
#include "trace_store/json_number.h"

#define ID_BYTES_MAX ((size_t)16)

struct reading {
	struct json_lex lex;
	struct buf *out;
	const char *member; /* name of the field that is read */
	const char *why;    /* why it was refused; NULL as long as it was not */
};

static bool refuse(struct reading *r, const char *why)
{
	r->why = why;
	return false;
}

/* ---- bytes ---- */

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

/*
 * Both alphabets of RFC 4648, padded or not, as proto3 JSON asks of readers. What is in `out` from `begin` on is
 * replaced by fewer bytes.
 */
static bool decode_base64(struct buf *out, size_t begin)
{
	char *to = out->data + begin;
	const char *text = to;
	size_t len = out->len - begin;
	uint32_t bits = 0;
	unsigned count = 0;

	while (len && text[len - 1] == '=')
		len--;
	if (len % 4 == 1)
		return false;
	for (size_t i = 0; i < len; i++) {
		int digit = base64_digit(text[i]);
		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		count += 6;
		if (count >= 8) {
			count -= 8;
			*to++ = (char)(bits >> count);
		}
	}
	out->len = (size_t)(to - out->data);
	return true;
}

/* Upper and lower case are accepted, because OTLP leaves it open. */
static bool decode_hex(struct buf *out, size_t begin)
{
	char *to = out->data + begin;
	const char *text = to;

	for (size_t i = 0; i < out->len - begin; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
		if (high < 0 || low < 0)
			return false;
		*to++ = (char)(high << 4 | low);
	}
	out->len = (size_t)(to - out->data);
	return true;
}

static bool decode(struct reading *r, const struct schema_field *field, size_t begin)
{
	struct buf *out = r->out;
	size_t len = out->len - begin;
	/* 32 and 16 digits are hexadecimal; identifiers of these lengths in base64 are not */
	bool is_hex = field->type == SCHEMA_ID && (len == 2 * ID_BYTES_MAX || len == ID_BYTES_MAX);

	if (!len || out->failed)
		return true;
	if (!(is_hex ? decode_hex(out, begin) : decode_base64(out, begin)))
		return refuse(r, field->type == SCHEMA_ID ? "is neither hexadecimal nor base64" : "is not base64");
	len = out->len - begin;
	return field->type != SCHEMA_ID || len == ID_BYTES_MAX || len == ID_BYTES_MAX / 2 || len == 0 ||
	       refuse(r, "has neither 16 bytes nor 8");
}

static bool read_text(struct reading *r, const struct schema_field *field)
{
	if (r->lex.token != JSON_LEX_STRING)
		return refuse(r, "must be a string");
	size_t begin = protobuf_begin(r->out, field->number);
	if (!json_lex_text(&r->lex, r->out))
		return false;
	if (field->type != SCHEMA_STRING && !decode(r, field, begin))
		return false;
	protobuf_end(r->out, begin);
	return true;
}

/* ---- numbers ---- */

static bool is_number(struct reading *r, bool text_too)
{
	if (r->lex.token == JSON_LEX_NUMBER || (text_too && r->lex.token == JSON_LEX_STRING && !r->lex.escaped))
		return true;
	return refuse(r, "must be a number");
}

static bool check_number(struct reading *r, enum json_number result)
{
	switch (result) {
	case JSON_NUMBER_GOOD: return true;
	case JSON_NUMBER_FRACTION: return refuse(r, "must be a whole number");
	case JSON_NUMBER_RANGE: return refuse(r, "is out of range");
	default: return refuse(r, "must be a number");
	}
}

static bool read_integer(struct reading *r, const struct schema_field *field)
{
	bool is_signed = field->type == SCHEMA_INT64;
	uint64_t number;

	if (!is_number(r, true) || !check_number(r, json_number_integer(r->lex.text, r->lex.len, is_signed, &number)))
		return false;
	if ((field->type == SCHEMA_UINT32 || field->type == SCHEMA_FIXED32) && number > UINT32_MAX)
		return refuse(r, "is out of range");
	if (field->type == SCHEMA_FIXED64)
		protobuf_add_fixed64(r->out, field->number, number);
	else if (field->type == SCHEMA_FIXED32)
		protobuf_add_fixed32(r->out, field->number, (uint32_t)number);
	else
		protobuf_add_varint(r->out, field->number, number);
	return true;
}

static bool read_enum(struct reading *r, const struct schema_field *field)
{
	uint64_t number = 0;

	if (r->lex.token == JSON_LEX_STRING) {
		while (field->names[number].json && !json_lex_is(&r->lex, field->names[number].json))
			number++;
		if (!field->names[number].json)
			return refuse(r, "has a name that is not known");
	} else if (!is_number(r, false) ||
		   !check_number(r, json_number_integer(r->lex.text, r->lex.len, true, &number))) {
		return false;
	} else if ((int64_t)number < INT32_MIN || (int64_t)number > INT32_MAX) {
		return refuse(r, "is out of range");
	}
	protobuf_add_varint(r->out, field->number, number);
	return true;
}

static bool read_double(struct reading *r, const struct schema_field *field)
{
	double number;
	uint64_t bits;

	if (!is_number(r, true) || !check_number(r, json_number_double(r->lex.text, r->lex.len, &number)))
		return false;
	memcpy(&bits, &number, sizeof(bits));
	protobuf_add_fixed64(r->out, field->number, bits);
	return true;
}

static bool read_bool(struct reading *r, const struct schema_field *field)
{
	if (r->lex.token != JSON_LEX_TRUE && r->lex.token != JSON_LEX_FALSE)
		return refuse(r, "must be true or false");
	protobuf_add_varint(r->out, field->number, r->lex.token == JSON_LEX_TRUE);
	return true;
}

/* ---- messages ---- */

/* Writes startTimeUnixNano as start_time_unix_nano. Returns false if it does not fit. */
static bool with_underscores(const char *name, char *out, size_t size)
{
	size_t len = 0;

	for (; *name && len + 3 < size; name++) {
		bool upper = *name >= 'A' && *name <= 'Z';
		if (upper) {
			out[len++] = '_';
			out[len++] = (char)(*name | 0x20);
		} else {
			out[len++] = *name;
		}
	}
	out[len] = '\0';
	return !*name;
}

static bool is_named(const struct json_lex *lex, const char *name)
{
	char other[64];

	return json_lex_is(lex, name) || (memchr(lex->text, '_', lex->len) &&
					  with_underscores(name, other, sizeof(other)) && json_lex_is(lex, other));
}

static const struct schema_field *field_named(const struct schema_message *message, const struct json_lex *lex)
{
	for (const struct schema_field *field = message->fields; field->number; field++)
		if (is_named(lex, field->name))
			return field;
	return NULL;
}

/* NOLINTBEGIN(misc-no-recursion): as deep as JSON_LEX_DEPTH_MAX */

static bool read_message(struct reading *r, const struct schema_message *message);

/* Each of these begins with the value's first token and ends with its last. */
static bool read_value(struct reading *r, const struct schema_field *field)
{
	switch (field->type) {
	case SCHEMA_STRING:
	case SCHEMA_BYTES:
	case SCHEMA_ID: return read_text(r, field);
	case SCHEMA_DOUBLE: return read_double(r, field);
	case SCHEMA_BOOL: return read_bool(r, field);
	case SCHEMA_ENUM: return read_enum(r, field);
	case SCHEMA_MESSAGE: break;
	default: return read_integer(r, field);
	}
	size_t begin = protobuf_begin(r->out, field->number);
	/* null in an array is an empty value */
	bool good = (field->message == &schema_any_value && r->lex.token == JSON_LEX_NULL) ||
		    read_message(r, field->message);
	if (good)
		protobuf_end(r->out, begin);
	return good && !r->out->failed;
}

static bool read_field(struct reading *r, const struct schema_field *field)
{
	if (!field->repeated)
		return read_value(r, field);
	if (r->lex.token != JSON_LEX_ARRAY)
		return refuse(r, "must be an array");
	while (json_lex_next(&r->lex) > JSON_LEX_END && r->lex.token != JSON_LEX_ARRAY_END)
		if (!read_value(r, field))
			return false;
	return r->lex.token == JSON_LEX_ARRAY_END;
}

/* Reads the value of a member whose name was the last token. *seen has a bit for each field so far. */
static bool read_member(struct reading *r, const struct schema_message *message, uint32_t *seen)
{
	const struct schema_field *field = field_named(message, &r->lex);
	const char *above = r->member;

	if (json_lex_next(&r->lex) == JSON_LEX_BAD)
		return false;
	if (!field || r->lex.token == JSON_LEX_NULL) /* in proto3's JSON null means absent */
		return json_lex_skip(&r->lex);
	r->member = field->name;
	if (*seen & UINT32_C(1) << field->number)
		return refuse(r, "comes twice");
	*seen |= UINT32_C(1) << field->number;
	if (!read_field(r, field))
		return false;
	r->member = above;
	return true;
}

static bool read_message(struct reading *r, const struct schema_message *message)
{
	uint32_t seen = 0;

	if (r->lex.token != JSON_LEX_OBJECT)
		return r->lex.token != JSON_LEX_BAD && refuse(r, "must be an object");
	while (json_lex_next(&r->lex) == JSON_LEX_NAME)
		if (!read_member(r, message, &seen))
			return false;
	return r->lex.token == JSON_LEX_OBJECT_END;
}

/* NOLINTEND(misc-no-recursion) */

bool schema_from_json(const struct schema_message *message, struct slice text, struct buf *out,
		      struct schema_json_fault *fault)
{
	struct reading r = {.out = out, .member = "the request"};

	json_lex_begin(&r.lex, text.data, text.len);
	json_lex_next(&r.lex);
	bool good = read_message(&r, message) && json_lex_next(&r.lex) == JSON_LEX_END;
	if (r.lex.fault)
		*fault = (struct schema_json_fault){(size_t)(r.lex.at - text.data), NULL, r.lex.fault};
	else if (!good)
		*fault = (struct schema_json_fault){(size_t)(r.lex.text - text.data), r.member,
						    r.why ? r.why : "does not fit"};
	return good && !out->failed;
}
