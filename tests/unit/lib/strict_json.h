/* SPDX-License-Identifier: MIT */
/* json-c as a judge of JSON. */
#ifndef APM_TESTS_STRICT_JSON_H
#define APM_TESTS_STRICT_JSON_H

#include <json-c/json.h>

/*
 * Returns a tokener that is as strict as it can be: version 0.18 refuses all but ASCII when it is told to be strict
 * (https://github.com/json-c/json-c/issues/875).
 */
struct json_tokener *strict_json(void);

#endif
