/* SPDX-License-Identifier: MIT */
#include "cost.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What is allowed: so much for any input, and so much for each byte of it. */
#define MEMORY_BASE (4 << 20)
#define MEMORY_PER_BYTE 96 /* a byte is up to 8 of JSON, in two buffers that double, and one that is moved */
#ifdef COUNT_STEPS
#define UNIT "steps"
#define WORK_BASE 200000
#define WORK_PER_BYTE 600
#else
#define UNIT "ns of processor time"
#define WORK_BASE 100000000
#define WORK_PER_BYTE 20000
#endif

int __real_LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t input;

void cost_add_input(size_t bytes)
{
	input += bytes;
}

/* ---- memory: of our own allocations; a library's are its own affair ---- */

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void __real_free(void *old);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
void __wrap_free(void *old);

/* Signed: what a library has allocated may be freed by us. */
static _Thread_local long long held, held_most;

static void *hold(void *memory)
{
	held += (long long)malloc_usable_size(memory);
	if (held > held_most)
		held_most = held;
	return memory;
}

void *__wrap_malloc(size_t bytes)
{
	return hold(__real_malloc(bytes));
}

void *__wrap_calloc(size_t count, size_t bytes)
{
	return hold(__real_calloc(count, bytes));
}

void *__wrap_realloc(void *old, size_t bytes)
{
	held -= (long long)malloc_usable_size(old);
	return hold(__real_realloc(old, bytes));
}

void __wrap_free(void *old)
{
	held -= (long long)malloc_usable_size(old);
	__real_free(old);
}

/* ---- work ---- */

#ifdef COUNT_STEPS
#define STEPS_MOST                                                                                                     \
	3000000000 /* no input is allowed that many: some seconds, after which it is not waited for the end */

static _Thread_local unsigned long long steps, started;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
	steps++;
	if (steps - started > STEPS_MOST) {
		fprintf(stderr, "work out of proportion: over %lld steps for %zu bytes of input\n",
			(long long)STEPS_MOST, input);
		abort();
	}
}

#define COUNTED(result, name, parameters, arguments, bytes)                                                            \
	result __real_##name parameters;                                                                               \
	result __wrap_##name parameters;                                                                               \
	result __wrap_##name parameters                                                                                \
	{                                                                                                              \
		steps += (bytes) / 8;                                                                                  \
		return __real_##name arguments;                                                                        \
	}
COUNTED(void *, memcpy, (void *to, const void *from, size_t bytes), (to, from, bytes), bytes)
COUNTED(void *, memmove, (void *to, const void *from, size_t bytes), (to, from, bytes), bytes)
COUNTED(void *, memset, (void *to, int c, size_t bytes), (to, c, bytes), bytes)
COUNTED(int, memcmp, (const void *a, const void *b, size_t bytes), (a, b, bytes), bytes)
COUNTED(size_t, strlen, (const char *text), (text), __real_strlen(text))

static unsigned long long work(void)
{
	return steps;
}
#else
static unsigned long long started;

static unsigned long long work(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (unsigned long long)now.tv_sec * 1000000000 + (unsigned long long)now.tv_nsec;
}
#endif

/* ---- the judge ---- */

static void judge(const char *what, const char *unit, unsigned long long spent, unsigned long long allowed)
{
	if (spent <= allowed)
		return;
	fprintf(stderr, "%s out of proportion: %llu %s for %zu bytes of input, at most %llu are allowed\n", what, spent,
		unit, input, allowed);
	abort();
}

/* Tried three times when it is too much: the first call of a function may load a library, and a machine may be busy. */
int __wrap_LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned long long spent, allowed, least = -1ULL;
	long long before = held;

	for (int i = 0; i < 3; i++) {
		started = work();
		input = size;
		held_most = held;
		__real_LLVMFuzzerTestOneInput(data, size);
		spent = work() - started;
		allowed = WORK_BASE + WORK_PER_BYTE * (unsigned long long)input;
		if (spent < least)
			least = spent;
		if (least <= allowed)
			break;
	}
	if (getenv("COST_SHOW"))
		fprintf(stderr, "%zu bytes: %llu " UNIT ", %lld bytes of memory\n", input, least, held_most - before);
	judge("work", UNIT, least, allowed);
	judge("memory", "bytes", (unsigned long long)(held_most - before),
	      MEMORY_BASE + MEMORY_PER_BYTE * (unsigned long long)input);
	return 0;
}
