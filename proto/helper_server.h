/* The one helper that a server forks beside its sessions, never two at once: it cleans up behind
 * those that died, or does what the store has put off (settle_server.h says when). */
#ifndef PROTO_HELPER_SERVER_H
#define PROTO_HELPER_SERVER_H

#include "server.h"
#include "settle_server.h"

struct helper {
	const struct server *server;
	const struct presence *presence;
	void (*in_child)(void *arg); /* let go of what is the server's alone */
	void *arg;
	pid_t pid;          /* 0: none is running */
	bool settles;       /* that is what the last one was for; else it cleaned up */
	bool must_clean_up; /* a session died since the last one began to clean up */
	struct settle settle;
};

/* Clean up, if a session has died and no helper is running. */
void helper_clean_up(struct helper *h);
/* Settle, if it is time. In how many milliseconds to ask again; -1: somebody will tell, by a byte
 * in presence's pipe or the end of a child. */
int helper_settle(struct helper *h);
/* A child of the server has ended, by waitpid. */
void helper_reap(struct helper *h, pid_t pid, int status);

#endif
