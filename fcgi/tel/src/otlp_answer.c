/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/protobuf.h"
#include "tel/src/otlp.h"

static void copy_message(struct slice text, char message[OTLP_MESSAGE_SIZE])
{
	size_t len = text.len < OTLP_MESSAGE_SIZE ? text.len : OTLP_MESSAGE_SIZE - 1;

	if (len)
		memcpy(message, text.data, len);
	message[len] = '\0';
}

/* ExportTracePartialSuccess{rejected_spans=1,error_message=2} */
static bool read_partial_success(struct slice message, struct otlp_answer *answer)
{
	struct protobuf rest = {.left = message};
	struct protobuf_field field;

	while (protobuf_next(&rest, &field))
		if (field.number == 1)
			answer->rejected = field.value;
		else if (field.number == 2)
			copy_message(field.bytes, answer->message);
	return !rest.malformed;
}

/* ExportTraceServiceResponse{partial_success=1} */
bool otlp_read_answer(const void *body, size_t bytes, struct otlp_answer *out)
{
	struct protobuf rest = {.left = {body, bytes}};
	struct otlp_answer answer = {0};
	struct protobuf_field field;

	while (protobuf_next(&rest, &field))
		if (field.number == 1 && !read_partial_success(field.bytes, &answer))
			return false;
	if (!rest.malformed)
		*out = answer;
	return !rest.malformed;
}

/* google.rpc.Status{code=1,message=2,details=3} */
bool otlp_read_error(const void *body, size_t bytes, char message[OTLP_MESSAGE_SIZE])
{
	struct protobuf rest = {.left = {body, bytes}};
	struct protobuf_field field;
	struct slice text = {NULL, 0};

	while (protobuf_next(&rest, &field))
		if (field.number == 2)
			text = field.bytes;
	if (!rest.malformed)
		copy_message(text, message);
	return !rest.malformed;
}
