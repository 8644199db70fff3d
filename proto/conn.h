/* A socket with a deadline. Reads return what there is; writes go out whole; both end at the
 * deadline, which is absolute for a phase of a session, so that a peer who sends a byte a minute
 * gains nothing. A server's connection ends, too, at the next wait after the server begins to stop.
 */
#ifndef PROTO_CONN_H
#define PROTO_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "../crypto/err.h"
#include "presence.h"

struct tls;

#define CONN_DEFAULT_PORT "13000"

enum {
	CONN_HOST_MAX = 256,          /* bytes of a host name, with its NUL */
	CONN_CONNECT_MS = 10000,      /* for each address that a name has */
	CONN_FINISH_MS = 1000,        /* for the peer to close, */
	CONN_FINISH_BYTES = 16 << 20, /* after at most so many bytes more: what may be under way */
	CONN_ADDRESS_MAX = 64,        /* "[addr]:port" as text */
	CONN_UNREAD_MAX = 8,          /* bytes that can be given back */
	CONN_KEEP_IDLE = 60,          /* seconds until a silent peer is probed, */
	CONN_KEEP_EVERY = 20,         /* between probes, */
	CONN_KEEP_TRIES = 6           /* and how many of them may stay without an answer */
};

struct conn {
	int fd;
	int stop_fd;         /* readable or hung up: the server stops. -1: there is none */
	int64_t deadline_ms; /* of CLOCK_MONOTONIC; 0: none */
	uint64_t in, out;    /* bytes so far */
	const char *peer;    /* its address as text; NULL in a client */
	int door;            /* the server's: by which of its doors the peer came in */
	const struct presence *presence; /* the server's; NULL in a client */
	size_t slot;                     /* this session's */
	/* Called when the server has woken this session: accounts have changed, or mail came. 0 to
	 * go on, or -1 with why the session ends. NULL: nothing to do. */
	int (*woken)(void *arg, struct err *e);
	void *woken_arg;
	uint8_t unread[CONN_UNREAD_MAX]; /* given back, to be read first */
	size_t unread_n;
	struct tls *tls; /* conn_tls.h; NULL: plain */
	bool tls_broken; /* a record was cut on its way out: nothing can follow it */
	/* what does the work: tests put short reads, EINTR and failures here */
	ssize_t (*recv)(int fd, void *p, size_t n, int flags);
	ssize_t (*send)(int fd, const void *p, size_t n, int flags);
};

int64_t conn_now_ms(void);

/* Let SIGUSR1 wake this process and those that it forks, while they wait for a peer and then
 * only. */
void conn_catch_wake(void);

/* Take over a connected socket: no delay (Nagle and delayed acknowledgements never meet),
 * keep-alive, non-blocking. */
void conn_init(struct conn *c, int fd);
void conn_close(struct conn *c);
/* The peer may take long between two reads: only the deadlines end a write. Else the system does
 * after CONN_KEEP_IDLE + CONN_KEEP_EVERY * CONN_KEEP_TRIES seconds without room, too. */
void conn_be_patient(const struct conn *c);

/* The peer has proven who it is: the server does not end this session to make room for others. */
void conn_set_proven(const struct conn *c, const struct presence_who *who);

/* From now on, this phase may take so many milliseconds; 0: no limit. */
void conn_deadline(struct conn *c, int64_t ms);

enum conn_got { CONN_FAILED = -1, CONN_EOF = 0, CONN_DATA = 1, CONN_QUIET = 2, CONN_WOKEN = 3 };

/* Read 1..n bytes. quiet_ms > 0: give up with CONN_QUIET when nothing comes for so long.
 * CONN_FAILED: EX_TEMPFAIL (deadline, reset, the server stops). */
enum conn_got conn_read(
	struct conn *c, void *p, size_t n, int64_t quiet_ms, size_t *got, struct err *e);
/* Exactly n bytes: CONN_DATA, CONN_EOF (with *got bytes before it), CONN_FAILED. */
enum conn_got conn_read_exact(struct conn *c, void *p, size_t n, size_t *got, struct err *e);
/* Give back the n bytes (at most CONN_UNREAD_MAX) that were read first on this connection. */
void conn_unread(struct conn *c, const void *p, size_t n);

/* Wait until there is something to read. CONN_DATA (or the end), CONN_QUIET after ms (0: never),
 * CONN_WOKEN when the server has woken this session (`woken` is not called), CONN_FAILED. The
 * deadline does not count. */
enum conn_got conn_wait(struct conn *c, int64_t ms, struct err *e);

/* Has the server begun to stop? */
bool conn_is_stopping(const struct conn *c);

/* All of it. 0 or -1. */
int conn_write(struct conn *c, const void *p, size_t n, struct err *e);

/* The same two beneath TLS, for conn_tls.c alone. */
enum conn_got conn_plain_read(
	struct conn *c, void *p, size_t n, int64_t quiet_ms, size_t *got, struct err *e);
int conn_plain_write(struct conn *c, const void *p, size_t n, struct err *e);

/* End a connection whose last bytes must arrive: say that no more will come, and wait a moment for
 * the peer to close. Closing over bytes that were never read would reset the connection, and what
 * was sent could be lost on the way. */
void conn_finish(struct conn *c);

/* Split "HOST", "HOST:PORT", "[V6]:PORT", "V6" into its parts. 0, or -1 (EX_USAGE). */
int conn_split(
	const char *text, char host[static CONN_HOST_MAX], char port[static 8], struct err *e);
/* The same, where another port (at most 5 digits) stands for none. */
int conn_split_port(const char *text, const char *otherwise, char host[static CONN_HOST_MAX],
	char port[static 8], struct err *e);

/* Connect by name or address, trying each in turn. 0, or -1 (EX_UNAVAILABLE). */
int conn_dial(struct conn *c, const char *host, const char *port, struct err *e);

/* "127.0.0.1:4711" or "[::1]:4711". */
void conn_address(const struct sockaddr_storage *sa, char out[static CONN_ADDRESS_MAX]);

#endif
