/* Chat over the enhanced protocol: what its client asks of the server, which keeps offers and
 * packets (chat.h) for others and reads none of them. The connection is a mail_client that
 * enhanced_client_open has opened; all return 0, or -1 with e as in enhanced_files.h. */
#ifndef PROTO_ENHANCED_CHAT_H
#define PROTO_ENHANCED_CHAT_H

#include "chat.h"
#include "enhanced_client.h"

/* Keep these with the server, for `to` to take. At most ENHANCED_CHAT_OFFERS stand for one member:
 * *held is how many do now. *refused (may be NULL), with -1: the server has kept none of them for
 * certain; else nobody knows. */
int enhanced_chat_offer(struct mail_client *c, const char *to, const struct chat_offer *offers,
	size_t n, uint64_t *held, bool *refused, struct err *e);
/* How many of ours stand with the server, for whom. */
struct chat_held {
	char to[USER_NAME_MAX + 1];
	uint64_t held;
};
typedef int chat_visit_held(void *arg, const struct chat_held *row, struct err *e);
int enhanced_chat_offers(struct mail_client *c, chat_visit_held *visit, void *arg, struct err *e);
/* Take back all of ours for `to`: after their private halves were lost. */
int enhanced_chat_withdraw(struct mail_client *c, const char *to, struct err *e);

/* Take an offer of this member's for us: the server gives each once. *none: there is none. */
int enhanced_chat_take(
	struct mail_client *c, const char *of, struct chat_offer *out, bool *none, struct err *e);

/* Have the server keep a packet for `to`. number: with it and the stream, a packet that is sent
 * again after a lost answer is kept once (*again). EX_TEMPFAIL: too much waits for him already. */
int enhanced_chat_send(struct mail_client *c, const char *to,
	const uint8_t stream[static CHAT_STREAM], uint64_t number, const void *packet, size_t n,
	bool *again, struct err *e);
/* The same with a receipt: it takes the place of the one before it. */
int enhanced_chat_receipt(
	struct mail_client *c, const char *to, const void *packet, size_t n, struct err *e);

/* What waits for us, in the order of arrival, oldest first: at most `limit` packets (0: as many as
 * the server gives at once), from behind the one with the id `after` (NULL: from the first). *more:
 * others wait. Each stays with the server until it is done. */
struct chat_waiting {
	uint8_t id[16];
	char from[USER_NAME_MAX + 1]; /* by the server's word */
	int64_t us;                   /* when it came there */
	const uint8_t *packet;        /* valid during the visit */
	size_t n;
};
/* It asks nothing of the server: the rest of the answer is under way. Non-zero ends the visit, and
 * the connection. */
typedef int chat_visit_waiting(void *arg, const struct chat_waiting *row, struct err *e);
int enhanced_chat_fetch(struct mail_client *c, uint64_t limit, const uint8_t *after,
	chat_visit_waiting *visit, void *arg, bool *more, struct err *e);
/* They are ours now: the server drops them, durably. */
int enhanced_chat_done(struct mail_client *c, const uint8_t (*ids)[16], size_t n, struct err *e);

/* Wait for packets without blocking: ask, poll enhanced_chat_fd for reading together with whatever
 * else is waited for, then take the answer. Any other request may be made instead of taking it: it
 * ends the waiting, and its answer is dropped. While it waits we count as present. seconds: at most
 * (the server may answer sooner, with nothing). beyond: that many are known, and no news. */
int enhanced_chat_wait(struct mail_client *c, unsigned seconds, uint64_t beyond, struct err *e);
int enhanced_chat_fd(struct mail_client *c);
/* Has anything arrived that poll would not show (it was read already)? */
bool enhanced_chat_has_bytes(struct mail_client *c);
int enhanced_chat_waited(struct mail_client *c, uint64_t *packets, struct err *e);

/* Who is there: has a chat-wait standing now; else when one stood last (0: never). The server's
 * word. */
struct chat_presence {
	bool present;
	int64_t last_us;
};
int enhanced_chat_presence(
	struct mail_client *c, const char *name, struct chat_presence *out, struct err *e);

#endif
