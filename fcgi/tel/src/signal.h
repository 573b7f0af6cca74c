/* SPDX-License-Identifier: MIT */
/* The signals of OpenTelemetry. Internal to tel/. */
#ifndef TEL_SIGNAL_H
#define TEL_SIGNAL_H

enum signal { SIGNAL_TRACES, SIGNAL_METRICS, SIGNAL_LOGS, SIGNALS };

#endif
