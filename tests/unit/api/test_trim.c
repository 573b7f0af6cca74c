/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/trim.h"
#include "temporary.h"

#define PAGES 64

static size_t page_bytes;

/* A private mapping of a file of 'a's. */
static char *map_file(void)
{
	char page[65536];
	int fd = open(in_temporary("file"), O_RDWR | O_CREAT | O_TRUNC, 0600);

	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	assert_true(fd >= 0 && page_bytes <= sizeof(page));
	memset(page, 'a', sizeof(page));
	for (int i = 0; i < PAGES; i++)
		assert_int_equal(write(fd, page, page_bytes), page_bytes);
	char *map = mmap(NULL, PAGES * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	close(fd);
	return map;
}

/* KiB of the mapping that this process has in memory. */
static long resident_kib(const char *map)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	char line[512], start[32];
	long kib = -1;
	bool here = false;

	snprintf(start, sizeof(start), "%lx-", (unsigned long)map);
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		here = here || strncmp(line, start, strlen(start)) == 0;
		if (here && sscanf(line, "Rss: %ld kB", &kib) == 1)
			break;
	}
	fclose(file);
	return kib;
}

static void touch(const char *map)
{
	for (size_t i = 0; i < PAGES * page_bytes; i++)
		assert_int_equal(((const volatile char *)map)[i], 'a');
}

static void unchanged_pages_go_and_come_back(void **state)
{
	char *map = map_file();

	(void)state;
	mprotect(map, PAGES * page_bytes, PROT_READ);
	touch(map);
	assert_true(resident_kib(map) >= (long)(PAGES * page_bytes / 1024));
	trim_start_up();
	assert_int_equal(resident_kib(map), 0);
	touch(map);
	munmap(map, PAGES * page_bytes);
}

/* As the loader does with relocated pointers: written, then made read-only. */
static void changed_pages_stay(void **state)
{
	char *map = map_file();

	(void)state;
	touch(map);
	map[page_bytes] = 'b';
	mprotect(map, PAGES * page_bytes, PROT_READ);
	trim_start_up();
	assert_int_equal(map[page_bytes], 'b');
	assert_true(resident_kib(map) > 0);
	munmap(map, PAGES * page_bytes);
}

static void writable_pages_stay(void **state)
{
	char *map = map_file();

	(void)state;
	touch(map);
	trim_start_up();
	assert_true(resident_kib(map) > 0);
	munmap(map, PAGES * page_bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(unchanged_pages_go_and_come_back, temporary_setup, temporary_teardown),
		cmocka_unit_test_setup_teardown(changed_pages_stay, temporary_setup, temporary_teardown),
		cmocka_unit_test_setup_teardown(writable_pages_stay, temporary_setup, temporary_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
