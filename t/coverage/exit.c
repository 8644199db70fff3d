/* Sessions end with _exit, which writes no counters: `make coverage` links this in its place. Where
 * t/fault/memory.c has memory run out, it comes back for the counters. */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

void __gcov_dump(void);
void __wrap__exit(int code) __attribute__((noreturn));
void __real__exit(int code) __attribute__((noreturn));

static void restore_memory(void)
{
	void (*restore)(void);

	*(void **)&restore = dlsym(RTLD_DEFAULT, "memory_restore");
	if (restore != NULL) {
		restore();
	}
}

void __wrap__exit(int code)
{
	restore_memory();
	__gcov_dump();
	__real__exit(code);
}

/* The counters of other ends are written behind what is registered here. */
__attribute__((constructor)) static void register_end(void)
{
	(void)atexit(restore_memory);
}
