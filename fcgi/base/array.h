/* SPDX-License-Identifier: MIT */
/* Arrays that grow by one item at a time. */
#ifndef APM_BASE_ARRAY_H
#define APM_BASE_ARRAY_H

#include <stddef.h>

/*
 * Makes room for one more item in `items`, of which `count` of `size` bytes each are in use and *room fit (NULL, 0 and
 * 0 at first). Returns the array, which may have moved, to be used in the place of `items` and given to free(). Aborts
 * when memory is short.
 */
void *array_grow(void *items, size_t count, size_t *room, size_t size);

#endif
