/* What the packets of chat share; see chat.h. */
#ifndef PROTO_CHAT_PARTS_H
#define PROTO_CHAT_PARTS_H

#include "chat.h"

enum {
	CHAT_PROLOGUE_MAX = 15 + 2 * (USER_NAME_MAX + 1) + 8,
	CHAT_HEADER_STEP = 64,   /* a header is padded to a multiple: its length tells little */
	CHAT_HEADER_MAX = 1024,  /* a name and a type may double in JSON */
	CHAT_RECEIPT_MAX = 1024, /* bytes of a receipt's JSON */
	CHAT_MESSAGE_2 = X25519_BYTES + NOISE_TAG /* beyond its payload */
};

/* What both sides of an exchange must agree on: whose offer it is, who answers it, its number. The
 * bytes of it. */
size_t chat_prologue(uint8_t out[static CHAT_PROLOGUE_MAX], const char *owner, const char *answerer,
	uint64_t number);
/* Begin the exchange, as the owner of the offer or as who answers it. 0 or -1. */
int chat_exchange(struct noise *noise, bool owner, const struct chat_self *self,
	const struct chat_peer *peer, uint64_t number, const struct x25519_pair *e_pair,
	struct err *e);

/* A message's header as JSON, padded with blanks. from, to: NULL within an exchange, which says it
 * already. The message is checked: 0, or -1 (EX_DATAERR, EX_TEMPFAIL). */
int chat_header_write(struct buf *out, const struct chat_message *m, const char *from,
	const char *to, struct err *e);
/* Read it strictly into all but the body; *size: the bytes of that. from, to: must stand in it,
 * unless they are NULL. 0, or -1 (EX_PROTOCOL, EX_TEMPFAIL). */
int chat_header_read(struct chat_message *out, uint64_t *size, const void *p, size_t n,
	const char *from, const char *to, struct err *e);
/* Text is UTF-8: what the header cannot tell. 0, or -1 (EX_PROTOCOL). */
int chat_body_check(const struct chat_message *m, struct err *e);

/* The peer's signature of a digest, by the key that is pinned; what: "offer". 0, or -1
 * (EX_PROTOCOL). */
int chat_signed(const struct chat_peer *peer, const uint8_t signature[static P256_SIGNATURE],
	const uint8_t digest[static HASH_BYTES], const char *what, struct err *e);

/* chat_write with an ephemeral key that is given: tests alone have one. */
int chat_write_by(struct buf *out, const struct chat_self *self, const struct chat_peer *peer,
	const struct chat_offer *offer, const struct chat_message *m,
	const struct x25519_pair *e_pair, struct err *e);

/* A stream's name as text. 0, or -1: it is none. */
int chat_stream_read(uint8_t out[static CHAT_STREAM], const void *object, struct err *e);

#endif
