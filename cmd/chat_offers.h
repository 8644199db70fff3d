/* One-time keys for others to write to us with: a number of them stands with the server for each
 * member, and what was used of them is made again by every command that connects. */
#ifndef CMD_CHAT_OFFERS_H
#define CMD_CHAT_OFFERS_H

#include "chat_room.h"

enum {
	CHAT_OFFERS_FEW = 20,      /* for a member, */
	CHAT_OFFERS_MANY = 50,     /* and for one whom we talk to */
	CHAT_OFFERS_MEMBERS = 200, /* of the directory */
	CHAT_OFFERS_AT_ONCE = 400, /* that one command makes; the next one goes on */
	/* of a contact's since they were last replaced, that nothing has answered: then there are
	 * no more, whatever the server says that it holds */
	CHAT_OFFERS_UNANSWERED = 200,
	/* They are replaced when they are so old. What somebody took before, and sent late, finds
	 * the private half for some days more; then it is destroyed. */
	CHAT_OFFERS_STAND_DAYS = 21,
	CHAT_OFFERS_LATE_DAYS = 9,
	CHAT_OFFERS_KEPT_DAYS = CHAT_OFFERS_STAND_DAYS + CHAT_OFFERS_LATE_DAYS
};

/* first: whom this is about, who gets his ahead of the others; may be NULL. Members whose key has
 * changed get none, and are told of. 0, or -1 (the connection's, or the disk's). */
int chat_offers_top_up(struct chat_room *r, const char *first, struct err *e);

/* Destroy the private halves that are too old, but for those of a contact of whom something waits
 * that could not be read. All else that waits was fetched, and the caller has the turn to receive:
 * so none that waits is lost, also when the clock jumps. 0 or -1. */
int chat_offers_give_up(struct chat_room *r, struct err *e);

#endif
