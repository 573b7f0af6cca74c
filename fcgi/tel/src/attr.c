/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tel/tel.h"

static struct tel_attr string_attr(const char *key, enum tel_type type, const char *text, size_t bytes)
{
	/* what is longer fits nowhere and is dropped by whoever takes it */
	uint32_t counted = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
	return (struct tel_attr){.key = key, .type = type, .bytes = counted, .value.text = text};
}

struct tel_attr tel_str(const char *key, const char *text)
{
	return string_attr(key, TEL_TYPE_STRING, text ? text : "", text ? strlen(text) : 0);
}

struct tel_attr tel_strn(const char *key, const char *text, size_t bytes)
{
	return string_attr(key, TEL_TYPE_STRING, text ? text : "", text ? bytes : 0);
}

struct tel_attr tel_lit(const char *key, const char *text)
{
	return string_attr(key, TEL_TYPE_LITERAL, text ? text : "", text ? strlen(text) : 0);
}

struct tel_attr tel_int(const char *key, int64_t value)
{
	return (struct tel_attr){.key = key, .type = TEL_TYPE_INT, .value.number = value};
}

struct tel_attr tel_double(const char *key, double value)
{
	return (struct tel_attr){.key = key, .type = TEL_TYPE_DOUBLE, .value.real = value};
}

struct tel_attr tel_bool(const char *key, bool value)
{
	return (struct tel_attr){.key = key, .type = TEL_TYPE_BOOL, .value.number = value};
}
