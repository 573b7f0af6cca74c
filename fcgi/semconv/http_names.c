/* SPDX-License-Identifier: MIT */
#include "semconv/http_names.h"

#include <stddef.h>
#include <string.h>

const char *method_name(const char *method)
{
	static const char *const methods[] = {"GET", "POST",    "HEAD",    "PATCH", "DELETE",
					      "PUT", "OPTIONS", "CONNECT", "TRACE"};

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (strcmp(method, methods[i]) == 0)
			return methods[i];
	return "_OTHER";
}

static char statuses[600][4];

__attribute__((constructor)) static void fill_statuses(void)
{
	for (int i = 100; i < 600; i++) {
		statuses[i][0] = (char)('0' + i / 100);
		statuses[i][1] = (char)('0' + i / 10 % 10);
		statuses[i][2] = (char)('0' + i % 10);
	}
}

const char *status_name(int status)
{
	return status >= 100 && status < 600 ? statuses[status] : "";
}
