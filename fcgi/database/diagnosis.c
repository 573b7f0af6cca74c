/* SPDX-License-Identifier: MIT */
#include "database/diagnosis.h"

#include <errno.h>
#include <sqlite3.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static const char own_it[] = "give DATA_DIR and the files in it to the user who runs the program (chown)";

struct diagnosis diagnosis_of_errno(int error)
{
	switch (error) {
	case 0: return (struct diagnosis){0};
	case EMFILE:
		return (struct diagnosis){"the program may open no more files",
					  "raise its limit of open files (ulimit -n, LimitNOFILE=) and restart it"};
	case ENFILE:
		return (struct diagnosis){"the machine has too many files open",
					  "end what holds them, or raise the kernel's fs.file-max"};
	case EACCES:
	case EPERM: return (struct diagnosis){"this user may not write there", own_it};
	case ENOSPC: return (struct diagnosis){"the disk is full", "make room on the disk of DATA_DIR"};
	case EDQUOT:
		return (struct diagnosis){"the user's share of the disk is used up",
					  "raise the quota, or make room on the disk of DATA_DIR"};
	case EFBIG:
		return (struct diagnosis){"it has reached a limit on the size of files",
					  "raise the limit (ulimit -f, LimitFSIZE=) and restart the program"};
	case EROFS:
		return (struct diagnosis){"the file system is read-only",
					  "mount it for writing, or set DATA_DIR to a directory on another one"};
	case ENOENT:
		return (struct diagnosis){"its directory does not exist",
					  "make it, or set DATA_DIR to one that exists"};
	case ENOTDIR: return (struct diagnosis){"a part of its path is not a directory", "set DATA_DIR to a directory"};
	case EISDIR: return (struct diagnosis){"a directory is in its place", "move that directory away"};
	case ELOOP:
		return (struct diagnosis){"a link that leads nowhere is in its place",
					  "remove the link, or put back what it pointed at"};
	case EIO:
		return (struct diagnosis){"the disk reports errors",
					  "look at the kernel's log (dmesg); a backup can be restored to another disk"};
	default: return (struct diagnosis){strerrordesc_np(error), "see the reason"};
	}
}

bool diagnosis_is_damage(int code)
{
	return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

bool diagnosis_is_disk(int code)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
	case SQLITE_IOERR:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM: return true;
	default: return false;
	}
}

static struct diagnosis known_or(struct diagnosis found, struct diagnosis otherwise)
{
	return found.cause ? found : otherwise;
}

struct diagnosis diagnosis_of(int code, int system_errno, const char *path)
{
	switch (code & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return (struct diagnosis){
			"it is damaged",
			"restore a backup: make restore FROM=db/backups/TIME; the damaged file is kept"};
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return (struct diagnosis){"another process holds a lock on it",
					  "end that process, such as a sqlite3 shell with an open transaction"};
	case SQLITE_FULL: return diagnosis_of_errno(ENOSPC);
	case SQLITE_PERM: return diagnosis_of_errno(EACCES);
	case SQLITE_READONLY:
		return known_or(diagnosis_of_errno(access(path, W_OK) == 0 ? 0 : errno),
				(struct diagnosis){"it can only be read", own_it});
	case SQLITE_IOERR: return known_or(diagnosis_of_errno(system_errno), diagnosis_of_errno(EIO));
	case SQLITE_CANTOPEN: return diagnosis_of_errno(system_errno);
	default: return (struct diagnosis){0};
	}
}
