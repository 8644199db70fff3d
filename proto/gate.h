/* How many of a server's processes may compute at once: a session takes a slot before it hashes a
 * password, so that strangers who guess cannot take all memory and all processors. A slot that a
 * dead process held is free again (POSIX record locks on an unlinked file). */
#ifndef PROTO_GATE_H
#define PROTO_GATE_H

struct gate {
	int fd; /* -1: no file could be had, and nothing is bounded */
	unsigned slots;
	unsigned taken; /* the slot that this process holds */
};

/* One slot for each processor. */
void gate_open(struct gate *g);
void gate_close(struct gate *g);

/* Wait for a slot, and give it back. */
void gate_take(struct gate *g);
void gate_give(struct gate *g);

#endif
