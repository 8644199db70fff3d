/* What a user remembers of the one-time keys between him and a contact, in NAME_chat/CONTACT.state.
 * It is no secret, and it must not go back in time: replaced durably. */
#ifndef CMD_CHAT_STATE_H
#define CMD_CHAT_STATE_H

#include "../crypto/hash.h"
#include "chat_desk.h"

enum {
	CHAT_STATE_USED =
		500,        /* offers of the contact's that are remembered; one that is older, and
				* comes again, is found out by him, who has destroyed its key */
	CHAT_STATE_MARK = 8 /* bytes of an offer's SHA-256 */
};

struct chat_state_keys {
	bool offered;                  /* the offers that stand with the server are these: */
	uint8_t to[X25519_BYTES];      /* for this key of the contact's, */
	uint8_t by[X25519_BYTES];      /* by this one of ours, */
	uint8_t signed_by[HASH_BYTES]; /* and signed by the one with this digest */
	uint64_t renewed_from;         /* of those that stand none has a lower number: */
	int64_t renewed_us;            /* all others were withdrawn then */
	uint8_t packets[X25519_BYTES]; /* for this key of his are the packets that wait */
	uint8_t used[CHAT_STATE_USED][CHAT_STATE_MARK]; /* the newest last */
	size_t used_n;
	/* the last of our numbers in this stream that a packet was made with, for good */
	uint8_t stream[CHAT_STREAM];
	uint64_t packed;
	bool packed_no_fs; /* that packet went sealed */
};

/* None yet is all zeros. 0, or -1 (EX_CONFIG: damaged; EX_TEMPFAIL). */
int chat_state_load(
	const struct chat_desk *d, const char *contact, struct chat_state_keys *out, struct err *e);
int chat_state_save(const struct chat_desk *d, const char *contact, const struct chat_state_keys *s,
	struct err *e);

/* Note that this offer is used. false: it was before. */
bool chat_state_use(struct chat_state_keys *s, const struct chat_offer *offer);

#endif
