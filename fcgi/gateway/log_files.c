#include "gateway/log_files.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS_PER_SECOND 1000000000

/* ---- the files, oldest first ---- */

enum kind { PLAIN, GZIP, UNREADABLE };

struct log_file {
	char name[NAME_MAX + 1];
	enum kind kind;
	bool current; /* the one that is written to: the newest, whenever that was last */
	uint64_t device, inode, bytes;
	int64_t changed_ns;
};

struct log_files {
	int dir;
	bool unsure; /* something could not be looked at that may be what is sought */
	size_t count;
	struct log_file *file;
};

static int64_t changed_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * NS_PER_SECOND + st->st_mtim.tv_nsec;
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

static void add_file(struct log_files *files, const char *name, bool current, enum kind kind)
{
	struct stat st;

	if (fstatat(files->dir, name, &st, 0) != 0) {
		files->unsure |= errno != ENOENT; /* renamed meanwhile */
		return;
	}
	if (!S_ISREG(st.st_mode))
		return;
	if ((files->count & (files->count - 1)) == 0) { /* full at every power of two */
		size_t room = files->count ? 2 * files->count : 1;
		files->file = realloc(files->file, room * sizeof(*files->file));
		assert(files->file);
	}
	struct log_file *file = &files->file[files->count++];
	*file = (struct log_file){.kind = kind,
				  .current = current,
				  .device = st.st_dev,
				  .inode = st.st_ino,
				  .bytes = (uint64_t)st.st_size,
				  .changed_ns = changed_ns(&st)};
	memcpy(file->name, name, strlen(name) + 1);
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
		size_t plain_bytes = (size_t)(strrchr(file->name, '.') - file->name);
		if (file->kind == PLAIN || !has_file(files, file->name, plain_bytes))
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

static void files_init(struct log_files *files, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t bytes = strlen(name);

	*files = (struct log_files){.dir = open_directory(path, name)};
	/* readdir closes what it reads from */
	DIR *dir = files->dir < 0 ? NULL : fdopendir(fcntl(files->dir, F_DUPFD_CLOEXEC, 0));
	if (!dir) {
		files->unsure = true;
		return;
	}
	for (const struct dirent *entry; errno = 0, (entry = readdir(dir));) {
		if (strncmp(entry->d_name, name, bytes) != 0)
			continue;
		bool current = entry->d_name[bytes] == '\0';
		enum kind kind = PLAIN;
		if (current || is_rotation(entry->d_name + bytes, &kind))
			add_file(files, entry->d_name, current, kind);
	}
	files->unsure |= errno != 0;
	closedir(dir);
	drop_unfinished(files);
	if (files->count)
		qsort(files->file, files->count, sizeof(*files->file), by_age);
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

uint64_t log_head(const char *bytes, size_t count)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (size_t i = 0; i < count; i++)
		hash = (hash ^ (uint8_t)bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static bool begins_alike(struct log_files *files, struct log_reader *reader, const struct log_position *position)
{
	char head[LOG_HEAD_BYTES];
	size_t bytes = (size_t)position->head_bytes;

	if (bytes > sizeof(head))
		return false;
	ssize_t got = log_reader_read(reader, head, bytes, 0);
	files->unsure |= got < 0 && !reader->gz; /* a compressed file that is broken stays so */
	return got == (ssize_t)bytes && log_head(head, bytes) == position->head;
}

static bool same_file(const struct log_file *file, const struct log_position *position)
{
	return file->inode == position->inode && file->device == position->device;
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
static size_t find(struct log_files *files, const struct log_position *position, struct log_reader *out)
{
	for (int copies = 0; copies <= 1; copies++)
		for (size_t i = 0; i < files->count; i++)
			if (same_file(&files->file[i], position) != copies &&
			    open_if_position_is_in(files, i, position, out))
				return i;
	return files->count;
}

static size_t first_changed_after(const struct log_files *files, int64_t when_ns)
{
	size_t i = 0;

	while (i < files->count && !files->file[i].current && files->file[i].changed_ns <= when_ns)
		i++;
	return i;
}

/* Where to go on without the file of the position. Compressing keeps the time of a file, but perhaps only seconds. */
static size_t find_successor(const struct log_files *files, const struct log_position *position)
{
	if (position->offset == 0) /* then the file itself would be the best, under whatever name it is now */
		return first_changed_after(files, position->changed_ns / NS_PER_SECOND * NS_PER_SECOND - 1);
	return first_changed_after(files, position->changed_ns);
}

/* Opens file `i`, or the next that can be read; LOG_LOST when that is another. */
static enum log_found open_from(struct log_files *files, size_t i, struct log_reader *out)
{
	enum log_found found = LOG_FOUND;

	for (; i < files->count; i++) {
		if (open_file(files, i, out))
			return found;
		found = LOG_LOST;
	}
	return LOG_ABSENT;
}

enum log_found log_files_open(const char *path, const struct log_position *position, struct log_reader *out)
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

enum log_found log_files_open_next(const char *path, const struct log_position *position, struct log_reader *out)
{
	struct log_files files;
	size_t next = 0;

	*out = LOG_READER_NONE;
	files_init(&files, path);
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

uint64_t log_files_unread(const char *path, const struct log_position *position)
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
		bytes += files.file[i].bytes;
	files_done(&files);
	return bytes;
}
