/* SPDX-License-Identifier: MIT */
/* File descriptors. */
#ifndef APM_BASE_FD_H
#define APM_BASE_FD_H

/*
 * Moves a new file descriptor out of the way of stdin, stdout and stderr (0 to 2). A program that was started without
 * those gets their numbers from open(2); what it later opens or duplicates to them would then take the file's place.
 * Returns `fd`, or another one of the same open file, closed on exec. -1 with errno: there is none, and `fd` is closed;
 * a negative `fd` is returned as it is, and errno is left alone. From any thread.
 */
int fd_above_stderr(int fd);

#endif
