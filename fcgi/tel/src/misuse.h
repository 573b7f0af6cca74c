/* SPDX-License-Identifier: MIT */
/* Calls of this library that make no sense are refused, and logged once each. Internal to tel/. */
#ifndef TEL_MISUSE_H
#define TEL_MISUSE_H

#include <stdatomic.h>

#include "tel/src/complain.h"

/* Complains, the first time that this place is reached, that `call` was refused; both literals. Attributes may follow.
 */
#define MISUSE(call, ...)                                                                                              \
	do {                                                                                                           \
		static atomic_flag said = ATOMIC_FLAG_INIT;                                                            \
		if (!atomic_flag_test_and_set_explicit(&said, memory_order_relaxed))                                   \
			complain_warn("a call of the telemetry library was refused", tel_lit("call", call),            \
				      MISUSE_REASON_(__VA_ARGS__, tel_bool("refused", true)));                         \
	} while (0)

/* Returns true if `pointer` is NULL. `call` then has to be refused, and that was logged as above. */
#define MISUSE_NULL(pointer, call)                                                                                     \
	(__builtin_expect(!(pointer), 0) && __extension__({                                                            \
		 MISUSE(call, "a pointer is NULL");                                                                    \
		 true;                                                                                                 \
	 }))

#define MISUSE_REASON_(reason, ...) tel_lit("reason", reason), __VA_ARGS__

#endif
