/* SPDX-License-Identifier: MIT */
/* Memory that only the start of a program needed. */
#ifndef APM_BASE_TRIM_H
#define APM_BASE_TRIM_H

/*
 * Gives back free heap memory, and the pages of the program and its libraries that nothing can have changed: what
 * start-up has touched (relocation, constructors, tables of OpenSSL and GnuTLS) and requests do not need is not mapped
 * again, the rest comes from the kernel's page cache when it is used. Without /proc/self/smaps the pages stay. Any
 * thread.
 */
void trim_start_up(void);

#endif
