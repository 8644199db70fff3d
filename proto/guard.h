/* Who guesses passwords waits: wrong ones are counted for each user and for each address, in memory
 * that all sessions share, and a refusal takes the longer the more there were. A right password is
 * never made to wait. */
#ifndef PROTO_GUARD_H
#define PROTO_GUARD_H

#include <stdint.h>

enum {
	GUARD_SLOTS = 1024,          /* users and addresses share them, by a hash */
	GUARD_FREE = 3,              /* wrong passwords that cost nothing yet */
	GUARD_STEP_MS = 250,         /* then the wait doubles from here, */
	GUARD_MAX_MS = 8000,         /* up to this */
	GUARD_FORGET_MS = 15 * 60000 /* after the last wrong one */
};

struct guard {
	struct guard_slot *slots; /* shared; NULL: nothing is counted */
};

/* Before any fork. Without memory nothing is counted. */
void guard_open(struct guard *g);
void guard_close(struct guard *g);

/* A wrong password for this user from this address ("127.0.0.1:5000": its port does not count).
 * How long the refusal has to wait, in ms. */
int64_t guard_wrong(struct guard *g, const char *user, const char *peer);
/* A right one: the user's count begins anew. */
void guard_right(struct guard *g, const char *user);

#endif
