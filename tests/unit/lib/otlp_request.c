/* SPDX-License-Identifier: MIT */
#include "otlp_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "cmocka_all.h"

static const struct resource_attr attrs[] = {
	{"service.name", "order-service"}, {"service.namespace", "apm"}, {"text", "h\xc3\xa9llo"}};

struct buf otlp_request;
static struct buf resource, scope;
static size_t head_room;

int otlp_request_begin(void **state)
{
	(void)state;
	span_configure(true, &(struct sampler){.parent_based = true}, NULL);
	buf_init(&resource, 10000);
	buf_init(&scope, 10000);
	buf_init(&otlp_request, 10 << 20);
	otlp_add_resource(&resource, attrs, 3);
	otlp_add_scope(&scope, "apm", "1.2.3");
	head_room = otlp_head_size_max(&resource, &scope);
	assert_true(buf_reserve(&otlp_request, head_room));
	otlp_request.len = head_room;
	return 0;
}

int otlp_request_end(void **state)
{
	(void)state;
	buf_done(&resource);
	buf_done(&scope);
	buf_done(&otlp_request);
	return 0;
}

const char *otlp_request_finish(size_t *bytes)
{
	assert_false(otlp_request.failed);
	const char *head = otlp_write_head(otlp_request.data + head_room, otlp_request.len - head_room, &resource,
					   &scope);
	assert_in_range(head - otlp_request.data, 0, head_room);
	*bytes = (size_t)(otlp_request.data + otlp_request.len - head);
	return head;
}

bool have_protoc(void)
{
	return system("protoc --version >/dev/null 2>&1") == 0;
}

static size_t count_lines(FILE *file, const char *wanted)
{
	char line[65536];
	size_t count = 0;

	while (fgets(line, sizeof(line), file))
		count += strcmp(line, wanted) == 0;
	return count;
}

size_t protoc_counts(const char *type, const char *data, size_t bytes, const char *line)
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
