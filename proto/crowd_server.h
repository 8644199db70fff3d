/* Who is served now: a slot for each session's process. How many there may be, in all and from one
 * network, and who has to go when there are too many. The parent alone knows it. */
#ifndef PROTO_CROWD_SERVER_H
#define PROTO_CROWD_SERVER_H

#include <sys/socket.h>
#include <sys/types.h>

#include "presence.h"

struct crowd_child {
	pid_t pid;           /* 0: the slot is free */
	uint8_t network[16]; /* of the peer: an IPv4 address (mapped), or an IPv6 /64 */
	int64_t began_ms;
	bool shed; /* ended by us, before its login: it left nothing to clean up */
};

struct crowd {
	struct crowd_child *children; /* owned: as many as there may be sessions */
	size_t n;                     /* of them in use */
	unsigned sessions, per_address;
	const struct presence *presence; /* who of them has logged in */
};

/* 0, or -1 (EX_OSERR). */
int crowd_open(struct crowd *c, unsigned sessions, unsigned per_address,
	const struct presence *presence, struct err *e);
void crowd_close(struct crowd *c);

void crowd_network_of(const struct sockaddr_storage *sa, uint8_t out[static 16]);

/* Is there room for one more session from this network? Makes it where it can. Sessions that were
 * told to end do not count any more. */
bool crowd_make_room(struct crowd *c, const uint8_t network[static 16]);
/* A free slot, or -1 while those that were told to end are still there. */
int crowd_free_slot(const struct crowd *c);
void crowd_enter(struct crowd *c, int slot, const struct crowd_child *child);
/* Free the slot of a child that ended; true when it was shed. */
bool crowd_leave(struct crowd *c, pid_t pid);
/* The process in this slot; 0: none. */
pid_t crowd_pid(const struct crowd *c, unsigned slot);
void crowd_kill(const struct crowd *c);

#endif
