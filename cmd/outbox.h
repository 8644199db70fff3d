/* Letters on their way: posted ahead of their acknowledgements, as far as the wire lets, and each
 * reported by itself. */
#ifndef CMD_OUTBOX_H
#define CMD_OUTBOX_H

#include "sealing.h"

enum { OUTBOX_AHEAD = 64 };

struct outgoing {
	struct buf to, title; /* each ends in a NUL */
	struct content content;
	uint8_t id[MAIL_ID];
	uint64_t chars; /* kept when the content is let go */
};

struct outbox {
	struct account *account;
	const struct cli *cli;
	struct mail_client *client; /* NULL until the first letter is ready */
	uint64_t max_chars;         /* of a letter, as far as is known before the server says */
	bool many, json, seals;     /* seals: set behind outbox_new */
	struct sealing sealing;
	struct held sealed;                        /* the letter that is being posted */
	struct outgoing letters[OUTBOX_AHEAD + 1]; /* a ring */
	size_t first, n;                           /* posted, and not acknowledged yet */
	size_t used; /* of the ring, so far: one letter touches the memory of one */
	size_t failed;
	int code; /* of the first that failed */
};

/* Resolve the account; it connects with the first letter. many: a line for each letter. NULL with
 * e. */
struct outbox *outbox_new(
	struct account *a, const struct cli *c, bool many, bool json, struct err *e);
void outbox_free(struct outbox *o);

/* An empty letter to fill, and then to post or to report. NULL: no more can be sent, e. */
struct outgoing *outbox_letter(struct outbox *o, struct err *e);
/* 0, or -1 when no more can be sent: e, or an empty text when all was said already. */
int outbox_post(struct outbox *o, struct outgoing *l, struct err *e);
/* This letter cannot be sent; the others can. */
void outbox_fault(struct outbox *o, struct outgoing *l, const struct err *why);
/* Take what is still to be acknowledged. 0, or -1 like post. */
int outbox_settle(struct outbox *o, struct err *e);
/* Take what is still to be acknowledged, and say goodbye. 0 when all were stored; -1 like post. */
int outbox_finish(struct outbox *o, struct err *e);

/* Letters from stdin, a line of JSON each. 0 or -1, like outbox_finish. */
int outbox_batch(struct outbox *o, struct err *e);

/* An id as 32 digits of lower-case hex. 0, or -1 (EX_USAGE). */
int outbox_read_id(const char *text, size_t n, uint8_t out[static MAIL_ID], struct err *e);

#endif
