/* Getting a message from the server: what is sealed is held, opened and judged, and handed out by
 * itself; anything else is handed out as it comes. */
#ifndef CMD_READING_H
#define CMD_READING_H

#include "opening.h"

struct reading {
	struct opener opener;
	bool as_stored; /* what is sealed is handed out as it is; judged only where it must be */
	bool whole;     /* of what is sealed: all that was signed, instead of its content */
	bool required;  /* only what is sealed, and signed by a key that is pinned, is handed out */
	struct mail_taker to;
	/* of the message that came */
	struct mail_received head; /* as the server says; in `text` */
	struct buf text, ahead;    /* ahead: content, until it is known what it is */
	bool decided, is_sealed;
	bool withheld; /* it is plain, which it may not be: nothing of it was handed out */
	struct held held;
	struct opened opened;
};

void reading_begin(struct reading *r, const struct account *a, const struct cli *c,
	const struct mail_taker *to);
void reading_end(struct reading *r);

/* Get one. What is sealed is not handed out yet, but judged: opened, in which it is a false word
 * that no pinned key signed it where that is required. 0, or -1: like the wire's read, like
 * opening_judge, or the taker's. May be called again for another. */
int reading_get(
	struct reading *r, struct mail_client *c, const struct mail_choice *which, struct err *e);
/* Say on stderr who signed it, and what is wrong. */
void reading_tell(const struct reading *r);
/* Is it plain though the signing key of who is said to have sent it is pinned, so that it could be
 * sealed? 1, 0, or -1. */
int reading_unsealed(const struct reading *r, struct err *e);
/* Hand out what was sealed: a head of what is inside, and the content; or as it is. 0 or -1. */
int reading_hand_out(struct reading *r, struct err *e);

#endif
