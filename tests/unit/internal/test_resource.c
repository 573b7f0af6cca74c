/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tel/src/resource.h"
#include "tel/tel.h"

/* What a program says of itself. */
static const struct tel_attr given[] = {
	{.key = "service.namespace", .type = TEL_TYPE_LITERAL, .bytes = 3, .value.text = "apm"},
	{.key = "deployment.environment.name", .type = TEL_TYPE_STRING, .bytes = 11, .value.text = "development"}};
static const struct tel_config config = {.service_name = "order-service",
					 .service_version = "1.2.3",
					 .resource = given,
					 .resource_count = 2,
					 .scope_name = "orders",
					 .scope_version = "4.5.6"};

static const char *find(const char *key)
{
	size_t count;
	const struct resource_attr *attrs = resource_attrs(&count);
	const char *value = NULL;

	for (size_t i = 0; i < count; i++) {
		if (strcmp(attrs[i].key, key) == 0) {
			assert_null(value); /* each key once */
			value = attrs[i].value;
		}
	}
	return value;
}

static size_t attr_count(void)
{
	size_t count;

	resource_attrs(&count);
	return count;
}

static void init_with(const char *attributes, const char *service_name)
{
	attributes ? setenv("OTEL_RESOURCE_ATTRIBUTES", attributes, 1) : unsetenv("OTEL_RESOURCE_ATTRIBUTES");
	service_name ? setenv("OTEL_SERVICE_NAME", service_name, 1) : unsetenv("OTEL_SERVICE_NAME");
	assert_int_equal(resource_init(&config), 0);
}

static void before_it_is_read(void **state)
{
	(void)state;
	assert_string_equal(resource_service_name(), "unknown_service");
}

static void defaults(void **state)
{
	(void)state;
	init_with(NULL, NULL);
	assert_string_equal(resource_service_name(), "order-service");
	assert_string_equal(find("service.name"), "order-service");
	assert_string_equal(find("service.namespace"), "apm");
	assert_string_equal(find("service.version"), "1.2.3");
	assert_string_equal(find("deployment.environment.name"), "development");
	assert_string_equal(find("telemetry.sdk.name"), "libtel");
	assert_string_equal(find("telemetry.sdk.language"), "c");
	assert_string_equal(find("telemetry.sdk.version"), TEL_VERSION);
	assert_int_equal(attr_count(), 8);
	assert_string_equal(resource_scope()->name, "orders");
	assert_string_equal(resource_scope()->version, "4.5.6");
}

/* The library knows nothing of the program that is not said, but for its file's name. */
static void nothing_is_made_up(void **state)
{
	char name[64];

	(void)state;
	init_with(NULL, NULL);
	assert_int_equal(resource_init(&(struct tel_config){.service_name = "quiet"}), 0);
	assert_string_equal(find("service.name"), "quiet");
	assert_null(find("service.namespace"));
	assert_null(find("service.version"));
	assert_null(find("deployment.environment.name"));
	assert_int_equal(attr_count(), 5);
	assert_string_equal(resource_scope()->name, "quiet");
	assert_string_equal(resource_scope()->version, "");

	assert_int_equal(resource_init(&(struct tel_config){.service_version = "1"}), 0);
	snprintf(name, sizeof(name), "unknown_service:%s", program_invocation_short_name);
	assert_string_equal(find("service.name"), name);
	assert_string_equal(resource_scope()->name, name);
}

/* RFC 9562: 8-4-4-4-12, version 4, variant 10. */
static void instance_ids_are_uuids_and_differ(void **state)
{
	char first[64];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		init_with(NULL, NULL);
		const char *id = find("service.instance.id");
		assert_int_equal(strlen(id), 36);
		assert_int_equal(strspn(id, "0123456789abcdef-"), 36);
		assert_true(id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-');
		assert_int_equal(id[14], '4');
		assert_non_null(strchr("89ab", id[19]));
		if (i)
			assert_string_not_equal(id, first);
		snprintf(first, sizeof(first), "%s", id);
	}
}

static void the_environment_wins(void **state)
{
	(void)state;
	init_with("deployment.environment.name=production, host.name = a b "
		  ",service.version=9,service.name=from-attributes",
		  NULL);
	assert_string_equal(find("deployment.environment.name"), "production");
	assert_string_equal(find("host.name"), "a b");
	assert_string_equal(find("service.version"), "9");
	assert_string_equal(resource_service_name(), "from-attributes");
	assert_int_equal(attr_count(), 9);
	init_with("service.name=from-attributes", "from-its-own");
	assert_string_equal(resource_service_name(), "from-its-own");
	init_with("service.instance.id=fixed", "");
	assert_string_equal(find("service.instance.id"), "fixed");
	assert_string_equal(resource_service_name(), "order-service");
}

static void values_are_percent_decoded(void **state)
{
	(void)state;
	init_with("a=%E6%B5%8B,b=1%2C2%3d3,c=,%64=x=y", NULL);
	assert_string_equal(find("a"), "测");
	assert_string_equal(find("b"), "1,2=3");
	assert_string_equal(find("c"), "");
	assert_string_equal(find("d"), "x=y");
}

static void one_error_discards_the_whole_variable(void **state)
{
	static const char *const bad[] = {"a", "a=1,b", "=1", "a=%", "a=%4", "a=%zz", "a=%00", "a=%ff", "a=1,b=\xff"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		init_with(bad[i], NULL);
		assert_null(find("a"));
		assert_int_equal(attr_count(), 8);
	}
}

static void too_many_are_left_out(void **state)
{
	char text[2000] = "";
	size_t length = 0;

	(void)state;
	for (int i = 0; i < 60; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%sk%d=v", i ? "," : "", i);
	init_with(text, NULL);
	assert_int_equal(attr_count(), 64);
	assert_string_equal(find("k55"), "v");
	assert_null(find("k56"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_it_is_read),
		cmocka_unit_test(defaults),
		cmocka_unit_test(nothing_is_made_up),
		cmocka_unit_test(instance_ids_are_uuids_and_differ),
		cmocka_unit_test(the_environment_wins),
		cmocka_unit_test(values_are_percent_decoded),
		cmocka_unit_test(one_error_discards_the_whole_variable),
		cmocka_unit_test(too_many_are_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
