/* What the server keeps of chats: offers that members have made to each other, and packets that
 * wait to be fetched; bytes, to it. One engine, over folders; all files are 0600:
 *
 *     .chat/bob/offers/alice     bob's offers for alice: a count of those that were taken, then the
 *                                offers, in order
 *     .chat/bob/waiting/NAME     a packet for bob; NAME is TIME-ID-SIZE-FROM: when it came, which
 *                                is later than all before it, in microseconds; the beginning of
 *                                its SHA-256; its bytes; all three in hex
 *     .chat/bob/receipts/alice   the newest receipt of alice's for bob
 *     .chat/bob/last/alice       a hint: which stream, number and packet of alice's came last, and
 *                                at most how many packets of hers wait, and their bytes
 *     .chat/bob/room             a hint: how many packets wait, their bytes, when the last one came
 *     .chat/bob/present          locked (flock, shared) while a session of bob's waits; its time of
 *                                change is when one stood last
 *
 * Whoever changes something of bob's holds the lock of .chat/bob (flock on the folder). What stands
 * on stable storage is, whatever instant a kill or a power cut came at:
 *
 *   a put      1  nothing, or ".NAME.new"  not waiting; the next talk_done removes it, but for one
 *                                          that is still written (flock on the file)
 *              2  NAME                     waiting, whole; if the power fails, nothing, or torn, as
 *                                          its name tells: then it is put aside
 *              3  it and the folder synced it waits, whole
 *              4  "last" names it          the same, and a repetition is told from a new packet
 *     Before 4 (and, as a hint is not synced, for a while behind it when the power fails) the same
 *     packet, sent again, may wait twice. It has one ID both times: one talk_done takes both.
 *   a receipt  the old one or the new one (crypto/file.h)
 *   offers     the old ones or those and the new ones (crypto/file.h)
 *   a take     1  the count as it was      nobody has the offer
 *              2  one more, synced         it is given to whoever asked, and never again; or, if he
 *                                          was not told any more, to nobody
 *   a done     some of the packets are gone, or all of them, synced behind the last
 *
 * Names of users become files: they are judged first (user_name_valid); no symlink is followed. */
#ifndef STORE_TALK_H
#define STORE_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../crypto/bytes.h"
#include "../crypto/err.h"

enum {
	TALK_OFFER = 120,      /* bytes */
	TALK_OFFERS_MAX = 100, /* that stand for one member */
	TALK_ID = 16,
	TALK_STREAM = 8,
	TALK_WAITING_MAX = 20000,   /* packets that wait for one member, */
	TALK_SHARE = 4,             /* one in so many of them, and of bytes, from one sender */
	TALK_PACKET_MAX = 17 << 20, /* their bytes each, from 1, */
	TALK_PIECE = 64 << 10,      /* in pieces of so many, */
	TALK_RECEIPT_MAX = 1024     /* and those of a receipt */
};

struct talk;

struct talk_packet {
	uint8_t id[TALK_ID]; /* the first bytes of its SHA-256 */
	char from[USER_NAME_MAX + 1];
	int64_t us; /* when it came; receipts stand by theirs, too */
	size_t n;
	struct talk_bytes *bytes; /* for talk_piece */
};
/* During its visit: the bytes of a packet from this one of them on, a piece of them or as many as
 * are left; they stand until the next piece. 0, or -1 (EX_TEMPFAIL; EX_DATAERR: it became shorter
 * meanwhile). */
int talk_piece(
	const struct talk_packet *packet, size_t from, const uint8_t **p, size_t *n, struct err *e);

/* Non-zero ends the visit and is returned by it. */
typedef int talk_visit_packet(void *arg, const struct talk_packet *packet, struct err *e);
typedef int talk_visit_offers(void *arg, const char *to, uint64_t held, struct err *e);

/* Over a server's folder (a descriptor, which it duplicates). Nothing is made before it is needed.
 * Each returns 0, or -1: EX_TEMPFAIL (the system, or *full: a limit), EX_DATAERR (a name that no
 * user has, or more bytes than a limit). What returned 0 is on stable storage. */
int talk_open(int dir, struct talk **out, struct err *e);
void talk_close(struct talk *t); /* NULL is fine */

/* Keep all n of them, or none. A file of offers that is damaged is put aside, by this or by
 * talk_take, as ".damaged-NAME": nothing of it is given to anybody. */
int talk_offer(struct talk *t, const char *owner, const char *to,
	const uint8_t (*offers)[TALK_OFFER], size_t n, uint64_t *held, bool *full, struct err *e);
int talk_offers(
	struct talk *t, const char *owner, talk_visit_offers *visit, void *arg, struct err *e);
int talk_withdraw(struct talk *t, const char *owner, const char *to, struct err *e);
/* The oldest that stands, and never the same one twice. */
int talk_take(struct talk *t, const char *owner, const char *by, uint8_t out[static TALK_OFFER],
	bool *none, struct err *e);

struct talk_post {
	const char *from, *to;
	uint8_t stream[TALK_STREAM];
	uint64_t number;
	int64_t us;         /* now */
	uint64_t max_bytes; /* that may wait for `to` in all; 0: no limit */
};
/* *again: the last one from him had this stream and number, and was this very packet. *full: no
 * more fits, or no more from him, of whom no more than a share of what may wait does; but one
 * packet of his that fits may wait however small his share is. */
int talk_put(struct talk *t, const struct talk_post *post, const void *p, size_t n, bool *again,
	bool *full, struct err *e);
/* The same for one that comes in pieces, n bytes of them at most: they go to a file, which is no
 * packet until all of it was put; where there is no room for so many, to none, and talk_put_draft
 * tells that. */
struct talk_draft;
int talk_begin(struct talk *t, const struct talk_post *post, size_t n, struct talk_draft **out,
	struct err *e);
int talk_append(struct talk_draft *d, const void *p, size_t n, struct err *e);
/* From and to whom it was begun. */
int talk_put_draft(struct talk *t, const struct talk_post *post, struct talk_draft *d, bool *again,
	bool *full, struct err *e);
void talk_end(struct talk_draft *d); /* put or not; NULL is fine */
int talk_put_receipt(
	struct talk *t, const struct talk_post *post, const void *p, size_t n, struct err *e);
/* Receipts first, then packets in the order of arrival; after (may be NULL): those that stand
 * behind the one with this id, and none where it does not wait any more. A file that is none of
 * them is passed over; a packet that is not the one that its name says is put aside, as
 * ".damaged-NAME". */
int talk_waiting(struct talk *t, const char *owner, const uint8_t *after, talk_visit_packet *visit,
	void *arg, struct err *e);
int talk_count(struct talk *t, const char *owner, uint64_t *packets, struct err *e);
/* An id that nothing has is fine. */
int talk_done(
	struct talk *t, const char *owner, const uint8_t (*ids)[TALK_ID], size_t n, struct err *e);

/* Hold it open for as long as a session waits. A descriptor for talk_absent, or -1. */
int talk_present(struct talk *t, const char *owner, struct err *e);
void talk_absent(int fd); /* -1 is fine */
/* *last_us: 0 where none ever waited. */
int talk_presence(struct talk *t, const char *name, bool *present, int64_t *last_us, struct err *e);

/* Is what is kept of this user's chats whole? Told of each thing that is not; harmless: nothing is
 * lost with it. 0 or -1. */
typedef void talk_finding(void *arg, bool harmless, const char *what);
int talk_check(struct talk *t, const char *user, talk_finding *found, void *arg, struct err *e);

/* All that is kept for this user: offers by him and for him, what waits for him. What he has sent
 * to others is theirs, and stays. */
int talk_forget(struct talk *t, const char *owner, struct err *e);

#endif
