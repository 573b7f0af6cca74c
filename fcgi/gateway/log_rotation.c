/* SPDX-License-Identifier: MIT */
#include "gateway/log_rotation.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"

/* ---- the files, oldest first ---- */

enum kind { PLAIN, GZIP, UNREADABLE };

struct log_file {
	char name[NAME_MAX + 1];
	enum kind kind;
	bool current;  /* the one that is written to: the newest, whenever that was last */
	bool stranger; /* its name says nothing: it belongs here only if the position is in it */
	uint64_t device, inode, bytes;
	int64_t changed_ns;
};

struct log_files {
	const char *name; /* of the log, in the directory */
	int dir;
	bool unsure; /* something could not be looked at that may be what is sought */
	size_t count;
	struct log_file *file;
};

static int64_t changed_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * (int64_t)NS_PER_SECOND + st->st_mtim.tv_nsec;
}

/* What logrotate puts behind a name: ".1", "-20261122", "-20261122-1763815800", and then ".gz" perhaps. */
static bool is_rotation(const char *suffix, enum kind *kind)
{
	static const struct {
		const char *suffix;
		enum kind kind;
	} kinds[] = {{"", PLAIN}, {".gz", GZIP}, {".xz", UNREADABLE}, {".zst", UNREADABLE}, {".bz2", UNREADABLE}};

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

/* Files changed within the same tick of the file system's clock go by name: .2 is older than .1, -2025 than -2026. */
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

/* False: it is gone meanwhile, cannot be looked at, or is no file. */
static bool look_at(struct log_files *files, const char *name, struct log_file *out)
{
	struct stat st;

	if (fstatat(files->dir, name, &st, 0) != 0) {
		files->unsure |= errno != ENOENT; /* renamed meanwhile */
		return false;
	}
	*out = (struct log_file){
		.device = st.st_dev, .inode = st.st_ino, .bytes = (uint64_t)st.st_size, .changed_ns = changed_ns(&st)};
	memcpy(out->name, name, strlen(name) + 1);
	return S_ISREG(st.st_mode);
}

static void add_file(struct log_files *files, const struct log_file *file)
{
	if ((files->count & (files->count - 1)) == 0) { /* full at every power of two */
		size_t room = files->count ? 2 * files->count : 1;
		files->file = realloc(files->file, room * sizeof(*files->file));
		assert(files->file);
	}
	files->file[files->count++] = *file;
}

static bool has_file(const struct log_files *files, const char *name, size_t bytes)
{
	for (size_t i = 0; i < files->count; i++)
		if (strlen(files->file[i].name) == bytes && memcmp(files->file[i].name, name, bytes) == 0)
			return true;
	return false;
}

/* A compressor removes what it has read when it is done: until then its work is not whole. */
static void drop_unfinished(struct log_files *files)
{
	size_t kept = 0;

	for (size_t i = 0; i < files->count; i++) {
		const struct log_file *file = &files->file[i];
		const char *dot = strrchr(file->name, '.');
		if (file->kind == PLAIN || !dot || !has_file(files, file->name, (size_t)(dot - file->name)))
			files->file[kept++] = *file;
	}
	files->count = kept;
}

static int open_directory(const char *path, const char *name)
{
	char directory[PATH_MAX];
	size_t bytes = (size_t)(name - path);

	if (bytes == 0)
		return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (bytes >= sizeof(directory))
		return -1;
	memcpy(directory, path, bytes);
	directory[bytes] = '\0';
	return open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void files_done(struct log_files *files)
{
	free(files->file);
	if (files->dir >= 0)
		close(files->dir);
}

static bool same_file(const struct log_file *file, const struct log_position *position)
{
	return file->inode == position->inode && file->device == position->device;
}

static bool has_position(const struct log_files *files, const struct log_position *position)
{
	for (size_t i = 0; i < files->count; i++)
		if (same_file(&files->file[i], position))
			return true;
	return false;
}

/* NULL: something is unsure. */
static DIR *begin_listing(struct log_files *files)
{
	/* readdir closes what it reads from */
	DIR *dir = files->dir < 0 ? NULL : fdopendir(fcntl(files->dir, F_DUPFD_CLOEXEC, 0));

	files->unsure |= !dir;
	if (dir)
		rewinddir(dir);
	return dir;
}

static void end_listing(struct log_files *files, DIR *dir, int error)
{
	files->unsure |= error != 0;
	closedir(dir);
	drop_unfinished(files);
	if (files->count)
		qsort(files->file, files->count, sizeof(*files->file), by_age);
}

/* The log itself and what rotation made of it, by their names. */
static void files_init(struct log_files *files, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t bytes = strlen(name);
	struct log_file file;

	*files = (struct log_files){.name = name, .dir = open_directory(path, name)};
	DIR *dir = begin_listing(files);
	if (!dir)
		return;
	for (const struct dirent *entry; errno = 0, (entry = readdir(dir));) {
		enum kind kind = PLAIN;
		bool current = strcmp(entry->d_name, name) == 0;
		if (!current &&
		    (strncmp(entry->d_name, name, bytes) != 0 || !is_rotation(entry->d_name + bytes, &kind)))
			continue;
		if (!look_at(files, entry->d_name, &file))
			continue;
		file.current = current;
		file.kind = kind;
		add_file(files, &file);
	}
	end_listing(files, dir, errno);
}

/*
 * A person renames a log to whatever comes to mind. The file of the position is known by its number then, a copy whose
 * name begins as the log's by its content, which is looked at later. While nothing of the content is known, the number
 * has to come with such a name: numbers are used again.
 */
static void add_strangers(struct log_files *files, const struct log_position *position)
{
	bool content = position->head_bytes > 0;
	struct log_file file;
	DIR *dir = begin_listing(files);

	if (!dir)
		return;
	for (const struct dirent *entry; errno = 0, (entry = readdir(dir));) {
		const char *name = entry->d_name, *end = strrchr(name, '.');
		bool alike = strncmp(name, files->name, strlen(files->name)) == 0;
		if (has_file(files, name, strlen(name)) || !look_at(files, name, &file))
			continue;
		bool same = same_file(&file, position);
		if (!(alike && same) && !(content && (alike || same)))
			continue;
		file.stranger = true;
		file.kind = alike && end && strcmp(end, ".gz") == 0 ? GZIP : PLAIN;
		add_file(files, &file);
	}
	end_listing(files, dir, errno);
}

static bool open_file(struct log_files *files, size_t i, struct log_reader *out)
{
	const struct log_file *file = &files->file[i];

	if (file->kind == UNREADABLE)
		return false;
	int error = log_reader_open(out, files->dir, file->name, file->kind == GZIP);
	files->unsure |= error && error != -ENOENT;
	return error == 0;
}

/* ---- positions ---- */

uint64_t log_position_head(const char *bytes, size_t count)
{
	return hash_bytes(bytes, count);
}

static bool begins_alike(struct log_files *files, struct log_reader *reader, const struct log_position *position)
{
	char head[LOG_HEAD_BYTES];
	size_t bytes = (size_t)position->head_bytes;

	if (bytes > sizeof(head))
		return false;
	ssize_t got = log_reader_read(reader, head, bytes, 0);
	files->unsure |= got < 0 && !reader->gz; /* a compressed file that is broken stays so */
	return got == (ssize_t)bytes && log_position_head(head, bytes) == position->head;
}

/* A copy is as good, once there is something to know it by: compressing and copytruncate make one, moving the disk too.
 */
static bool open_if_position_is_in(struct log_files *files, size_t i, const struct log_position *position,
				   struct log_reader *out)
{
	const struct log_file *file = &files->file[i];

	if (file->kind == PLAIN && file->bytes < position->offset)
		return false;
	if (position->head_bytes == 0 && !same_file(file, position))
		return false;
	if (!open_file(files, i, out))
		return false;
	if (begins_alike(files, out, position))
		return true;
	log_reader_close(out);
	return false;
}

/* The index of the position's file, which is open then; `count` when it is not there. */
static size_t find_listed(struct log_files *files, const struct log_position *position, struct log_reader *out)
{
	for (int copies = 0; copies <= 1; copies++)
		for (size_t i = 0; i < files->count; i++)
			if (same_file(&files->file[i], position) != copies &&
			    open_if_position_is_in(files, i, position, out))
				return i;
	return files->count;
}

/* The same, under any name. */
static size_t find(struct log_files *files, const struct log_position *position, struct log_reader *out)
{
	size_t i = find_listed(files, position, out);

	if (i < files->count)
		return i;
	add_strangers(files, position);
	return find_listed(files, position, out);
}

/* Strangers are no successors of anything. */
static size_t first_changed_after(const struct log_files *files, int64_t when_ns)
{
	size_t i = 0;

	while (i < files->count && !files->file[i].current &&
	       (files->file[i].stranger || files->file[i].changed_ns <= when_ns))
		i++;
	return i;
}

/* Where to go on without the file of the position. Compressing keeps the time of a file, but perhaps only seconds. */
static size_t find_successor(const struct log_files *files, const struct log_position *position)
{
	if (position->offset == 0) /* then the file itself would be the best, under whatever name it is now */
		return first_changed_after(files,
					   position->changed_ns / (int64_t)NS_PER_SECOND * (int64_t)NS_PER_SECOND - 1);
	return first_changed_after(files, position->changed_ns);
}

/* Opens file `i`, or the next that can be read; LOG_LOST when that is another. */
static enum log_found open_from(struct log_files *files, size_t i, struct log_reader *out)
{
	enum log_found found = LOG_FOUND;

	for (; i < files->count; i++) {
		if (files->file[i].stranger)
			continue;
		if (open_file(files, i, out))
			return found;
		found = LOG_LOST;
	}
	return LOG_ABSENT;
}

enum log_found log_rotation_open(const char *path, const struct log_position *position, struct log_reader *out)
{
	struct log_files files;
	enum log_found found;

	*out = LOG_READER_NONE;
	if (position->inode == 0)
		return log_reader_open(out, AT_FDCWD, path, false) == 0 ? LOG_FOUND : LOG_ABSENT;
	files_init(&files, path);
	if (find(&files, position, out) < files.count) {
		found = LOG_FOUND;
	} else if (files.unsure) {
		found = LOG_UNKNOWN;
	} else {
		open_from(&files, find_successor(&files, position), out);
		found = LOG_LOST;
	}
	files_done(&files);
	return found;
}

enum log_found log_rotation_open_next(const char *path, const struct log_position *position, struct log_reader *out)
{
	struct log_files files;
	size_t next = 0;

	*out = LOG_READER_NONE;
	files_init(&files, path);
	if (!has_position(&files, position))
		add_strangers(&files, position);
	/* a file that is renamed meanwhile can be listed twice: what follows the last is another one */
	for (size_t i = 0; i < files.count; i++)
		if (same_file(&files.file[i], position))
			next = i + 1;
	if (next == 0) /* deleted or compressed while it was read */
		next = first_changed_after(&files, position->changed_ns);
	enum log_found found = open_from(&files, next, out);
	files_done(&files);
	return found;
}

uint64_t log_rotation_unread(const char *path, const struct log_position *position)
{
	struct log_files files;
	struct log_reader reader = LOG_READER_NONE;
	uint64_t bytes = 0;

	files_init(&files, path);
	size_t i = find(&files, position, &reader);
	log_reader_close(&reader);
	if (i == files.count)
		i = find_successor(&files, position);
	else if (files.file[i].kind == PLAIN)
		bytes = files.file[i++].bytes - position->offset;
	for (; i < files.count; i++)
		bytes += files.file[i].stranger ? 0 : files.file[i].bytes;
	files_done(&files);
	return bytes;
}
