/* SPDX-License-Identifier: MIT */
#include "fault_vfs.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "power_loss.h"

atomic_int fault_syncs;
atomic_bool fault_fail_sync;
atomic_bool fault_hang_sync;
atomic_bool fault_fail_write;

/* The walk, over every operation that can fail on a real disk. */
static atomic_long fault_operations; /* so far */
atomic_long fault_at;
static atomic_bool fault_lasts; /* so do all after it */
atomic_long fault_hits;
atomic_bool fault_no_sync;

static bool fault_due(void)
{
	long number = atomic_fetch_add(&fault_operations, 1) + 1, at = fault_at;
	bool due = at && (number == at || (fault_lasts && number > at));

	fault_hits += due;
	return due;
}

void fault_walk(long at, bool lasts)
{
	fault_operations = fault_hits = 0;
	fault_lasts = lasts;
	fault_at = at;
}

struct fault_file {
	sqlite3_file base;
	bool is_wal;
	const char *name;     /* SQLite keeps it as long as the file is open; NULL: a temporary file */
	bool syncs_directory; /* its first sync does, so that its name is on the disk as well: SQLite's journals */
	sqlite3_file *real;   /* behind this struct */
};

static sqlite3_file *fault_real(sqlite3_file *file)
{
	return ((struct fault_file *)file)->real;
}

/* A call that is handed down; `code` is its failure in a walk. */
#define FAULT_OPERATION(name, code, parameters, ...)                                                                   \
	static int fault_##name parameters                                                                             \
	{                                                                                                              \
		if (fault_due())                                                                                       \
			return code;                                                                                   \
		return fault_real(file)->pMethods->name(fault_real(file), ##__VA_ARGS__);                              \
	}

#define FAULT_PASS(name, parameters, ...)                                                                              \
	static int fault_##name parameters                                                                             \
	{                                                                                                              \
		return fault_real(file)->pMethods->name(fault_real(file), ##__VA_ARGS__);                              \
	}

FAULT_PASS(xClose, (sqlite3_file * file))
FAULT_OPERATION(xRead, SQLITE_IOERR_READ, (sqlite3_file * file, void *out, int bytes, sqlite3_int64 at), out, bytes, at)
FAULT_OPERATION(xFileSize, SQLITE_IOERR_FSTAT, (sqlite3_file * file, sqlite3_int64 *out), out)
FAULT_OPERATION(xLock, SQLITE_IOERR_LOCK, (sqlite3_file * file, int level), level)
FAULT_PASS(xUnlock, (sqlite3_file * file, int level), level)
FAULT_PASS(xCheckReservedLock, (sqlite3_file * file, int *out), out)
FAULT_PASS(xFileControl, (sqlite3_file * file, int operation, void *arg), operation, arg)
FAULT_PASS(xSectorSize, (sqlite3_file * file))
FAULT_PASS(xDeviceCharacteristics, (sqlite3_file * file))
FAULT_OPERATION(xShmMap, SQLITE_IOERR_SHMMAP,
		(sqlite3_file * file, int region, int bytes, int extend, void volatile **out), region, bytes, extend,
		out)

FAULT_PASS(xShmUnmap, (sqlite3_file * file, int remove), remove)

static int fault_xShmLock(sqlite3_file *file, int offset, int n, int flags)
{
	if (flags & SQLITE_SHM_LOCK && fault_due())
		return SQLITE_IOERR_SHMLOCK;
	return fault_real(file)->pMethods->xShmLock(fault_real(file), offset, n, flags);
}

static void fault_xShmBarrier(sqlite3_file *file)
{
	fault_real(file)->pMethods->xShmBarrier(fault_real(file));
}

static int fault_xWrite(sqlite3_file *file, const void *data, int bytes, sqlite3_int64 at)
{
	if (((struct fault_file *)file)->is_wal && fault_fail_write)
		return SQLITE_FULL;
	if (fault_due())
		return SQLITE_IOERR_WRITE;
	power_event(POWER_WRITE, ((struct fault_file *)file)->name, (size_t)at, data, (size_t)bytes);
	return fault_real(file)->pMethods->xWrite(fault_real(file), data, bytes, at);
}

static int fault_xTruncate(sqlite3_file *file, sqlite3_int64 bytes)
{
	if (fault_due())
		return SQLITE_IOERR_TRUNCATE;
	power_event(POWER_TRUNCATE, ((struct fault_file *)file)->name, (size_t)bytes, NULL, 0);
	return fault_real(file)->pMethods->xTruncate(fault_real(file), bytes);
}

static int fault_xSync(sqlite3_file *file, int flags)
{
	struct fault_file *f = (struct fault_file *)file;

	if (f->is_wal) {
		fault_syncs++;
		while (fault_hang_sync)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		if (fault_fail_sync)
			return SQLITE_IOERR_FSYNC;
	}
	if (fault_due())
		return SQLITE_IOERR_FSYNC;
	power_event(POWER_SYNC, f->name, 0, NULL, 0);
	if (f->syncs_directory)
		power_event(POWER_SYNC_DIRECTORY, f->name, 0, NULL, 0);
	f->syncs_directory = false;
	if (fault_no_sync)
		return SQLITE_OK;
	return fault_real(file)->pMethods->xSync(fault_real(file), flags);
}

static const sqlite3_io_methods fault_methods = {
	.iVersion = 2, /* with shared memory, without memory mapping */
	.xClose = fault_xClose,
	.xRead = fault_xRead,
	.xWrite = fault_xWrite,
	.xTruncate = fault_xTruncate,
	.xSync = fault_xSync,
	.xFileSize = fault_xFileSize,
	.xLock = fault_xLock,
	.xUnlock = fault_xUnlock,
	.xCheckReservedLock = fault_xCheckReservedLock,
	.xFileControl = fault_xFileControl,
	.xSectorSize = fault_xSectorSize,
	.xDeviceCharacteristics = fault_xDeviceCharacteristics,
	.xShmMap = fault_xShmMap,
	.xShmLock = fault_xShmLock,
	.xShmBarrier = fault_xShmBarrier,
	.xShmUnmap = fault_xShmUnmap,
};

static int fault_xOpen(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
	struct fault_file *f = (struct fault_file *)file;
	sqlite3_vfs *real = vfs->pAppData;

	f->base.pMethods = NULL;
	f->is_wal = flags & SQLITE_OPEN_WAL;
	f->name = name;
	f->syncs_directory = flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL);
	f->real = (sqlite3_file *)(f + 1);
	if (fault_due())
		return SQLITE_CANTOPEN;
	if (name && access(name, F_OK) != 0)
		power_event(POWER_CREATE, name, 0, NULL, 0);
	int rc = real->xOpen(real, name, f->real, flags, out_flags);
	if (rc == SQLITE_OK)
		f->base.pMethods = &fault_methods;
	return rc;
}

static int fault_xDelete(sqlite3_vfs *vfs, const char *name, int sync_directory)
{
	sqlite3_vfs *real = vfs->pAppData;

	if (fault_due())
		return SQLITE_IOERR_DELETE;
	power_event(POWER_REMOVE, name, 0, NULL, 0);
	if (sync_directory)
		power_event(POWER_SYNC_DIRECTORY, name, 0, NULL, 0);
	return real->xDelete(real, name, sync_directory);
}

static int fault_xAccess(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
	sqlite3_vfs *real = vfs->pAppData;

	return fault_due() ? SQLITE_IOERR_ACCESS : real->xAccess(real, name, flags, out);
}

void fault_vfs_install(void)
{
	static sqlite3_vfs vfs;
	sqlite3_vfs *real = sqlite3_vfs_find(NULL);

	vfs = *real;
	vfs.zName = "fault";
	vfs.pAppData = real;
	vfs.szOsFile = (int)sizeof(struct fault_file) + real->szOsFile;
	vfs.xOpen = fault_xOpen;
	vfs.xDelete = fault_xDelete;
	vfs.xAccess = fault_xAccess;
	if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
		abort();
}
