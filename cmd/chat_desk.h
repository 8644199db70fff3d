/* What a user has of chats on disk, in the folder NAME_chat: histories, numbers, one-time keys, and
 * what is on its way. Here: the folder and its locks, and a contact's history with what chat must
 * know of it. Everything works without a server. */
#ifndef CMD_CHAT_DESK_H
#define CMD_CHAT_DESK_H

#include "../store/history.h"
#include "chat_note.h"

struct chat_desk {
	int dir; /* NAME_chat; the caller's, as self is */
	struct chat_self self;
	const void *passphrase; /* of histories; NULL: none was given */
	size_t passphrase_n;
	unsigned batch;    /* that is the next one, or under way */
	unsigned patience; /* seconds to wait for one's turn; 0: CHAT_DESK_PATIENCE */
};

enum { CHAT_DESK_PATIENCE = 30 };

/* One process at a time receives, and one sends and makes offers: wait for one's turn, which lasts
 * until the descriptor is closed. Who was next while another had it gets it ahead of that one.
 * Whoever has it may be waiting for a server that does not answer.
 * A descriptor, or -1 (EX_TEMPFAIL: another has it all the time; he is named). */
#define CHAT_DESK_RECEIVING ".receiving"
#define CHAT_DESK_SENDING ".sending"
int chat_desk_lock(const struct chat_desk *d, const char *what, struct err *e);

/* A small file of the desk's, replaced durably; or removed, which need not last. 0 or -1. */
int chat_desk_write(
	const struct chat_desk *d, const char *name, const void *p, size_t n, struct err *e);
int chat_desk_remove(const struct chat_desk *d, const char *name, struct err *e);

/* The contacts of whom the desk has something that ends like this, as ".out". 0 or -1. free() names
 * in both cases. */
struct chat_names {
	char (*names)[USER_NAME_MAX + 1];
	size_t n;
};
int chat_desk_names(
	const struct chat_desk *d, const char *end, struct chat_names *out, struct err *e);

/* --- a contact --- */

struct chat_in {
	uint8_t id[SEQUENCE_ID];
	uint64_t number, record;
	bool again; /* it came again, in this batch: see `undone` */
};
struct chat_out {
	uint8_t stream[CHAT_STREAM];
	uint64_t number, record;
	bool sent, no_fs;
	bool lost; /* it was never sent, and is damaged: it cannot be, which was told */
};

struct chat_contact {
	const struct chat_desk *desk;
	char name[USER_NAME_MAX + 1];
	struct history *history;
	uint64_t seen;  /* the last record that was looked at */
	uint64_t since; /* where this run began: what came behind it is shown, */
	uint64_t shown; /* and was, up to this one */
	/* A batch before was cut off between keeping what came, from this record on, and telling
	 * the server: when it comes again now, once, the server does not repeat it of itself.
	 * 0: none */
	uint64_t undone;
	unsigned batch; /* the last one that this contact is in, and 1 */
	struct chat_in *in;
	size_t in_n, in_cap;
	struct chat_out *out;
	size_t out_n, out_cap;
	size_t sent_n;            /* of those, up to the last one that was noted as sent */
	struct chat_note receipt; /* the newest; number 0: none */
	uint64_t arrived;         /* all up to this number of receipt.stream have */
};

/* Open its history, made on demand, and look through it. 0, or -1 as history_open has it. Close it
 * in both cases. */
int chat_contact_open(
	struct chat_contact *c, const struct chat_desk *d, const char *name, struct err *e);
void chat_contact_close(struct chat_contact *c);
/* Look at what was added since, by whomever. 0 or -1. */
int chat_contact_look(struct chat_contact *c, struct err *e);
/* The same, of the history that there is now: where it was deleted, and another process has begun a
 * new one, that is opened, if it can be. */
int chat_contact_follow(struct chat_contact *c, struct err *e);
/* Around a batch of what comes, by whoever has the turn: anew, ahead of it: one before, of this run
 * too, may have been cut off; begin, ahead of the first packet of a contact's, tells `undone`;
 * done, when the server knows that all of it is ours. 0 or -1. */
void chat_desk_anew(struct chat_desk *d);
int chat_desk_begin(const struct chat_desk *d, struct chat_contact *c, struct err *e);
int chat_desk_done(struct chat_desk *d, struct err *e);
/* Append durably, and look. record (may be NULL): its number. A history that was deleted meanwhile
 * is made anew; but a message of ours has another number then: -1, EX_NOINPUT. */
int chat_contact_add(struct chat_contact *c, const struct chat_note *note, const void *body,
	size_t n, uint64_t *record, struct err *e);

/* NULL: no packet with this id is in the history. */
struct chat_in *chat_contact_find(
	const struct chat_contact *c, const uint8_t id[static SEQUENCE_ID]);
/* The body of a record. 0, or -1 (EX_DATAERR: it is damaged, or there is none). */
int chat_contact_body(struct chat_contact *c, uint64_t record, struct chat_note *note,
	struct buf *body, struct err *e);

enum chat_state { CHAT_STATE_WAITING, CHAT_STATE_SENT, CHAT_STATE_DELIVERED };
enum chat_state chat_contact_state(const struct chat_contact *c, const struct chat_out *out);

#endif
