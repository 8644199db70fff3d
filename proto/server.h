/* The server around every wire: listen, accept, fork, supervise. A process per connection; the
 * parent never reads a peer's byte. It caps its children in all and per address, waits out failed
 * forks and missing descriptors, prefers who has logged in to who lets it wait, has the store's
 * work done behind the sessions' backs, and on SIGTERM or SIGINT lets sessions end at their next
 * wait. */
#ifndef PROTO_SERVER_H
#define PROTO_SERVER_H

#include "../store/accounts.h"
#include "../store/mailbox.h"
#include "conn.h"

enum {
	SERVER_LISTEN_MAX = 16,
	SERVER_SESSIONS = 500,    /* defaults: children in all, */
	SERVER_PER_ADDRESS = 100, /* and from one address, or one IPv6 /64 */
	SERVER_SESSIONS_MAX = 100000,
	SERVER_BACK_OFF_MS = 200, /* after a failed fork or accept */
	SERVER_SHED_MS = 200,     /* for a session that makes room for another to go */
	SERVER_LOOK_MS = 1000,    /* between two looks at the accounts, where nothing tells */
	SERVER_STOP_MS = 30000    /* for sessions to end, before they are killed */
};

/* A place to listen at. What came in by it is told its sessions, as conn's `door`. */
struct server_door {
	const char *address; /* "[ADDR:]PORT" */
	int door;
	const char *wire; /* for the line "Listening on ..."; NULL: the one it always had */
};

struct server {
	struct server_door listen[SERVER_LISTEN_MAX];
	size_t listen_n;
	unsigned sessions, per_address;
	/* Serves one connection in a child of its own; what it returns is the child's exit code. */
	int (*session)(void *arg, struct conn *c);
	/* Runs in a child too, after a session died by a signal: what it left is put in order.
	 * NULL: a session leaves nothing. */
	void (*after_death)(void *arg);
	/* Settled in a child, when a session has told of work (presence_work) or died; NULL: none.
	 */
	struct mailbox *box;
	/* These have changed: `changed` is called, and then `stays` for each session that has
	 * logged in; who may not stay is woken, to look for itself. NULL: nobody logs in. */
	struct accounts_store *accounts;
	void (*changed)(void *arg);
	bool (*stays)(void *arg, const struct presence_who *who);
	/* Called for each socket that listens, with its address. NULL: nobody asks. */
	void (*listens)(void *arg, const char *address);
	/* Called once, when all of them do. */
	void (*ready)(void *arg);
	/* Called on SIGHUP: sessions from now on inherit what it does. NULL: SIGHUP ends the
	 * process. */
	void (*reload)(void *arg);
	void *arg;
};

/* Run until stopped. 0 after a clean stop; 1 when sessions had to be killed: nobody is to wait for
 * what they waited for; or -1 (EX_USAGE: an address; EX_UNAVAILABLE: in use; EX_OSERR). SIGTERM and
 * SIGINT end the process from here on. */
int server_run(const struct server *s, struct err *e);

#endif
