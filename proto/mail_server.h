/* What every server half does with a message, whatever wire it came by: judge it, fix its id and
 * time, write it as text, hand it to the store; and read it back. */
#ifndef PROTO_MAIL_SERVER_H
#define PROTO_MAIL_SERVER_H

#include "../store/mailbox.h"
#include "message.h"

/* The store's mailbox_describe for this text format. */
mailbox_describe mail_describe;

/* A message on its way from a client into the store. */
struct mail {
	struct mailbox *box; /* the caller's, like the two below */
	const char *user;    /* who logged in */
	const uint8_t *id;   /* MAILBOX_ID_BYTES: store it once under this id; NULL: a fresh one, */
	bool named;          /* which the caller has put into meta.id */
	uint64_t max_chars;
	struct mailbox_usage defaults; /* limits of accounts that have none of their own */
	uint64_t announced;            /* bytes of content; 0: the wire tells characters alone */
	struct mailbox_draft *draft;
	struct mailbox_meta meta;
	struct users_list to;
	struct buf to_text;           /* the recipients as they were written */
	size_t head_bytes;            /* of the stored header */
	uint64_t bytes;               /* of content that has come */
	struct mailbox_usage *limits; /* owned, one for each of `to`; NULL: none has a limit */
	bool full;                    /* refused, because a mailbox has no room for it */
	bool again;                   /* delivered before, under this id */
};

/* Judge the header: From is who logged in, the title and the length are within limits, every
 * recipient is a user, and no mailbox is full. Then begin a draft. 0, or -1: EX_DATAERR, EX_NOPERM
 * (From), EX_NOUSER, EX_TEMPFAIL (`full` says whether it is for want of room in a mailbox).
 * mail_end() is due after it in every case. */
int mail_begin(
	struct mail *m, const struct users *users, const struct message_head *h, struct err *e);
int mail_content(struct mail *m, const void *p, size_t n, struct err *e);
/* All of it has arrived: deliver to all or none. 0, or -1 (EX_TEMPFAIL; `full` as above). */
int mail_deliver(struct mail *m, struct err *e);
void mail_end(struct mail *m);

/* Where a message goes while it is read. text: its header as it is stored, h->bytes. */
struct mail_sink {
	int (*head)(void *arg, const struct message_head *h, const uint8_t *text,
		uint64_t content_bytes, struct err *e);
	int (*content)(void *arg, const void *p, size_t n, struct err *e);
	void *arg;
};

/* Read a stored message in pieces. It is looked at first: what disagrees with its own Content
 * Length is never begun. 0, or -1: EX_NOINPUT, EX_DATAERR, EX_TEMPFAIL, or what the sink returned
 * -1 with. */
int mail_read(struct mailbox *box, const char *user, const struct mailbox_ref *ref,
	const struct mail_sink *sink, struct err *e);

#endif
