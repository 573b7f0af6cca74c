/* SPDX-License-Identifier: MIT */
/* A request of OTLP that a test builds, and protoc, which judges it. */
#ifndef APM_TESTS_OTLP_REQUEST_H
#define APM_TESTS_OTLP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "tel/src/otlp.h"
#include "tel/src/resource.h"
#include "tel/src/span.h"

extern struct buf otlp_request; /* room for the head, then the items that the test adds */

/* Set up and tear down a test. */
int otlp_request_begin(void **state);
int otlp_request_end(void **state);

/* Finishes the request. Returns it, of so many bytes. */
const char *otlp_request_finish(size_t *bytes);

#define TRACE_ID                                                                                                       \
	{                                                                                                              \
		0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c         \
	}
#define SPAN_ID                                                                                                        \
	{                                                                                                              \
		0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31                                                         \
	}
#define PARENT_ID                                                                                                      \
	{                                                                                                              \
		1, 2, 3, 4, 5, 6, 7, 8                                                                                 \
	}

bool have_protoc(void);

/*
 * Returns how often `line` is in what protoc makes of the message, of a type of tests/otlp.proto. It fails on what is
 * not protobuf, and on strings that are not UTF-8.
 */
size_t protoc_counts(const char *type, const char *data, size_t bytes, const char *line);

#endif
