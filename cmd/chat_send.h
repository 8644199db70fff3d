/* Messages on their way out. A message is in the history first, as waiting, with its number; then
 * a one-time key of the contact's is taken for it, the packet is written to
 * NAME_chat/CONTACT.out/RECORD, sent, and noted as sent. Cut off anywhere, the rest is done by the
 * next run: nothing is lost, and nothing is sent twice with two contents. */
#ifndef CMD_CHAT_SEND_H
#define CMD_CHAT_SEND_H

#include "chat_room.h"

/* What is to be sent. */
struct chat_text {
	enum chat_kind kind;
	char name[CHAT_NAME_MAX + 1], type[CHAT_TYPE_MAX + 1]; /* of a file */
	struct buf body;
};

/* Keep it as waiting, durably. record: of it in the history. 0 or -1. */
int chat_send_keep(struct chat_room *r, struct chat_node *n, const struct chat_text *t,
	uint64_t *record, struct err *e);

struct chat_sent {
	size_t sent, waiting; /* messages */
	size_t without_fs;    /* of those that were sent */
	size_t twice, forged; /* one-time keys that the server gave, and that were not used */
};

/* Send all that waits for this contact, in order. allow_no_fs: sealed, where the contact's one-time
 * keys have run out. 0, also when they have and messages still wait; or -1. *out is set in both
 * cases. */
int chat_send_waiting(struct chat_room *r, struct chat_node *n, bool allow_no_fs,
	struct chat_sent *out, struct err *e);

/* Every contact that something waits for. One who cannot be written to keeps the others from
 * nothing. tell is called for each, whatever came of it: the server may have done wrong. 0, or -1
 * (the connection's). */
typedef void chat_tell_sent(void *arg, const struct chat_node *n, const struct chat_sent *sent);
int chat_send_all_waiting(struct chat_room *r, chat_tell_sent *tell, void *arg, struct err *e);

/* Remove what is on its way to this contact: with the history, or with his old key. */
int chat_send_drop(const struct chat_desk *d, const char *contact, bool all, struct err *e);

#endif
