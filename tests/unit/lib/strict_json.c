/* SPDX-License-Identifier: MIT */
#include "strict_json.h"

#include <stdbool.h>
#include <stdlib.h>

struct json_tokener *strict_json(void)
{
	struct json_tokener *tokener = json_tokener_new();
	bool mistaken = json_c_version_num() >> 8 == 18;

	if (!tokener)
		abort();
	json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8 | (mistaken ? 0 : JSON_TOKENER_STRICT));
	return tokener;
}
