/* SPDX-License-Identifier: MIT */
#include "tel/src/exemplar.h"

#include <string.h>

#include "base/clock.h"
#include "tel/tel.h"

#define REFRESH_NS (500 * NS_PER_MS)

static bool keeps_exemplars = true;

void exemplar_configure(bool enabled)
{
	keeps_exemplars = enabled;
}

/* Half a second has passed in either direction: the clock may have been set back. */
static bool is_refresh_due(uint64_t last_ns, uint64_t now_ns)
{
	return now_ns - last_ns + REFRESH_NS >= 2 * (uint64_t)REFRESH_NS;
}

/*
 * A sequence lock: the version is odd while values change. Release stores and acquire loads of the values keep them
 * inside the version's two changes without fences, which ThreadSanitizer does not understand.
 */
static void store(_Atomic uint64_t *target, const void *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	atomic_store_explicit(target, word, memory_order_release);
}

static void load(const _Atomic uint64_t *source, void *bytes)
{
	uint64_t word = atomic_load_explicit(source, memory_order_acquire);

	memcpy(bytes, &word, sizeof(word));
}

void exemplar_offer(struct exemplar *exemplar, double value, const struct tel_context *context, uint64_t now_ns)
{
	if (!keeps_exemplars || !is_refresh_due(atomic_load_explicit(&exemplar->time_ns, memory_order_relaxed), now_ns))
		return;

	unsigned version = atomic_load_explicit(&exemplar->version, memory_order_relaxed);
	if (version & 1 || !atomic_compare_exchange_strong_explicit(&exemplar->version, &version, version + 1,
								    memory_order_acquire, memory_order_relaxed))
		return; /* another thread is writing one: as good */
	store(&exemplar->trace_id[0], context->trace_id);
	store(&exemplar->trace_id[1], context->trace_id + 8);
	store(&exemplar->span_id, context->span_id);
	store(&exemplar->value, &value);
	store(&exemplar->time_ns, &now_ns);
	atomic_store_explicit(&exemplar->version, version + 2, memory_order_release);
}

bool exemplar_read(const struct exemplar *exemplar, struct exemplar_values *out)
{
	unsigned before, after;

	do {
		before = atomic_load_explicit(&exemplar->version, memory_order_acquire);
		load(&exemplar->trace_id[0], out->trace_id);
		load(&exemplar->trace_id[1], out->trace_id + 8);
		load(&exemplar->span_id, out->span_id);
		load(&exemplar->value, &out->value);
		load(&exemplar->time_ns, &out->time_ns);
		after = atomic_load_explicit(&exemplar->version, memory_order_relaxed);
	} while (before & 1 || before != after);
	return before != 0;
}
