/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over files, for compilers without libFuzzer: every argument is a file or a folder of files. Ends
 * with status 0 and the number of inputs, or with 1 when there was nothing to run; what the target finds wrong aborts.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long inputs;

static void replay_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "rb");
	if (!file) {
		perror(path);
		exit(1);
	}
	/* exactly as large as the input, so that ASan sees a read past its end */
	uint8_t *data = malloc(size ? size : 1);
	if (!data || fread(data, 1, size, file) != size) {
		perror(path);
		exit(1);
	}
	fclose(file);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	inputs++;
}

static void replay(const char *path)
{
	struct stat status;
	if (stat(path, &status)) {
		perror(path);
		exit(1);
	}
	if (!S_ISDIR(status.st_mode)) {
		replay_file(path, (size_t)status.st_size);
		return;
	}

	DIR *folder = opendir(path);
	if (!folder) {
		perror(path);
		exit(1);
	}
	for (const struct dirent *entry; (entry = readdir(folder));) {
		char child[4096];
		if (entry->d_name[0] == '.')
			continue;
		if ((size_t)snprintf(child, sizeof(child), "%s/%s", path, entry->d_name) < sizeof(child))
			replay(child);
	}
	closedir(folder);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	printf("%lu inputs\n", inputs);
	return inputs == 0;
}
