/* SPDX-License-Identifier: MIT */
/*
 * Names of OpenTelemetry as Prometheus has them (OpenTelemetry specification, "Prometheus and OpenMetrics
 * Compatibility", and OpenMetrics 1.0, "Suffixes"). Pure functions. Internal to tel/.
 */
#ifndef TEL_PROMETHEUS_NAME_H
#define TEL_PROMETHEUS_NAME_H

#include <stdbool.h>

#include "base/buf.h"
#include "tel/tel.h"

/* Append a name: a character that is not allowed becomes '_', a digit at the beginning too, and "__" becomes "_". */
void prometheus_add_label_name(struct buf *out, const char *key);

/* Returns true if both keys become the same label. */
bool prometheus_same_label(const char *a, const char *b);

/* Appends the words for a unit of UCUM: "seconds" for "s", "bytes_per_second" for "By/s", nothing for "{order}". */
void prometheus_add_unit(struct buf *out, const struct tel_metric *metric);

/* Appends the name of the metric's family: with its unit (of prometheus_add_unit), without the _total of a counter. */
void prometheus_add_family(struct buf *out, const struct tel_metric *metric, const char *unit);

/* Returns true if the family's name ends with "_unit", so that a UNIT line may name it. */
bool prometheus_has_unit(const char *family, const char *unit);

/* Returns true if two families cannot be exposed together, because they would share the name of a sample. */
bool prometheus_clash(const char *family, enum tel_metric_type type, const char *other,
		      enum tel_metric_type other_type);

#endif
