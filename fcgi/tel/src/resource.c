/* SPDX-License-Identifier: MIT */
#include "tel/src/resource.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/random.h"
#include "base/utf8.h"
#include "tel/src/complain.h"
#include "tel/src/misuse.h"
#include "tel/src/pairs.h"
#include "tel/tel.h"

#define ATTRS_MAX 64

static struct resource_attr resource_list[ATTRS_MAX];
static size_t attr_count;
static struct scope scope;
static char instance_id[37];
static char *decoded; /* the text that attributes of the environment point into */

/* Returns false if there is no room. */
static bool set_attr(const char *key, const char *value)
{
	for (size_t i = 0; i < attr_count; i++) {
		if (strcmp(resource_list[i].key, key) == 0) {
			resource_list[i].value = value;
			return true;
		}
	}
	if (attr_count == ATTRS_MAX)
		return false;
	resource_list[attr_count++] = (struct resource_attr){key, value};
	return true;
}

/* A version 4 UUID (RFC 9562, section 5.4). */
static void make_instance_id(void)
{
	uint64_t high = (random_u64() & ~UINT64_C(0xf000)) | 0x4000;
	uint64_t low = (random_u64() & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63;

	snprintf(instance_id, sizeof(instance_id),
		 "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64, high >> 32, high >> 16 & 0xffff,
		 high & 0xffff, low >> 48, low & UINT64_C(0xffffffffffff));
}

/* Returns false if the text is malformed. */
static bool parse(char *text, struct pair pairs[PAIRS_MAX], size_t *count)
{
	if (!pairs_parse(text, pairs, count))
		return false;
	for (size_t i = 0; i < *count; i++)
		if (!utf8_valid(pairs[i].key, strlen(pairs[i].key)) ||
		    !utf8_valid(pairs[i].value, strlen(pairs[i].value)))
			return false;
	return true;
}

/* The values are for the collector's eyes. */
static void warn_of_variable(const char *variable, const char *reason)
{
	complain_warn("a setting cannot be used", tel_lit("variable", variable), tel_lit("reason", reason));
}

/* Returns 0 or -ENOMEM. */
static int read_environment(void)
{
	const char *text = env_string("OTEL_RESOURCE_ATTRIBUTES", NULL);
	struct pair pairs[PAIRS_MAX];
	size_t count;

	free(decoded);
	decoded = NULL;
	if (!text)
		return 0;
	decoded = strdup(text);
	if (!decoded)
		return -ENOMEM;
	if (!parse(decoded, pairs, &count)) {
		warn_of_variable("OTEL_RESOURCE_ATTRIBUTES",
				 "it is not of the form key=value,key=value in UTF-8: ignored");
		return 0;
	}
	bool all = true;
	for (size_t i = 0; i < count; i++)
		all &= set_attr(pairs[i].key, pairs[i].value);
	if (!all)
		warn_of_variable("OTEL_RESOURCE_ATTRIBUTES",
				 "there is no room for so many attributes: the last ones are left out");
	return 0;
}

static void read_service_name(void)
{
	const char *name = env_string("OTEL_SERVICE_NAME", NULL);

	if (name && utf8_valid(name, strlen(name)))
		set_attr("service.name", name);
	else if (name)
		warn_of_variable("OTEL_SERVICE_NAME", "it is not UTF-8: ignored");
}

/* OpenTelemetry specification, "Resource SDK": service.name is always there. */
static const char *default_service_name(void)
{
	static char name[64];

	snprintf(name, sizeof(name), "unknown_service:%s", program_invocation_short_name);
	return name;
}

/* Attributes that the program gives: those that are no text, or not UTF-8, are refused. */
static void add_given(const struct tel_attr *given, size_t count)
{
	if (MISUSE_NULL(given || !count, "tel_init"))
		return;
	for (size_t i = 0; i < count; i++) {
		bool is_text = given[i].type == TEL_TYPE_LITERAL || given[i].type == TEL_TYPE_STRING;
		if (!given[i].key || !is_text || !given[i].value.text ||
		    !utf8_valid(given[i].value.text, strlen(given[i].value.text)) ||
		    !set_attr(given[i].key, given[i].value.text))
			MISUSE("tel_init", "an attribute of the resource is not text in UTF-8, or there are too many",
			       tel_str("key", given[i].key));
	}
}

int resource_init(const struct tel_config *config)
{
	const char *service_name = config->service_name ? config->service_name : default_service_name();

	attr_count = 0;
	scope = (struct scope){config->scope_name ? config->scope_name : service_name,
			       config->scope_version ? config->scope_version : ""};
	make_instance_id();
	set_attr("service.name", service_name);
	if (config->service_version)
		set_attr("service.version", config->service_version);
	set_attr("service.instance.id", instance_id);
	set_attr("telemetry.sdk.name", "libtel");
	set_attr("telemetry.sdk.language", "c");
	set_attr("telemetry.sdk.version", TEL_VERSION);
	add_given(config->resource, config->resource_count);
	int error = read_environment();
	read_service_name(); /* wins over OTEL_RESOURCE_ATTRIBUTES */
	return error;
}

void resource_in_child(void)
{
	make_instance_id(); /* in place */
}

const struct scope *resource_scope(void)
{
	return &scope;
}

const struct resource_attr *resource_attrs(size_t *count)
{
	*count = attr_count;
	return resource_list;
}

const char *resource_service_name(void)
{
	return attr_count ? resource_list[0].value : "unknown_service";
}
