/* A temporary folder for one run of a harness, in $TMPDIR; and it is gone behind it. */
#ifndef T_FUZZ_FOLDER_H
#define T_FUZZ_FOLDER_H

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuzz.h"

static char fuzz_path[PATH_MAX];

static inline int fuzz_remove_one(
	const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static inline void fuzz_remove(int dir)
{
	(void)close(dir);
	assert(nftw(fuzz_path, fuzz_remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

/* Its descriptor; its name is in fuzz_path. */
static inline int fuzz_make(void)
{
	const char *tmp = getenv("TMPDIR");
	int dir;

	(void)snprintf(
		fuzz_path, sizeof fuzz_path, "%s/smtp361-fuzz-XXXXXX", tmp == NULL ? "/tmp" : tmp);
	assert(mkdtemp(fuzz_path) != NULL);
	dir = open(fuzz_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(dir >= 0);
	return dir;
}

#endif
