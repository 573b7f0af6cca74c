/* SPDX-License-Identifier: MIT */
/* A request of OTLP that a test builds, and protoc, which judges it. */
#ifndef APM_TESTS_OTLP_REQUEST_H
#define APM_TESTS_OTLP_REQUEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "tel/src/otlp.h"
#include "tel/src/resource.h"
#include "tel/src/span.h"

static const struct resource_attr attrs[] = {
	{"service.name", "order-service"}, {"service.namespace", "apm"}, {"text", "h\xc3\xa9llo"}};

static struct buf request; /* head_room bytes, then items */
static struct buf resource, scope;
static size_t head_room;

static inline int begin(void **state)
{
	(void)state;
	span_configure(true, &(struct sampler){.parent_based = true}, NULL);
	buf_init(&resource, 10000);
	buf_init(&scope, 10000);
	buf_init(&request, 10 << 20);
	otlp_add_resource(&resource, attrs, 3);
	otlp_add_scope(&scope, "apm", "1.2.3");
	head_room = otlp_head_size_max(&resource, &scope);
	assert_true(buf_reserve(&request, head_room));
	request.len = head_room;
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	buf_done(&resource);
	buf_done(&scope);
	buf_done(&request);
	return 0;
}

/* The finished request; `bytes` of it. */
static inline const char *finish(size_t *bytes)
{
	assert_false(request.failed);
	const char *head = otlp_write_head(request.data + head_room, request.len - head_room, &resource, &scope);
	assert_in_range(head - request.data, 0, head_room);
	*bytes = (size_t)(request.data + request.len - head);
	return head;
}

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

static inline bool have_protoc(void)
{
	return system("protoc --version >/dev/null 2>&1") == 0;
}

static inline size_t count_lines(FILE *file, const char *wanted)
{
	char line[65536];
	size_t count = 0;

	while (fgets(line, sizeof(line), file))
		count += strcmp(line, wanted) == 0;
	return count;
}

/*
 * How often `line` is in what protoc makes of the message, of a type of tests/otlp.proto. It fails on what is not
 * protobuf, and on strings that are not UTF-8.
 */
static inline size_t protoc_counts(const char *type, const char *data, size_t bytes, const char *line)
{
	char path[256], command[400];

	snprintf(path, sizeof(path), "%s/otlp-XXXXXX", env_string("TMPDIR", "/tmp"));
	int fd = mkstemp(path);
	assert_int_equal(write(fd, data, bytes), bytes);
	close(fd);
	snprintf(command, sizeof(command), "protoc --proto_path=tests --decode=apm.test.%s otlp.proto < %s", type,
		 path);
	FILE *decoded = popen(command, "r");
	assert_non_null(decoded);
	size_t found = count_lines(decoded, line);
	int status = pclose(decoded);
	unlink(path);
	assert_int_equal(status, 0);
	return found;
}

#endif
