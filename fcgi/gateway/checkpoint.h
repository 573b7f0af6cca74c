/* SPDX-License-Identifier: MIT */
/* A position in the log that outlives the program. */
#ifndef APM_GATEWAY_CHECKPOINT_H
#define APM_GATEWAY_CHECKPOINT_H

#include <stdbool.h>

#include "gateway/log_position.h"

/* 0; -ENOENT: there is none yet; -EBADMSG: the file is not one of ours; or another -errno. */
int checkpoint_read(const char *file, struct log_position *out);

/*
 * Replaces the checkpoint at once or not at all, by renaming FILE.new. `durable`: it is on the disk when this returns;
 * otherwise only the kernel has it, which is enough for the death of the program. 0 or -errno; the old one stays then.
 */
int checkpoint_write(const char *file, const struct log_position *position, bool durable);

#endif
