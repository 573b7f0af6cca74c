/* SPDX-License-Identifier: MIT */
/* The value of an Idempotency-Key header. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "database/idempotency.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any key that was read can be written as a structured-field string and is the same again. */
static void read_again(const struct idempotency_key *key)
{
	char header[2 * IDEMPOTENCY_KEY_MAX + 3], *out = header;
	struct idempotency_key again;

	*out++ = '"';
	for (size_t i = 0; i < key->bytes; i++) {
		if (key->text[i] == '"' || key->text[i] == '\\')
			*out++ = '\\';
		*out++ = key->text[i];
	}
	*out++ = '"';
	*out = '\0';
	assert(idempotency_parse(header, &again));
	assert(again.bytes == key->bytes && memcmp(again.text, key->text, key->bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *header = malloc(size + 1); /* exactly as large, for ASan */
	struct idempotency_key key = {.text = "before", .bytes = 6};

	memcpy(header, data, size);
	header[size] = '\0';
	if (idempotency_parse(header, &key)) {
		assert(key.bytes > 0 && key.bytes <= IDEMPOTENCY_KEY_MAX && strlen(key.text) == key.bytes);
		for (size_t i = 0; i < key.bytes; i++)
			assert(key.text[i] >= ' ' && key.text[i] <= '~');
		read_again(&key);
	} else {
		assert(key.bytes == 6 && strcmp(key.text, "before") == 0);
	}
	free(header);
	return 0;
}
