/* SPDX-License-Identifier: MIT */
/* Arrays that grow. */
#ifndef APM_BASE_GROW_H
#define APM_BASE_GROW_H

#include <stddef.h>

/*
 * `items`, of which `count` of `size` bytes are in use and *room fit (NULL, 0 and 0 at first), with room for one more:
 * use what is returned in its place, and free() it. Aborts when memory is short.
 */
void *grown(void *items, size_t count, size_t *room, size_t size);

#endif
