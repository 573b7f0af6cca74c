/* SPDX-License-Identifier: MIT */
/* The value of an Idempotency-Key header. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/idempotency_key.h"

#define KEY_MAX 255

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any key that was read can be written as a structured-field string and is the same again. */
static void read_again(const char *key, size_t len)
{
	char header[2 * KEY_MAX + 3], *out = header;
	char again[KEY_MAX + 1];
	size_t len_again;

	*out++ = '"';
	for (size_t i = 0; i < len; i++) {
		if (key[i] == '"' || key[i] == '\\')
			*out++ = '\\';
		*out++ = key[i];
	}
	*out++ = '"';
	*out = '\0';
	assert(idempotency_key_parse(header, again, sizeof(again), &len_again));
	assert(len_again == len && memcmp(again, key, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *header = malloc(size + 1); /* exactly as large, for ASan */
	char key[KEY_MAX + 1];
	size_t len = 12345;

	memcpy(header, data, size);
	header[size] = '\0';
	if (idempotency_key_parse(header, key, sizeof(key), &len)) {
		assert(len > 0 && len <= KEY_MAX && strlen(key) == len);
		for (size_t i = 0; i < len; i++)
			assert(key[i] >= ' ' && key[i] <= '~');
		read_again(key, len);
	} else {
		assert(len == 12345);
	}
	free(header);
	return 0;
}
