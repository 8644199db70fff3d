/* What the benchmarks of the enhanced protocol share: logging in as KEY_USER, whose account asks
 * for its key alone, and one X25519 multiplication. The keys stay loaded. */
#ifndef BENCH_ENHANCED_H
#define BENCH_ENHANCED_H

#include "../../crypto/random.h"
#include "../../proto/enhanced_client.h"
#include "bench.h"

#define KEY_USER "client4"

struct peer {
	char host[CONN_HOST_MAX], port[8];
	struct x25519_pair own,
		server; /* of the server the yardsticks need the private half, too */
};

/* The server and the keys, read once. */
static inline const struct peer *bench_peer(void)
{
	static struct peer p;
	static bool loaded;
	const char *address = getenv("SMTP361_SERVER");
	struct err e;

	if (!loaded &&
		(x25519_self_check(&e) != 0 ||
			conn_split(address == NULL ? "" : address, p.host, p.port, &e) != 0 ||
			keyfile_load_x25519_private(AT_FDCWD, KEY_USER, &p.own, &e) != 0 ||
			keyfile_load_x25519_private(AT_FDCWD, "server", &p.server, &e) != 0)) {
		die("no keys for %s: %s", KEY_USER, e.text);
	}
	loaded = true;
	return &p;
}

/* Connect, shake hands, and wait for the welcome. 0 with *out, or -1. */
static inline int try_enhanced_login(struct mail_client **out, struct err *e)
{
	const struct peer *p = bench_peer();
	const struct enhanced_login l = {.host = p->host,
		.port = p->port,
		.user = KEY_USER,
		.key = &p->own,
		.server_key = p->server.public};

	if (enhanced_client_open(out, &l, e) != 0) {
		return -1;
	}
	if (enhanced_client_welcome(*out, NULL, e) != 0) {
		(*out)->ops->end(*out);
		return -1;
	}
	return 0;
}

/* A login as a program would meet it, closed at once. */
static inline void enhanced_login_once(const void *arg)
{
	struct mail_client *c;
	struct err e;

	(void)arg;
	if (try_enhanced_login(&c, &e) != 0) {
		die("cannot log in as %s: %s", KEY_USER, e.text);
	}
	c->ops->end(c);
}

/* One multiplication, as a handshake does them. */
static inline void x25519_operation(const void *arg)
{
	const struct peer *p = bench_peer();
	uint8_t out[X25519_BYTES];

	(void)arg;
	if (x25519_shared(out, p->own.private, p->server.public) != 0) {
		die("X25519 gives zero");
	}
}

#endif
