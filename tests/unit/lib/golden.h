/* SPDX-License-Identifier: MIT */
/* The files of tests/golden/ are what the library once wrote and has to write again. */
#ifndef APM_TESTS_GOLDEN_H
#define APM_TESTS_GOLDEN_H

#include <stddef.h>

/* Compares bytes with the file; with UPDATE_GOLDEN=1 in the environment writes it instead. */
void assert_golden(const char *name, const char *data, size_t bytes);

#endif
