#include "traces/from_json.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hex.h"
#include "base/utf8.h"

#define JSON_DEPTH 64 /* more than SCHEMA_DEPTH_MAX makes */
#define ID_BYTES_MAX ((size_t)16)

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

/* Both alphabets of RFC 4648, padded or not, as proto3 JSON asks of readers. */
static bool add_base64(struct buf *out, const char *text, size_t len)
{
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
			buf_addc(out, (char)(bits >> count));
		}
	}
	return true;
}

/* In either case: OTLP leaves it open. */
static bool add_hex(struct buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
		if (high < 0 || low < 0)
			return false;
		buf_addc(out, (char)(high << 4 | low));
	}
	return true;
}

static bool add_bytes_of(struct buf *out, const struct schema_field *field, const char *text, size_t len)
{
	BUF(bytes, len + 1);
	/* 32 and 16 digits are hexadecimal; identifiers of these lengths in base64 are not */
	bool is_hex = field->type == SCHEMA_ID && (len == 2 * ID_BYTES_MAX || len == ID_BYTES_MAX);

	if (!(is_hex ? add_hex(&bytes, text, len) : add_base64(&bytes, text, len)))
		return false;
	wire_add_bytes(out, field->number, bytes.len ? bytes.data : "", bytes.len);
	return true;
}

/* ---- numbers ---- */

/* All of the text, within what int64_t or uint64_t holds. */
static bool parse_integer(const char *text, bool is_signed, uint64_t *out)
{
	char *end;

	if (!*text || text[strspn(text, "-0123456789")] != '\0' || (!is_signed && *text == '-'))
		return false;
	errno = 0;
	*out = is_signed ? (uint64_t)strtoll(text, &end, 10) : strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

static bool integer_of(struct json_object *value, bool is_signed, uint64_t *out)
{
	if (json_object_is_type(value, json_type_string))
		return strlen(json_object_get_string(value)) == (size_t)json_object_get_string_len(value) &&
		       parse_integer(json_object_get_string(value), is_signed, out);
	if (!json_object_is_type(value, json_type_int))
		return false;
	*out = is_signed ? (uint64_t)json_object_get_int64(value) : json_object_get_uint64(value);
	return is_signed || json_object_get_int64(value) >= 0;
}

static bool double_of(struct json_object *value, double *out)
{
	const char *text = json_object_get_string(value);

	if (json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double)) {
		*out = json_object_get_double(value);
		return isfinite(*out);
	}
	if (!json_object_is_type(value, json_type_string))
		return false;
	if (strcmp(text, "NaN") != 0 && strcmp(text, "Infinity") != 0 && strcmp(text, "-Infinity") != 0)
		return false;
	*out = strtod(text, NULL);
	return true;
}

static bool enum_of(const struct schema_field *field, struct json_object *value, uint64_t *out)
{
	if (!json_object_is_type(value, json_type_string))
		return integer_of(value, true, out) && (int64_t)*out >= INT32_MIN && (int64_t)*out <= INT32_MAX;
	for (uint64_t i = 0; field->names[i]; i++) {
		if (strcmp(field->names[i], json_object_get_string(value)) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

/* ---- messages ---- */

/* NOLINTBEGIN(misc-no-recursion): as deep as JSON_DEPTH */

static bool add_message(struct buf *out, const struct schema_message *message, struct json_object *object);

static bool add_text(struct buf *out, const struct schema_field *field, struct json_object *value)
{
	if (!json_object_is_type(value, json_type_string))
		return false;
	const char *text = json_object_get_string(value);
	size_t len = (size_t)json_object_get_string_len(value);
	if (field->type != SCHEMA_STRING)
		return add_bytes_of(out, field, text, len);
	wire_add_bytes(out, field->number, text, len);
	return utf8_valid(text, len); /* an escape may have made half a surrogate pair */
}

static bool add_double(struct buf *out, const struct schema_field *field, struct json_object *value)
{
	double number;
	uint64_t bits;

	if (!double_of(value, &number))
		return false;
	memcpy(&bits, &number, sizeof(bits));
	wire_add_fixed64(out, field->number, bits);
	return true;
}

static bool add_integer(struct buf *out, const struct schema_field *field, struct json_object *value)
{
	uint64_t number;

	if (field->type == SCHEMA_ENUM ? !enum_of(field, value, &number)
				       : !integer_of(value, field->type == SCHEMA_INT64, &number))
		return false;
	switch (field->type) {
	case SCHEMA_FIXED64: wire_add_fixed64(out, field->number, number); return true;
	case SCHEMA_FIXED32: wire_add_fixed32(out, field->number, (uint32_t)number); return number <= UINT32_MAX;
	case SCHEMA_UINT32: wire_add_varint(out, field->number, number); return number <= UINT32_MAX;
	default: wire_add_varint(out, field->number, number); return true;
	}
}

static bool add_value(struct buf *out, const struct schema_field *field, struct json_object *value)
{
	switch (field->type) {
	case SCHEMA_STRING:
	case SCHEMA_BYTES:
	case SCHEMA_ID: return add_text(out, field, value);
	case SCHEMA_DOUBLE: return add_double(out, field, value);
	case SCHEMA_BOOL:
		wire_add_varint(out, field->number, json_object_get_boolean(value));
		return json_object_is_type(value, json_type_boolean);
	case SCHEMA_MESSAGE: break;
	default: return add_integer(out, field, value);
	}
	size_t begin = wire_begin(out, field->number);
	bool good = add_message(out, field->message, value);
	wire_end(out, begin);
	return good;
}

static bool add_field(struct buf *out, const struct schema_field *field, struct json_object *value)
{
	if (!field->repeated)
		return add_value(out, field, value);
	if (!json_object_is_type(value, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(value); i++)
		if (!add_value(out, field, json_object_array_get_idx(value, i)))
			return false;
	return true;
}

static bool add_message(struct buf *out, const struct schema_message *message, struct json_object *object)
{
	if (!json_object_is_type(object, json_type_object))
		return false;
	for (const struct schema_field *field = message->fields; field->number; field++) {
		struct json_object *value;
		/* proto3 JSON: null is as good as absent */
		if (!json_object_object_get_ex(object, field->name, &value) || !value)
			continue;
		if (!add_field(out, field, value) || out->failed)
			return false;
	}
	return true;
}

/* NOLINTEND(misc-no-recursion) */

/* Strict where that works: json-c 0.18 then refuses all but ASCII (https://github.com/json-c/json-c/issues/875). */
static struct json_object *parse(struct bytes text)
{
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH);
	int strict = json_c_version_num() >> 8 == 18 ? 0 : JSON_TOKENER_STRICT;

	if (!tokener)
		abort();
	json_tokener_set_flags(tokener, strict | JSON_TOKENER_VALIDATE_UTF8);
	/* the NUL tells json-c that the text has ended */
	struct json_object *object = json_tokener_parse_ex(tokener, text.data, (int)text.len + 1);
	size_t end = json_tokener_get_parse_end(tokener);
	if (object && end < text.len)
		end += strspn(text.data + end, " \t\r\n");
	if (json_tokener_get_error(tokener) != json_tokener_success || end < text.len) {
		json_object_put(object);
		object = NULL;
	}
	json_tokener_free(tokener);
	return object;
}

bool from_json(const struct schema_message *message, struct bytes text, struct buf *out)
{
	if (text.len > INT_MAX - 1)
		return false;
	struct json_object *object = parse(text);
	bool good = object && add_message(out, message, object) && !out->failed;
	json_object_put(object);
	return good;
}
