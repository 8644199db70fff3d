/* A TCP connection over loopback, both ends of it, for the yardsticks that are plain sockets. */
#ifndef BENCH_LOOPBACK_H
#define BENCH_LOOPBACK_H

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "bench.h"

static inline int tcp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0) {
		die("cannot open a socket: %s", strerror(errno));
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

static inline void loopback(int ends[2])
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t sa_n = sizeof sa;
	int listener = tcp();

	ends[0] = tcp();
	if (bind(listener, (struct sockaddr *)&sa, sa_n) != 0 || listen(listener, 1) != 0 ||
		getsockname(listener, (struct sockaddr *)&sa, &sa_n) != 0) {
		die("cannot listen: %s", strerror(errno));
	}
	if (connect(ends[0], (struct sockaddr *)&sa, sa_n) != 0 ||
		(ends[1] = accept(listener, NULL, NULL)) < 0) {
		die("cannot connect: %s", strerror(errno));
	}
	(void)close(listener);
}

#endif
