/* SPDX-License-Identifier: MIT */
#include "semconv/http_names.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>

#define STATUS_MIN 100
#define STATUS_MAX 999

static const char *known_method(const char *method)
{
	static const char *const methods[] = {"GET", "POST",    "HEAD",    "PATCH", "DELETE",
					      "PUT", "OPTIONS", "CONNECT", "TRACE", "QUERY"};

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (strcmp(method, methods[i]) == 0)
			return methods[i];
	return NULL;
}

const char *http_method_name(const char *method)
{
	const char *known = known_method(method);
	return known ? known : "_OTHER";
}

const char *http_span_name(const char *method)
{
	const char *known = known_method(method);
	return known ? known : "HTTP";
}

static char status_names[STATUS_MAX + 1][4];

static void write_status_names(void)
{
	for (int i = STATUS_MIN; i <= STATUS_MAX; i++) {
		status_names[i][0] = (char)('0' + i / 100);
		status_names[i][1] = (char)('0' + i / 10 % 10);
		status_names[i][2] = (char)('0' + i % 10);
	}
}

const char *http_status_name(int status)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (status < STATUS_MIN || status > STATUS_MAX)
		return "";
	pthread_once(&once, write_status_names);
	return status_names[status];
}
