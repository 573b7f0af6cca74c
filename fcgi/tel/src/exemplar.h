/* SPDX-License-Identifier: MIT */
/* The exemplar of one histogram bucket: the latest sampled span whose value fell into it. Internal to tel/. */
#ifndef TEL_EXEMPLAR_H
#define TEL_EXEMPLAR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct tel_context;

/* All zeros mean that there is none yet. Any thread may read and write. */
struct exemplar {
	atomic_uint version; /* odd while it is being written */
	_Atomic uint64_t trace_id[2];
	_Atomic uint64_t span_id;
	_Atomic uint64_t value; /* bits of a double */
	_Atomic uint64_t time_ns;
};

struct exemplar_values {
	uint8_t trace_id[16];
	uint8_t span_id[8];
	double value;
	uint64_t time_ns; /* realtime */
};

/* With false, no exemplar is kept (OTEL_METRICS_EXEMPLAR_FILTER). Call it before threads start. */
void exemplar_configure(bool enabled);

/* Keeps the value of a sampled span at `now_ns`, realtime, if the last exemplar is half a second old. Never waits. */
void exemplar_offer(struct exemplar *exemplar, double value, const struct tel_context *context, uint64_t now_ns);

/* Copies the exemplar. Returns false if there is none yet. */
bool exemplar_read(const struct exemplar *exemplar, struct exemplar_values *out);

#endif
