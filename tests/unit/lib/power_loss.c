/* SPDX-License-Identifier: MIT */
#include "power_loss.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POWER_EVENTS 1000
#define POWER_FILE_MAX (1 << 20)
#define POWER_SECTOR 512 /* a disk writes it whole or not at all */

struct power_event {
	enum power_kind kind;
	char path[512];
	size_t at, bytes;
	unsigned char *data;
};

bool power_watched;
static struct power_event power_events[POWER_EVENTS];
size_t power_moment;

void power_event(enum power_kind kind, const char *path, size_t at, const void *data, size_t bytes)
{
	if (!power_watched || !path) /* NULL: a temporary file */
		return;
	if (power_moment == POWER_EVENTS || at + bytes > POWER_FILE_MAX)
		abort();
	struct power_event *e = &power_events[power_moment++];
	*e = (struct power_event){.kind = kind, .at = at, .bytes = bytes};
	snprintf(e->path, sizeof(e->path), "%s", path);
	if (!bytes)
		return;
	e->data = malloc(bytes);
	if (!e->data)
		abort();
	memcpy(e->data, data, bytes);
}

void power_forget(void)
{
	power_watched = false;
	for (size_t i = 0; i < power_moment; i++)
		free(power_events[i].data);
	power_moment = 0;
}

/* What becomes of one file. */
struct power_file {
	unsigned char data[POWER_FILE_MAX];
	size_t bytes;
	bool exists;
};

/* The number of events up to the last sync before this moment, which are on the disk; `path` NULL: of the directory. */
static size_t power_last_sync(const char *path, size_t moment)
{
	for (; moment > 0; moment--) {
		const struct power_event *e = &power_events[moment - 1];
		if (path ? e->kind == POWER_SYNC && strcmp(e->path, path) == 0 : e->kind == POWER_SYNC_DIRECTORY)
			break;
	}
	return moment;
}

static void power_resize(struct power_file *f, size_t bytes)
{
	if (bytes > f->bytes)
		memset(f->data + f->bytes, 0, bytes - f->bytes);
	f->bytes = bytes;
}

/* Of the bytes that are written only some may arrive, although the file has grown. */
static void power_apply(struct power_file *f, const struct power_event *e, size_t arrived)
{
	size_t end = e->at + e->bytes;

	if (e->kind == POWER_TRUNCATE || end > f->bytes)
		power_resize(f, end);
	if (arrived)
		memcpy(f->data + e->at, e->data, arrived);
}

/* A write or a truncation that was not synced: half of them arrive, some in parts. */
static void power_perhaps(struct power_file *f, const struct power_event *e)
{
	size_t sectors = e->bytes / POWER_SECTOR;
	int luck = rand() % 8;

	if (luck < 4)
		power_apply(f, e, e->bytes);
	else if (luck == 4 && sectors)
		power_apply(f, e, (size_t)rand() % sectors * POWER_SECTOR);
}

static void power_find(struct power_file *f, const char *path, size_t moment)
{
	size_t synced = power_last_sync(path, moment), named = power_last_sync(NULL, moment);

	f->exists = false;
	f->bytes = 0;
	for (size_t i = 0; i < moment; i++) {
		const struct power_event *e = &power_events[i];
		if (strcmp(e->path, path) != 0)
			continue;
		if (e->kind == POWER_CREATE) {
			f->exists = i < named || rand() % 2;
			f->bytes = 0;
		} else if (e->kind == POWER_REMOVE) {
			if (i >= named && rand() % 2)
				return; /* the old file is still there, and nothing of a new one */
			f->exists = false;
		} else if (e->kind != POWER_SYNC) {
			if (i < synced)
				power_apply(f, e, e->bytes);
			else
				power_perhaps(f, e);
		}
	}
}

void power_fail(const char *path, size_t moment, unsigned seed)
{
	static struct power_file f;

	srand(seed);
	power_find(&f, path, moment);
	unlink(path);
	if (!f.exists)
		return;
	FILE *file = fopen(path, "wb");
	if (!file || fwrite(f.data, 1, f.bytes, file) != f.bytes || fclose(file) != 0)
		abort();
}
