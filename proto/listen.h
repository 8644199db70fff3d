/* Listening sockets, by the text that an operator writes. */
#ifndef PROTO_LISTEN_H
#define PROTO_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "../crypto/err.h"

/* Listen on "[ADDR:]PORT": every address that a name has; without one IPv6 that takes IPv4 too, or
 * IPv4 alone where the system has no IPv6. The sockets, non-blocking, are added to fds, *n of max
 * so far. 0, or -1: EX_USAGE (no such form, or too many), EX_UNAVAILABLE (in use, not resolved),
 * EX_OSERR. */
int listen_open(const char *text, int *fds, size_t max, size_t *n, struct err *e);

/* Is every address of "[ADDR:]PORT" on this host alone (loopback) or in a private network
 * (RFC 1918, RFC 4193, link-local)? 0, or -1: EX_USAGE, EX_UNAVAILABLE. */
int listen_is_private(const char *text, bool *is_private, struct err *e);

#endif
