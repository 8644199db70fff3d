/* The mark by which a program under inject says that what counts begins, or ends: a system call
 * that asks for nothing, and that no program makes by chance. */
#ifndef T_FAULT_MARK_H
#define T_FAULT_MARK_H

#include <sys/syscall.h>
#include <unistd.h>

enum { MARK_CALL = SYS_getpgid, MARK_ARGUMENT = 361361361 };

static inline void mark(void)
{
	(void)syscall(MARK_CALL, MARK_ARGUMENT);
}

#endif
