/* SPDX-License-Identifier: MIT */
#include "gateway/log_listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/fd.h"

/* Judges a name by what follows the log's: logrotate adds ".1", "-20261122", "-20261122-1763815800", perhaps ".gz". */
static bool is_rotation(const char *suffix, enum log_file_kind *kind)
{
	static const struct {
		const char *suffix;
		enum log_file_kind kind;
	} kinds[] = {{"", LOG_FILE_PLAIN},
		     {".gz", LOG_FILE_GZIP},
		     {".xz", LOG_FILE_UNREADABLE},
		     {".zst", LOG_FILE_UNREADABLE},
		     {".bz2", LOG_FILE_UNREADABLE}};

	if ((*suffix != '.' && *suffix != '-') || suffix[1] < '0' || suffix[1] > '9')
		return false;
	const char *rest = suffix + 1 + strspn(suffix + 1, "0123456789-");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strcmp(rest, kinds[i].suffix) == 0) {
			*kind = kinds[i].kind;
			return true;
		}
	}
	return false;
}

/* Files changed in one tick of the file system's clock go by name: .2 is older than .1, -2025 than -2026. */
static int by_age(const void *left, const void *right)
{
	const struct log_file *a = left, *b = right;

	if (a->current != b->current)
		return a->current - b->current;
	if (a->changed_ns != b->changed_ns)
		return a->changed_ns < b->changed_ns ? -1 : 1;
	int order = strverscmp(a->name, b->name);
	return strchr(a->name, '.') && strrchr(a->name, '.') > strrchr(a->name, '-') ? -order : order;
}

/* Returns false when the file is gone meanwhile, cannot be looked at, or is no regular one. */
static bool look_at(struct log_listing *l, const char *name, struct log_file *out)
{
	struct stat st;

	if (fstatat(l->directory, name, &st, 0) != 0) {
		l->unsure |= errno != ENOENT; /* it was renamed meanwhile */
		return false;
	}
	*out = (struct log_file){.device = st.st_dev,
				 .inode = st.st_ino,
				 .size = (uint64_t)st.st_size,
				 .changed_ns = log_position_changed_ns(&st)};
	memcpy(out->name, name, strlen(name) + 1);
	return S_ISREG(st.st_mode);
}

static bool has_file(const struct log_listing *l, const char *name, size_t len)
{
	for (size_t i = 0; i < l->count; i++)
		if (strlen(l->files[i].name) == len && memcmp(l->files[i].name, name, len) == 0)
			return true;
	return false;
}

/* A compressor removes its input when it is done: while that is there, its output is not whole. */
static void drop_unfinished(struct log_listing *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++) {
		const struct log_file *file = &l->files[i];
		const char *dot = strrchr(file->name, '.');
		if (file->kind == LOG_FILE_PLAIN || !dot || !has_file(l, file->name, (size_t)(dot - file->name)))
			l->files[kept++] = *file;
	}
	l->count = kept;
}

/* Fills *out and returns true when the file of that name belongs to the listing; `position` may be NULL. */
typedef bool chooser(struct log_listing *l, const struct log_position *position, const char *name,
		     struct log_file *out);

static void add_files(struct log_listing *l, chooser *choose, const struct log_position *position)
{
	/* closedir closes the descriptor that it reads from */
	DIR *dir = l->directory < 0 ? NULL : fdopendir(fcntl(l->directory, F_DUPFD_CLOEXEC, 0));
	struct log_file file;

	l->unsure |= !dir;
	if (!dir)
		return;
	rewinddir(dir);
	for (const struct dirent *entry; errno = 0, (entry = readdir(dir));) {
		if (!choose(l, position, entry->d_name, &file))
			continue;
		l->files = array_grow(l->files, l->count, &l->room, sizeof(*l->files));
		l->files[l->count++] = file;
	}
	l->unsure |= errno != 0;
	closedir(dir);
	drop_unfinished(l);
	if (l->count)
		qsort(l->files, l->count, sizeof(*l->files), by_age);
}

static bool is_named(struct log_listing *l, const struct log_position *unused, const char *name, struct log_file *out)
{
	enum log_file_kind kind = LOG_FILE_PLAIN;
	size_t len = strlen(l->name);
	bool current = strcmp(name, l->name) == 0;

	(void)unused;
	if (!current && (strncmp(name, l->name, len) != 0 || !is_rotation(name + len, &kind)))
		return false;
	if (!look_at(l, name, out))
		return false;
	out->current = current;
	out->kind = kind;
	return true;
}

static bool is_stranger(struct log_listing *l, const struct log_position *position, const char *name,
			struct log_file *out)
{
	const char *end = strrchr(name, '.');
	bool alike = strncmp(name, l->name, strlen(l->name)) == 0;

	if (has_file(l, name, strlen(name)) || !look_at(l, name, out))
		return false;
	out->stranger = true;
	out->kind = alike && end && strcmp(end, ".gz") == 0 ? LOG_FILE_GZIP : LOG_FILE_PLAIN;
	bool same = log_file_is_at(out, position);
	return position->head_len ? alike || same : alike && same;
}

void log_listing_init(struct log_listing *l, const char *path)
{
	const char *slash = strrchr(path, '/');

	*l = (struct log_listing){.name = slash ? slash + 1 : path, .directory = fd_open_directory_of(path)};
	add_files(l, is_named, NULL);
}

void log_listing_done(struct log_listing *l)
{
	free(l->files);
	if (l->directory >= 0)
		close(l->directory);
}

void log_listing_add_strangers(struct log_listing *l, const struct log_position *position)
{
	add_files(l, is_stranger, position);
}

bool log_listing_open(struct log_listing *l, size_t i, struct log_reader *out)
{
	const struct log_file *file = &l->files[i];

	if (file->kind == LOG_FILE_UNREADABLE)
		return false;
	int error = log_reader_open(out, l->directory, file->name, file->kind == LOG_FILE_GZIP);
	l->unsure |= error && error != -ENOENT;
	return error == 0;
}
