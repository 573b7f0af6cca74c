/* SPDX-License-Identifier: MIT */
/* The headers that carry a span's context to a callee. */
#include <string.h>

#include "base/hex.h"
#include "tel/src/misuse.h"
#include "tel/src/span.h"
#include "tel/tel.h"

void tel_span_inject(const struct tel_span *public_span, struct tel_carrier *out)
{
	const struct span *span = const_span_of(public_span);

	if (MISUSE_NULL(out, "tel_span_inject"))
		return;
	*out = (struct tel_carrier){.tracestate = NULL};
	if (MISUSE_NULL(span, "tel_span_inject"))
		return;
	out->baggage = span->baggage; /* which is only there when it was read */
	if (!span_valid(span) || !context_propagates(PROPAGATE_TRACECONTEXT))
		return;
	out->tracestate = span->tracestate;
	char *text = out->traceparent;
	memcpy(text, "00-", 3);
	hex_encode(span->trace_id, 16, text + 3);
	text[35] = '-';
	hex_encode(span->span_id, 8, text + 36);
	text[52] = '-';
	hex_encode(&span->flags, 1, text + 53);
	text[TEL_TRACEPARENT_LENGTH] = '\0';
}
