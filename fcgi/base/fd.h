/* SPDX-License-Identifier: MIT */
/* File descriptors. */
#ifndef APM_BASE_FD_H
#define APM_BASE_FD_H

/*
 * Moves a new file descriptor out of the way of stdin, stdout and stderr (0 to 2). A program that was started without
 * those gets their numbers from open(2); what it later opens or duplicates to them would then take the file's place.
 * Returns `fd`, or another descriptor of the same open file, closed on exec; or -1 with errno when descriptors are
 * short, and `fd` is closed then. A negative `fd` is returned as it is, and errno is left alone. Any thread may call.
 */
int fd_above_stderr(int fd);

/* Opens the directory that the file `path` is in. Returns -1 with errno when it cannot be opened. */
int fd_open_directory_of(const char *path);

#endif
