/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tel/src/metrics.h"

/* The names and meanings of the Prometheus client libraries, for /metrics. */
TEL_COUNTER(cpu_seconds, "process.cpu", "s", "Total user and system CPU time spent in seconds.");
TEL_GAUGE(resident_bytes, "process.resident_memory", "By", "Resident memory size in bytes.");
TEL_GAUGE(virtual_bytes, "process.virtual_memory", "By", "Virtual memory size in bytes.");
TEL_GAUGE(open_fds, "process.open_fds", "{fd}", "Number of open file descriptors.");
TEL_GAUGE(start_time, "process.start_time", "s", "Start time of the process since the Unix epoch in seconds.");

/* Those of the semantic conventions ("Semantic conventions for OS process metrics"), for OTLP. */
TEL_COUNTER(cpu_time, "process.cpu.time", "s", "CPU time used, by the mode of the CPU.", "cpu.mode");
TEL_GAUGE(memory_usage, "process.memory.usage", "By", "Physical memory in use.");
TEL_GAUGE(memory_virtual, "process.memory.virtual", "By", "Committed virtual memory.");
TEL_GAUGE(fd_count, "process.unix.file_descriptor.count", "{file_descriptor}", "File descriptors in use.");
TEL_GAUGE(uptime, "process.uptime", "s", "How long the process has been running.");

/* For both: the conventions have no name for it. */
TEL_GAUGE(max_fds, "process.max_fds", "{fd}", "Maximum number of open file descriptors.");

static double seconds_of(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static void set_cpu(void)
{
	struct timespec used;
	struct rusage usage;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0)
		tel_counter_set(&cpu_seconds, (double)used.tv_sec + (double)used.tv_nsec / 1e9);
	if (getrusage(RUSAGE_SELF, &usage) == 0) {
		tel_counter_set(&cpu_time, seconds_of(&usage.ru_utime), "user");
		tel_counter_set(&cpu_time, seconds_of(&usage.ru_stime), "system");
	}
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
	tel_gauge_set(&memory_virtual, (double)size * page);
	tel_gauge_set(&resident_bytes, (double)resident * page);
	tel_gauge_set(&memory_usage, (double)resident * page);
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
		tel_gauge_set(&fd_count, (double)count);
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		tel_gauge_set(&max_fds, (double)limit.rlim_cur);
}

/* Returns field 22 of stat (proc(5)), in clock ticks after boot, or 0. The name in parentheses may hold anything. */
static unsigned long long start_ticks(void)
{
	char text[1024];

	read_file("/proc/self/stat", text, sizeof(text));
	const char *field = strrchr(text, ')');
	for (int number = 2; field && number < 22; number++)
		field = strchr(field + 1, ' ');
	return field ? strtoull(field, NULL, 10) : 0;
}

static double seconds_since_boot(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double started_after_boot; /* in seconds; 0 if it is unknown */

/* /proc/stat knows the time of boot to a second only, so it is taken as the difference of two clocks. */
static void set_start_time(void)
{
	struct timespec now;

	started_after_boot = (double)start_ticks() / (double)sysconf(_SC_CLK_TCK);
	if (started_after_boot > 0 && clock_gettime(CLOCK_REALTIME, &now) == 0)
		tel_gauge_set(&start_time, (double)now.tv_sec + (double)now.tv_nsec / 1e9 - seconds_since_boot() +
						   started_after_boot);
}

static void set_uptime(void)
{
	if (started_after_boot > 0)
		tel_gauge_set(&uptime, seconds_since_boot() - started_after_boot);
}

static void scrape(void)
{
	set_cpu();
	set_memory();
	set_fds();
	set_uptime();
}

void process_metrics_init(void)
{
	static const struct {
		struct tel_metric *metric;
		enum metric_reader hidden_from;
		bool sums;
	} names[] = {
		{&cpu_seconds, METRIC_OTLP, false},    {&cpu_time, METRIC_PROMETHEUS, false},
		{&resident_bytes, METRIC_OTLP, false}, {&memory_usage, METRIC_PROMETHEUS, true},
		{&virtual_bytes, METRIC_OTLP, false},  {&memory_virtual, METRIC_PROMETHEUS, true},
		{&open_fds, METRIC_OTLP, false},       {&fd_count, METRIC_PROMETHEUS, true},
		{&start_time, METRIC_OTLP, false},     {&uptime, METRIC_PROMETHEUS, false},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		metric_hide(names[i].metric, names[i].hidden_from);
		if (names[i].sums)
			metric_sums(names[i].metric);
	}
	set_start_time();
	tel_metrics_hook(scrape);
}
