/* One packet of chat that came: opened, judged, and kept. The steps are durable one after the
 * other: the history has it, its number is taken, its one-time key is destroyed; then the caller
 * tells the server that it is done. Cut off at any of them, the same packet is received again with
 * the same outcome, and the history has it once. */
#ifndef CMD_CHAT_RECEIVE_H
#define CMD_CHAT_RECEIVE_H

#include "chat_desk.h"

enum chat_verdict {
	CHAT_CAME_MESSAGE, /* genuine; `place` tells what is missing, late or began anew */
	CHAT_CAME_RECEIPT, /* genuine, and news */
	CHAT_CAME_NOTHING, /* a receipt that tells nothing new, or another packet of a message that
			      the history has */
	CHAT_CAME_TWICE,   /* the very same packet was done with before */
	CHAT_CAME_USED,    /* it answers a one-time key that is used and destroyed */
	CHAT_CAME_UNKNOWN, /* it answers a one-time key that was not made in this folder, yet */
	CHAT_CAME_FORGED   /* not the contact's, not for us, or damaged */
};

struct chat_came {
	enum chat_verdict verdict;
	bool shown;                  /* before, in this run: only what is wrong with it is news */
	bool opened;                 /* now, by the keys that are pinned: it is the contact's */
	struct chat_note note;       /* of a message, or of a receipt; with TWICE its number */
	struct buf body;             /* of a message; owned */
	uint64_t record;             /* of it in the history */
	struct sequence_taken place; /* of a message */
	uint64_t lost;               /* with RECEIPT: missing, where more are than before */
	struct err why;              /* with FORGED */
};

/* c is open, and the caller has the desk's turn to receive. peer: c's, with the keys that are
 * pinned. 0, or -1: nothing can be said of it yet, and it may be received again (EX_TEMPFAIL).
 * chat_came_free is due in both cases. */
int chat_receive(struct chat_contact *c, const struct chat_peer *peer, const void *packet, size_t n,
	struct chat_came *out, struct err *e);
void chat_came_free(struct chat_came *came);

#endif
