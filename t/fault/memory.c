/* LD_PRELOAD: memory runs out. MEMORY_FAILS="FIRST LAST" in the environment: of the calls of malloc
 * and its kin in this process, these fail (LAST 0: and all that follow). Without it they are
 * counted alone. MEMORY_LOG names a file to which "FAILED" and, at the end, the count goes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void memory_restore(void);

static atomic_ulong count;
static unsigned long first, last;
static bool known, restored;

static void tell(const char *text)
{
	const char *path = getenv("MEMORY_LOG");
	int fd = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd >= 0) {
		(void)!write(fd, text, strlen(text));
		(void)close(fd);
	}
}

static bool fails(void)
{
	unsigned long n = restored ? 0 : atomic_fetch_add(&count, 1) + 1;

	if (!known) {
		const char *which = getenv("MEMORY_FAILS");
		char *end = NULL;
		known = true;
		first = which == NULL ? 0 : strtoul(which, &end, 10);
		last = first == 0 ? 0 : strtoul(end, NULL, 10);
	}
	if (first == 0 || n < first || (last != 0 && n > last)) {
		return false;
	}
	tell("FAILED\n");
	errno = ENOMEM;
	return true;
}

/* From here on there is enough again: for what is no part of the program. */
void memory_restore(void)
{
	restored = true;
}

void *malloc(size_t n)
{
	return fails() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return fails() ? NULL : __libc_realloc(p, n);
}

__attribute__((destructor)) static void tell_count(void)
{
	char text[32];

	(void)snprintf(text, sizeof text, "count %lu\n", atomic_load(&count));
	tell(text);
}
