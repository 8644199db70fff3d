/* Listening sockets by name; see listen.h. */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>

#include "../crypto/bytes.h"
#include "conn.h"

/* Where the sockets go. */
struct found {
	int *fds;
	size_t max, *n;
};

/* "[ADDR:]PORT" into its parts; no address means every one. */
static int split_listen(
	const char *text, char host[static CONN_HOST_MAX], char port[static 8], struct err *e)
{
	uint64_t number;

	if (parse_decimal(text, strlen(text), 65535, &number) == 0) {
		host[0] = '\0';
		(void)snprintf(port, 8, "%s", text);
		return 0;
	}
	if (text[strspn(text, "0123456789")] == '\0') { /* or it would be taken for a host's name */
		return err_set(e, EX_USAGE, "\"%.32s\" is no port: 0 to 65535", text);
	}
	return conn_split(text, host, port, e);
}

static int listen_on(const struct addrinfo *a, struct err *e)
{
	int on = 1, off = 0, fd;

	fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
	if (fd < 0) {
		return err_sys(e, EX_OSERR, "cannot open a socket");
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (a->ai_family == AF_INET6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	}
	if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0) {
		int why = errno;
		err_sys(e, EX_UNAVAILABLE, "cannot listen");
		(void)close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

/* Listen on every address of the list. One that this machine does not have (a name may have an IPv6
 * address where IPv6 is off) is passed over; one that is taken is not. */
static int listen_on_all(const struct addrinfo *all, struct found *f, struct err *e)
{
	size_t before = *f->n;

	for (const struct addrinfo *a = all; a != NULL; a = a->ai_next) {
		if (*f->n == f->max) {
			return err_set(e, EX_USAGE, "more than %zu addresses to listen on", f->max);
		}
		int fd = listen_on(a, e);
		if (fd >= 0) {
			f->fds[(*f->n)++] = fd;
		} else if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL) {
			return -1;
		}
	}
	return *f->n > before ? 0 : -1;
}

static int open_family(
	const char *host, const char *port, int family, struct found *f, struct err *e)
{
	struct addrinfo want = {
		.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE, .ai_family = family};
	struct addrinfo *all;
	int rc = getaddrinfo(host, port, &want, &all);

	if (rc != 0) {
		return err_set(e, EX_UNAVAILABLE, "cannot resolve %s: %s",
			host == NULL ? port : host, gai_strerror(rc));
	}
	rc = listen_on_all(all, f, e);
	freeaddrinfo(all);
	return rc;
}

int listen_open(const char *text, int *fds, size_t max, size_t *n, struct err *e)
{
	struct found f = {.fds = fds, .max = max, .n = n};
	char host[CONN_HOST_MAX], port[8];
	int rc;

	if (split_listen(text, host, port, e) != 0) {
		return -1;
	}
	if (host[0] != '\0') {
		rc = open_family(host, port, AF_UNSPEC, &f, e);
	} else {
		rc = open_family(NULL, port, AF_INET6, &f, e);
		if (rc != 0 && errno != EADDRINUSE && errno != EACCES) {
			rc = open_family(NULL, port, AF_INET, &f, e);
		}
	}
	return rc == 0 ? 0 : err_prefix(e, "%s", text);
}

/* --- private addresses --- */

static bool is_private_v4(const uint8_t *a)
{
	return a[0] == 127 || a[0] == 10 || (a[0] == 172 && (a[1] & 0xf0) == 16) ||
	       (a[0] == 192 && a[1] == 168) || (a[0] == 169 && a[1] == 254);
}

static bool is_private_address(const struct sockaddr *sa)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)sa;
	const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;

	if (sa->sa_family == AF_INET) {
		return is_private_v4((const uint8_t *)&v4->sin_addr);
	}
	if (IN6_IS_ADDR_V4MAPPED(v6)) {
		return is_private_v4(v6->s6_addr + 12);
	}
	return IN6_IS_ADDR_LOOPBACK(v6) || IN6_IS_ADDR_LINKLOCAL(v6) ||
	       (v6->s6_addr[0] & 0xfe) == 0xfc;
}

int listen_is_private(const char *text, bool *is_private, struct err *e)
{
	struct addrinfo want = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *all;
	char host[CONN_HOST_MAX], port[8];
	int rc;

	if (split_listen(text, host, port, e) != 0) {
		return err_prefix(e, "%s", text);
	}
	rc = getaddrinfo(host[0] == '\0' ? NULL : host, port, &want, &all);
	if (rc != 0) {
		return err_set(e, EX_UNAVAILABLE, "cannot resolve %s: %s", text, gai_strerror(rc));
	}
	*is_private = true;
	for (const struct addrinfo *a = all; a != NULL; a = a->ai_next) {
		*is_private = *is_private && is_private_address(a->ai_addr);
	}
	freeaddrinfo(all);
	return 0;
}
