/* SPDX-License-Identifier: MIT */
/* cmocka and what it asks to be included before. */
#ifndef APM_TESTS_CMOCKA_ALL_H
#define APM_TESTS_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
