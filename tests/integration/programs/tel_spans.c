/* SPDX-License-Identifier: MIT */
/* A program of somebody else: ends one span, sends it and prints its trace id. */
#include <stdio.h>

#include "tel.h"

int main(void)
{
	if (tel_init(&(struct tel_config){.service_name = "somebody"}) != 0)
		return 1;
	{
		TEL_SPAN(span, "work", TEL_INTERNAL);
		struct tel_context context = tel_span_context(span);
		for (int i = 0; i < 16; i++)
			printf("%02x", context.trace_id[i]);
		puts("");
	}
	tel_shutdown(20000);
	return 0;
}
