/* SPDX-License-Identifier: MIT */
/*
 * The files that a log consists of: "api-gateway.log", and "api-gateway.log.1" or "api-gateway.log-20261122", which
 * rotation made of it, perhaps compressed.
 */
#ifndef APM_GATEWAY_LOG_LISTING_H
#define APM_GATEWAY_LOG_LISTING_H

#include <limits.h>
#include <stdbool.h>

#include "gateway/log_position.h"
#include "gateway/log_reader.h"

enum log_file_kind {
	LOG_FILE_PLAIN,
	LOG_FILE_GZIP,
	LOG_FILE_UNREADABLE /* another compressor has made it */
};

struct log_file {
	char name[NAME_MAX + 1];
	enum log_file_kind kind;
	bool current;  /* nginx writes to it: it is the newest, whenever that was last */
	bool stranger; /* its name says nothing: it belongs to the log only if the position is in it */
	uint64_t device, inode, size;
	int64_t changed_ns;
};

struct log_listing {
	const char *name; /* of the log, in its directory */
	int directory;
	bool unsure;            /* a file could not be looked at which may be the one that is sought */
	struct log_file *files; /* oldest first */
	size_t count, room;
};

/*
 * Lists the log and its rotated files by their names. `path` must outlive the listing. Aborts when memory is short.
 */
void log_listing_init(struct log_listing *l, const char *path);
void log_listing_done(struct log_listing *l);

/*
 * Adds the files of the directory that may hold the position under any other name. The position's file is known by its
 * inode, a copy whose name begins with the log's by its content, which the caller looks at. While nothing of the
 * content is known, the inode must come with such a name: inodes are used again.
 */
void log_listing_add_strangers(struct log_listing *l, const struct log_position *position);

/* Opens file `i`; returns false when it cannot be read. */
bool log_listing_open(struct log_listing *l, size_t i, struct log_reader *out);

static inline bool log_file_is_at(const struct log_file *file, const struct log_position *position)
{
	return file->inode == position->inode && file->device == position->device;
}

#endif
