/* SPDX-License-Identifier: MIT */
/* Has jansson beside libtel: both have what could be called json_string. */
#include "tel.h"
#include <jansson.h>
#include <string.h>

int main(void)
{
	if (tel_init(&(struct tel_config){.service_name = "jansson"}))
		return 1;
	tel_info("hello");
	json_t *text = json_string("of jansson");
	int wrong = strcmp(json_string_value(text), "of jansson");
	json_decref(text);
	tel_shutdown(5000);
	return wrong;
}
