/* Who guesses passwords waits: wrong ones are counted for each user and for each address, in memory
 * that all sessions share, and a refusal takes the longer the more there were. A right password is
 * not made to wait, but where its own address has guessed a lot. */
#ifndef PROTO_GUARD_H
#define PROTO_GUARD_H

#include <stdint.h>

enum {
	GUARD_SLOTS = 1024,          /* users and addresses share them, by a hash */
	GUARD_FREE = 3,              /* wrong passwords that cost nothing yet */
	GUARD_STEP_MS = 250,         /* then the wait doubles from here, */
	GUARD_MAX_MS = 8000,         /* up to this */
	GUARD_MANY = 10,             /* from one address: from then on it waits beforehand */
	GUARD_FORGET_MS = 15 * 60000 /* after the last wrong one */
};

struct guard {
	struct guard_slot *slots; /* shared; NULL: nothing is counted */
};

/* Before any fork. Without memory nothing is counted. */
void guard_open(struct guard *g);
void guard_close(struct guard *g);

/* A wrong password for this user from this address ("127.0.0.1:5000": its port does not count; of
 * IPv6 the /64 does).
 * How long the refusal has to wait, in ms. */
int64_t guard_wrong(struct guard *g, const char *user, const char *peer);
/* How long a login from this address waits before it is judged at all, in ms: whoever hangs up
 * instead of waiting for a refusal guesses no faster. Nothing until there were many wrong ones. */
int64_t guard_before(const struct guard *g, const char *peer);
/* A right one: the user's count begins anew. */
void guard_right(struct guard *g, const char *user);

#endif
