/* SPDX-License-Identifier: MIT */
/* json-c as a judge of JSON. */
#ifndef APM_STRICT_JSON_H
#define APM_STRICT_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>

/*
 * As strict as it can be: version 0.18 refuses all but ASCII when it is told to be strict
 * (https://github.com/json-c/json-c/issues/875).
 */
static inline struct json_tokener *strict_json(void)
{
	struct json_tokener *tokener = json_tokener_new();
	bool mistaken = json_c_version_num() >> 8 == 18;

	if (!tokener)
		abort();
	json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8 | (mistaken ? 0 : JSON_TOKENER_STRICT));
	return tokener;
}

#endif
