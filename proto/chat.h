/* Chat, end to end: what two members say to each other through a server that is trusted with
 * nothing but to keep bytes. PROTOCOL.md has every byte.
 *
 * Each message is a Noise_KK_25519_AESGCM_SHA256 exchange of its own. Whoever wants to be written
 * to keeps one-time first messages (e, es, ss) with the server for each contact: offers, numbered
 * and signed. Whoever writes takes one and answers it with (e, ee, se) and the text; what does not
 * fit into that follows in transport messages. Both ephemeral keys are used for that one message,
 * and destroyed. Where no offer is left, a message may go sealed (age) and signed instead: it is
 * not forward secret, and marked so. A receipt is signed, and tells how far messages have come.
 *
 * Nothing here reads a file or a socket. */
#ifndef PROTO_CHAT_H
#define PROTO_CHAT_H

#include "../crypto/noise.h"
#include "../crypto/p256.h"
#include "../keys/known.h"

#define CHAT_PATTERN "KK"

enum {
	CHAT_STREAM = 8,
	CHAT_FIRST = X25519_BYTES + NOISE_TAG,        /* bytes of message 1 */
	CHAT_OFFER = 8 + CHAT_FIRST + P256_SIGNATURE, /* of an offer: 120 */
	CHAT_BODY_MAX = 16 << 20,                     /* of a text, or of a file */
	CHAT_PIECE = 61440,                           /* of it in one transport message */
	CHAT_NAME_MAX = 200,                          /* bytes of a file's name */
	CHAT_TYPE_MAX = 100,                          /* of its media type */
	CHAT_PACKET_MAX = CHAT_BODY_MAX + (CHAT_BODY_MAX >> 6) + 65536
};

/* One of the two. */
struct chat_self {
	const char *name;
	const struct x25519_pair *x25519;
	const struct p256_pair *p256;
};
struct chat_peer {
	const char *name;
	const struct known_keys *keys; /* as they are pinned */
};

/* --- offers --- */

struct chat_offer {
	uint64_t number; /* from 1 */
	uint8_t first[CHAT_FIRST];
	uint8_t signature[P256_SIGNATURE];
};

/* Make the offer of this number for peer, with this pair (which store/onetime keeps until it is
 * answered). 0 or -1. */
int chat_offer_make(struct chat_offer *out, const struct chat_self *self,
	const struct chat_peer *peer, uint64_t number, const struct x25519_pair *e_pair,
	struct err *e);
/* Is it the peer's, for us? 0, or -1 (EX_PROTOCOL: forged, or for another). */
int chat_offer_check(const struct chat_offer *offer, const struct chat_self *self,
	const struct chat_peer *peer, struct err *e);

/* --- messages --- */

enum chat_kind { CHAT_TEXT, CHAT_FILE };

struct chat_message {
	uint8_t stream[CHAT_STREAM];
	uint64_t number; /* in it, from 1: store/sequence */
	int64_t time_us; /* by the sender's clock */
	enum chat_kind kind;
	char name[CHAT_NAME_MAX + 1]; /* of a file; checked: no path, no control characters */
	char type[CHAT_TYPE_MAX + 1]; /* "image/png"; of a file */
	struct buf body;              /* a text is UTF-8. Owned; buf_free wipes it */
	bool no_fs;                   /* it came, or goes, sealed: not forward secret */
};

enum chat_packet { CHAT_PACKET_MESSAGE = 1, CHAT_PACKET_SEALED = 2, CHAT_PACKET_RECEIPT = 3 };

/* Append the packet of a message that answers an offer, which was checked. The ephemeral key is
 * destroyed before this returns. 0, or -1: EX_DATAERR (too long, a name, no UTF-8), EX_PROTOCOL
 * (the offer is not sound), EX_TEMPFAIL. */
int chat_write(struct buf *out, const struct chat_self *self, const struct chat_peer *peer,
	const struct chat_offer *offer, const struct chat_message *m, struct err *e);
/* The same without an offer: sealed to the peer and to ourselves, and signed. The peer needs no
 * signing key for it. */
int chat_write_sealed(struct buf *out, const struct chat_self *self, const struct chat_peer *peer,
	const struct chat_message *m, struct err *e);

/* What a packet of n bytes is, and which of our offers it answers (0: none). 0, or -1
 * (EX_PROTOCOL: it is none). */
int chat_look(const void *p, size_t n, enum chat_packet *kind, uint64_t *offer, struct err *e);
/* Open a message that answers our offer; e_pair is that offer's. 0, or -1 (EX_PROTOCOL: forged, not
 * from this peer, or for another offer): the offer is as good as before then. out->body is due to
 * be freed in both cases. */
int chat_read(struct chat_message *out, const struct chat_self *self, const struct chat_peer *peer,
	const struct x25519_pair *e_pair, const void *p, size_t n, struct err *e);
/* Open a sealed one: it must be signed by the peer's pinned key, and say that it is from him and to
 * us. 0, or -1 (EX_PROTOCOL). */
int chat_read_sealed(struct chat_message *out, const struct chat_self *self,
	const struct chat_peer *peer, const void *p, size_t n, struct err *e);

/* --- receipts --- */

struct chat_receipt {
	uint8_t stream[CHAT_STREAM]; /* of the messages that came */
	uint64_t highest;            /* the newest of them; 0: none */
	uint64_t missing;            /* how many below it did not come */
	int64_t time_us;
};

int chat_receipt_write(struct buf *out, const struct chat_self *self, const struct chat_peer *peer,
	const struct chat_receipt *r, struct err *e);
/* 0, or -1 (EX_PROTOCOL: not signed by the peer's pinned key, or not for us). */
int chat_receipt_read(struct chat_receipt *out, const struct chat_self *self,
	const struct chat_peer *peer, const void *p, size_t n, struct err *e);

#endif
