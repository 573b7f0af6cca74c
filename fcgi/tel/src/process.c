/* SPDX-License-Identifier: MIT */
/* process_*: the names and meanings of the Prometheus client libraries. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tel/src/metrics.h"

TEL_COUNTER(cpu_seconds, "process.cpu", "s", "Total user and system CPU time spent in seconds.");
TEL_GAUGE(resident_bytes, "process.resident_memory", "By", "Resident memory size in bytes.");
TEL_GAUGE(virtual_bytes, "process.virtual_memory", "By", "Virtual memory size in bytes.");
TEL_GAUGE(open_fds, "process.open_fds", "{fd}", "Number of open file descriptors.");
TEL_GAUGE(max_fds, "process.max_fds", "{fd}", "Maximum number of open file descriptors.");
TEL_GAUGE(start_time, "process.start_time", "s", "Start time of the process since the Unix epoch in seconds.");

static void set_cpu(void)
{
	struct timespec used;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0)
		tel_counter_set(&cpu_seconds, (double)used.tv_sec + (double)used.tv_nsec / 1e9);
}

/* The text of a small file in /proc; "" when it cannot be read. */
static void read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[length > 0 ? length : 0] = '\0';
}

static void set_memory(void)
{
	char text[256], *rest;

	read_file("/proc/self/statm", text, sizeof(text));
	double page = (double)sysconf(_SC_PAGESIZE);
	unsigned long size = strtoul(text, &rest, 10);
	unsigned long resident = strtoul(rest, NULL, 10);
	tel_gauge_set(&virtual_bytes, (double)size * page);
	tel_gauge_set(&resident_bytes, (double)resident * page);
}

static void set_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct rlimit limit;

	if (dir) {
		long count = -3; /* "." and ".." and the one that reads them */
		while (readdir(dir))
			count++;
		closedir(dir);
		tel_gauge_set(&open_fds, (double)count);
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		tel_gauge_set(&max_fds, (double)limit.rlim_cur);
}

/* proc(5): field 22 of stat, in clock ticks after boot; the name in parentheses may hold anything. 0: unknown. */
static unsigned long long start_ticks(void)
{
	char text[1024];

	read_file("/proc/self/stat", text, sizeof(text));
	const char *field = strrchr(text, ')');
	for (int number = 2; field && number < 22; number++)
		field = strchr(field + 1, ' ');
	return field ? strtoull(field, NULL, 10) : 0;
}

/* /proc/stat knows the time of boot to a second only, so it is taken as the difference of two clocks. */
static void set_start_time(void)
{
	struct timespec now, since_boot;
	unsigned long long ticks = start_ticks();

	if (!ticks || clock_gettime(CLOCK_REALTIME, &now) || clock_gettime(CLOCK_BOOTTIME, &since_boot))
		return;
	double boot = (double)(now.tv_sec - since_boot.tv_sec) + (double)(now.tv_nsec - since_boot.tv_nsec) / 1e9;
	tel_gauge_set(&start_time, boot + (double)ticks / (double)sysconf(_SC_CLK_TCK));
}

static void scrape(void)
{
	set_cpu();
	set_memory();
	set_fds();
}

void process_metrics_init(void)
{
	set_start_time();
	tel_metrics_hook(scrape);
}
