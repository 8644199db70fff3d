/* Failing memory: each allocation of an operation fails in turn, and then the operation has to have
 * failed well. malloc and its kin are taken in place of libc's by their symbols, in the one program
 * that includes this. Where a sanitizer holds the allocator, memory does not fail, and the test
 * says so. */
#ifndef T_MEMORY_H
#define T_MEMORY_H

#include <malloc.h>

#include "unit.h"

static struct {
	long at;      /* this allocation fails, from 1; 0: none does */
	bool onwards; /* and all behind it */
	long calls;
	long held; /* blocks that are not freed */
} memory;

#ifdef __SANITIZE_ADDRESS__
enum { MEMORY_FAILS = 0 };
#else
enum { MEMORY_FAILS = 1 };

void *faulty_malloc(size_t n) __asm__("malloc");
void *faulty_calloc(size_t n, size_t each) __asm__("calloc");
void *faulty_reallocarray(void *p, size_t n, size_t each) __asm__("reallocarray");
void faulty_free(void *p) __asm__("free");
void *real_malloc(size_t n) __asm__("__libc_malloc");
void *real_calloc(size_t n, size_t each) __asm__("__libc_calloc");
void *real_realloc(void *p, size_t n) __asm__("__libc_realloc");
void real_free(void *p) __asm__("__libc_free");

static inline bool is_short(void)
{
	if (memory.at == 0) {
		return false;
	}
	memory.calls++;
	return memory.calls == memory.at || (memory.onwards && memory.calls > memory.at);
}

void *faulty_malloc(size_t n)
{
	void *p = is_short() ? NULL : real_malloc(n);

	memory.held += p != NULL ? 1 : 0;
	errno = p == NULL ? ENOMEM : errno;
	return p;
}

void *faulty_calloc(size_t n, size_t each)
{
	void *p = is_short() ? NULL : real_calloc(n, each);

	memory.held += p != NULL ? 1 : 0;
	errno = p == NULL ? ENOMEM : errno;
	return p;
}

void *faulty_reallocarray(void *p, size_t n, size_t each)
{
	size_t size;
	void *more =
		is_short() || __builtin_mul_overflow(n, each, &size) ? NULL : real_realloc(p, size);

	memory.held += p == NULL && more != NULL ? 1 : 0;
	errno = more == NULL ? ENOMEM : errno;
	return more;
}

void faulty_free(void *p)
{
	memory.held -= p != NULL ? 1 : 0;
	real_free(p);
}
#endif

/* --- each in turn --- */

/* What is tried. begin puts things as they were; run is what may fail: 0 or -1; judge looks at what
 * it left, failed or not. */
struct attempt {
	const char *name;
	void (*begin)(void);
	int (*run)(void);
	void (*judge)(int rc);
};

enum { FAULTS_MAX = 2000 }; /* more calls than any attempt has */

/* Each allocation fails, alone or with all behind it; what was held is given back. Returns how many
 * allocations there are. */
static inline long fail_each_allocation(const struct attempt *a, bool onwards)
{
	long n = 0;

	do { /* until there is no such call any more */
		a->begin();
		long held = memory.held;
		memory.calls = 0;
		memory.onwards = onwards;
		memory.at = ++n;
		int rc = a->run();
		memory.at = 0;
		if (memory.held != held) {
			fail_msg("%s, allocation %ld: %ld blocks too many are held", a->name, n,
				memory.held - held);
		}
		a->judge(rc);
	} while (memory.calls >= n && n < FAULTS_MAX);
	return n - 1;
}

#endif
