/* A small set of texts: the names and values that a search page offers. */
#ifndef APM_TRACES_TEXTS_H
#define APM_TRACES_TEXTS_H

#include <stdbool.h>

#include "traces/wire.h"

#define TEXTS_MAX 1000
#define TEXTS_BYTES_MAX 262144 /* of all of them; what does not fit is left out */

struct texts {
	struct bytes items[TEXTS_MAX];
	size_t count;
	char bytes[TEXTS_BYTES_MAX];
	size_t used;
};

/* Large: never on the stack. Aborts when memory is short. */
struct texts *texts_new(void);
void texts_free(struct texts *set);

/* Adds a copy, unless it is there. */
void texts_add(struct texts *set, struct bytes text);

/* By the value of their bytes. */
void texts_sort(struct texts *set);

#endif
