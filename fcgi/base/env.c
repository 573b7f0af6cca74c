#include "base/env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

const char *env_string(const char *name, const char *fallback)
{
	const char *value = getenv(name);

	return value && *value ? value : fallback;
}

long env_long(const char *name, long fallback, long min, long max)
{
	const char *text = env_string(name, NULL);
	char *end;

	if (!text)
		return fallback;
	errno = 0;
	long value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < min || value > max) {
		fprintf(stderr, "%s=\"%s\" is not a number from %ld to %ld, using %ld\n", name, text, min, max,
			fallback);
		return fallback;
	}
	return value;
}

bool env_bool(const char *name)
{
	const char *text = env_string(name, "false");

	if (strcasecmp(text, "true") == 0)
		return true;
	if (strcasecmp(text, "false") != 0)
		fprintf(stderr, "%s=\"%s\" is neither true nor false, using false\n", name, text);
	return false;
}
