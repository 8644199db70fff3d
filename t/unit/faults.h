/* Failing calls: each system call of an operation, and each allocation (memory.h), fails in turn,
 * and then the operation has to have failed well. The calls are taken in place of libc's by their
 * symbols, in the one program that includes this. */
#ifndef T_FAULTS_H
#define T_FAULTS_H

#include <dlfcn.h>
#include <sys/file.h>

#include "memory.h"

static struct {
	long at;      /* this call fails, from 1; 0: none does */
	bool onwards; /* and all behind it */
	int error;
	const char *only; /* this call alone, by its name; NULL: any */
	long calls;
	bool no_syncs; /* those that do not fail do nothing: no disk is lost here */
} faults;

static inline bool fails_now(const char *name)
{
	if (faults.at == 0 || (faults.only != NULL && strcmp(faults.only, name) != 0)) {
		return false;
	}
	faults.calls++;
	if (faults.calls == faults.at || (faults.onwards && faults.calls > faults.at)) {
		errno = faults.error;
		return true;
	}
	return false;
}

/* --- system calls --- */

#define FAULTY(name, parameters, arguments)                        \
	int faulty_##name parameters __asm__(#name);               \
	int faulty_##name parameters                               \
	{                                                          \
		static int(*real) parameters;                      \
		if (real == NULL) {                                \
			*(void **)&real = dlsym(RTLD_NEXT, #name); \
		}                                                  \
		return fails_now(#name) ? -1 : real arguments;     \
	}
#define FAULTY_SIZE(name, parameters, arguments)                   \
	ssize_t faulty_##name parameters __asm__(#name);           \
	ssize_t faulty_##name parameters                           \
	{                                                          \
		static ssize_t(*real) parameters;                  \
		if (real == NULL) {                                \
			*(void **)&real = dlsym(RTLD_NEXT, #name); \
		}                                                  \
		return fails_now(#name) ? -1 : real arguments;     \
	}

FAULTY(openat, (int dir, const char *path, int flags, mode_t mode), (dir, path, flags, mode))
FAULTY(fstat, (int fd, struct stat *st), (fd, st))
FAULTY(fstatat, (int dir, const char *path, struct stat *st, int flags), (dir, path, st, flags))
FAULTY(faccessat, (int dir, const char *path, int mode, int flags), (dir, path, mode, flags))
FAULTY(fchmod, (int fd, mode_t mode), (fd, mode))
FAULTY(mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode))
FAULTY(fcntl, (int fd, int how, void *p), (fd, how, p))
FAULTY(ftruncate, (int fd, off_t n), (fd, n))
FAULTY(fdatasync, (int fd), (fd))
FAULTY(flock, (int fd, int how), (fd, how))
FAULTY(renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
FAULTY(linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
FAULTY(unlinkat, (int dir, const char *path, int flags), (dir, path, flags))
FAULTY_SIZE(read, (int fd, void *p, size_t n), (fd, p, n))
FAULTY_SIZE(pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at))
FAULTY_SIZE(pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at))
FAULTY_SIZE(fgetxattr, (int fd, const char *name, void *p, size_t n), (fd, name, p, n))
FAULTY_SIZE(write, (int fd, const void *p, size_t n), (fd, p, n))

int faulty_fsync(int fd) __asm__("fsync");
int faulty_fsync(int fd)
{
	static int (*real)(int);

	if (real == NULL) {
		*(void **)&real = dlsym(RTLD_NEXT, "fsync");
	}
	return fails_now("fsync") ? -1 : faults.no_syncs ? 0 : real(fd);
}

/* A close that fails has closed all the same. */
int faulty_close(int fd) __asm__("close");
int faulty_close(int fd)
{
	static int (*real)(int);

	if (real == NULL) {
		*(void **)&real = dlsym(RTLD_NEXT, "close");
	}
	int rc = real(fd);
	return fails_now("close") ? -1 : rc;
}

/* --- each in turn --- */

/* The same with system calls. error: what they fail with; only: this call (NULL: any). */
static inline long fail_each_call(
	const struct attempt *a, const char *only, int error, bool onwards)
{
	long n = 0;

	do {
		a->begin();
		faults.calls = 0;
		faults.only = only;
		faults.error = error;
		faults.onwards = onwards;
		faults.at = ++n;
		int rc = a->run();
		faults.at = 0;
		a->judge(rc);
	} while (faults.calls >= n && n < FAULTS_MAX);
	return n - 1;
}

#endif
