/* What the tests of connections share: reads and writes that are short, interrupted and not ready,
 * in turn. */
#ifndef T_ODD_H
#define T_ODD_H

#include "unit.h"

#include <sys/socket.h>

static int turn;

/* How much of n is to go through; 0: fail by errno. */
static inline size_t odd_size(size_t n)
{
	switch (turn++ % 4) {
	case 0:
		errno = EINTR;
		return 0;
	case 1:
		errno = EAGAIN;
		return 0;
	case 2:
		return n > 3 ? 3 : n;
	default:
		return 1;
	}
}

static inline ssize_t odd_recv(int fd, void *p, size_t n, int flags)
{
	n = odd_size(n);
	return n == 0 ? -1 : recv(fd, p, n, flags);
}

static inline ssize_t odd_send(int fd, const void *p, size_t n, int flags)
{
	n = odd_size(n);
	return n == 0 ? -1 : send(fd, p, n, flags);
}

#endif
