/* SPDX-License-Identifier: MIT */
/* What a collector, or something else at its address, may answer with. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "tel/src/otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct otlp_answer answer, before;
	char message[OTLP_MESSAGE_SIZE];

	memset(&answer, 'x', sizeof(answer));
	before = answer;
	if (otlp_read_answer(data, size, &answer))
		assert(memchr(answer.message, '\0', sizeof(answer.message)));
	else
		assert(memcmp(&answer, &before, sizeof(answer)) == 0);

	memset(message, 'x', sizeof(message));
	if (otlp_read_error(data, size, message))
		assert(memchr(message, '\0', sizeof(message)));
	else
		assert(memcmp(message, before.message, sizeof(message)) == 0);
	return 0;
}
