/* What the benchmarks of large files share: the folder in memory that they lie in. */
#ifndef BENCH_FILES_H
#define BENCH_FILES_H

#include "bench.h"

#include "../../crypto/file.h"

static const char *folder;

static inline void path_of(const char *name, char out[static 4096])
{
	(void)snprintf(out, 4096, "%s/%s", folder, name);
}

static inline int open_file(const char *name, int how)
{
	char path[4096];
	int fd;

	path_of(name, path);
	fd = open(path, how | O_CLOEXEC, 0600);
	if (fd < 0) {
		die("cannot open %s: %s", path, strerror(errno));
	}
	return fd;
}

static inline off_t bytes_of(const char *name)
{
	char path[4096];
	struct stat st;

	path_of(name, path);
	if (stat(path, &st) != 0) {
		die("cannot look at %s: %s", path, strerror(errno));
	}
	return st.st_size;
}

static inline void remove_file(const char *name)
{
	char path[4096];

	path_of(name, path);
	(void)unlink(path);
}

/* Have memory at hand for a file of so many bytes: what a virtual machine freed some time ago it
 * gave back to its host, and gets again slowly, which is no part of what is measured. */
static inline void warm(off_t bytes)
{
	static const uint8_t piece[65536];
	int out = open_file("warm", O_WRONLY | O_CREAT | O_TRUNC);

	for (off_t at = 0; at < bytes; at += (off_t)sizeof piece) {
		if (file_write_all(out, piece, sizeof piece) != 0) {
			die("cannot write: %s", strerror(errno));
		}
	}
	(void)close(out);
	remove_file("warm");
}

#endif
