/* SPDX-License-Identifier: MIT */
#include "gateway/log_rotation.h"

#include <fcntl.h>

#include "gateway/log_listing.h"

/* ---- the file of a position ---- */

static bool begins_alike(struct log_listing *l, struct log_reader *reader, const struct log_position *position)
{
	char head[LOG_POSITION_HEAD_MAX];
	size_t len = (size_t)position->head_len;

	if (len > sizeof(head))
		return false;
	ssize_t got = log_reader_read(reader, head, len, 0);
	l->unsure |= got < 0 && !reader->gz; /* a compressed file that is broken stays so */
	return got == (ssize_t)len && log_position_head(head, len) == position->head;
}

/* Opens file `i` when it reaches as far as the position and begins like the position's file. */
static bool open_if_position_is_in(struct log_listing *l, size_t i, const struct log_position *position,
				   struct log_reader *out)
{
	const struct log_file *file = &l->files[i];

	if (file->kind == LOG_FILE_PLAIN && file->size < position->offset)
		return false;
	if (!log_listing_open(l, i, out))
		return false;
	if (begins_alike(l, out, position))
		return true;
	log_reader_close(out);
	return false;
}

/* Each of the following opens a file and returns its index, or the number of files when it is not there. */

static size_t find_same_inode(struct log_listing *l, const struct log_position *position, struct log_reader *out)
{
	size_t i = 0;

	while (i < l->count && !(log_file_is_at(&l->files[i], position) && open_if_position_is_in(l, i, position, out)))
		i++;
	return i;
}

/* Compressing and copytruncate copy a file, and so does moving it to another disk. */
static size_t find_copy(struct log_listing *l, const struct log_position *position, struct log_reader *out)
{
	if (position->head_len == 0) /* nothing tells a copy from any other file */
		return l->count;
	size_t i = 0;
	while (i < l->count && !open_if_position_is_in(l, i, position, out))
		i++;
	return i;
}

static size_t find_listed(struct log_listing *l, const struct log_position *position, struct log_reader *out)
{
	size_t i = find_same_inode(l, position, out);

	return i < l->count ? i : find_copy(l, position, out);
}

static size_t find(struct log_listing *l, const struct log_position *position, struct log_reader *out)
{
	size_t i = find_listed(l, position, out);

	if (i < l->count)
		return i;
	log_listing_add_strangers(l, position);
	return find_listed(l, position, out);
}

/* ---- the files after it ---- */

/* Strangers follow nothing. */
static size_t first_changed_after(const struct log_listing *l, int64_t when_ns)
{
	size_t i = 0;

	while (i < l->count && !l->files[i].current && (l->files[i].stranger || l->files[i].changed_ns <= when_ns))
		i++;
	return i;
}

/* Returns the index of the file to go on with when that of the position is gone. */
static size_t find_successor(const struct log_listing *l, const struct log_position *position)
{
	int64_t second_ns = (int64_t)NS_PER_SECOND;

	/* Nothing of the file was read: it is the best one itself, under a name that says nothing. Compressing may have
	 * kept its time in whole seconds only. */
	if (position->offset == 0)
		return first_changed_after(l, position->changed_ns / second_ns * second_ns - 1);
	return first_changed_after(l, position->changed_ns);
}

/* Opens file `i`, or the next that can be read; returns LOG_LOST when it is not `i`. */
static enum log_found open_from(struct log_listing *l, size_t i, struct log_reader *out)
{
	enum log_found found = LOG_FOUND;

	for (; i < l->count; i++) {
		if (l->files[i].stranger)
			continue;
		if (log_listing_open(l, i, out))
			return found;
		found = LOG_LOST;
	}
	return LOG_ABSENT;
}

static bool lists(const struct log_listing *l, const struct log_position *position)
{
	for (size_t i = 0; i < l->count; i++)
		if (log_file_is_at(&l->files[i], position))
			return true;
	return false;
}

/* ---- what the others ask ---- */

enum log_found log_rotation_open(const char *path, const struct log_position *position, struct log_reader *out)
{
	struct log_listing l;
	enum log_found found = LOG_LOST;

	*out = LOG_READER_NONE;
	if (position->inode == 0)
		return log_reader_open(out, AT_FDCWD, path, false) == 0 ? LOG_FOUND : LOG_ABSENT;
	log_listing_init(&l, path);
	if (find(&l, position, out) < l.count)
		found = LOG_FOUND;
	else if (l.unsure)
		found = LOG_UNKNOWN;
	else
		open_from(&l, find_successor(&l, position), out);
	log_listing_done(&l);
	return found;
}

enum log_found log_rotation_open_next(const char *path, const struct log_position *position, struct log_reader *out)
{
	struct log_listing l;
	size_t next = 0;

	*out = LOG_READER_NONE;
	log_listing_init(&l, path);
	if (!lists(&l, position))
		log_listing_add_strangers(&l, position);
	/* A file that is renamed meanwhile can be listed twice; another one follows the last of them. */
	for (size_t i = 0; i < l.count; i++)
		if (log_file_is_at(&l.files[i], position))
			next = i + 1;
	if (next == 0) /* it was deleted or compressed while it was read */
		next = first_changed_after(&l, position->changed_ns);
	enum log_found found = open_from(&l, next, out);
	log_listing_done(&l);
	return found;
}

uint64_t log_rotation_unread(const char *path, const struct log_position *position)
{
	struct log_listing l;
	struct log_reader reader = LOG_READER_NONE;
	uint64_t bytes = 0;

	log_listing_init(&l, path);
	size_t i = find(&l, position, &reader);
	log_reader_close(&reader);
	if (i == l.count)
		i = find_successor(&l, position);
	else if (l.files[i].kind == LOG_FILE_PLAIN)
		bytes = l.files[i++].size - position->offset;
	for (; i < l.count; i++)
		bytes += l.files[i].stranger ? 0 : l.files[i].size;
	log_listing_done(&l);
	return bytes;
}
