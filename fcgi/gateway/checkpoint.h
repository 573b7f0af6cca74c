/* SPDX-License-Identifier: MIT */
/* A position in the log that outlives the program. */
#ifndef APM_GATEWAY_CHECKPOINT_H
#define APM_GATEWAY_CHECKPOINT_H

#include <stdbool.h>

#include "gateway/log_position.h"

/* Returns 0, -ENOENT when there is none yet, -EBADMSG when the file is no checkpoint, or another -errno. */
int checkpoint_read(const char *file, struct log_position *out);

/*
 * Replaces the checkpoint at once or not at all, by renaming FILE.new. A `durable` one is on the disk when this
 * returns; any other is with the kernel, which is enough when only the program dies. Returns 0, or -errno and keeps the
 * old one.
 */
int checkpoint_write(const char *file, const struct log_position *position, bool durable);

#endif
