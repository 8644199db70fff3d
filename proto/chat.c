/* Messages that answer an offer; see chat.h, and PROTOCOL.md for the bytes. */
#include "chat_parts.h"

enum { KIND = 1, NUMBER = 8, LENGTH = 2, HEAD = KIND + NUMBER + LENGTH };

static int forged(struct err *e, const char *why)
{
	return err_set(e, EX_PROTOCOL, "the packet is not sound: %s", why);
}

/* --- writing --- */

/* Room was reserved. */
static void put_length(struct buf *out, size_t n)
{
	out->p[out->n++] = (uint8_t)(n >> 8);
	out->p[out->n++] = (uint8_t)n;
}

static int put_pieces(
	struct buf *out, struct noise_cipher *c, const uint8_t *p, size_t n, struct err *e)
{
	while (n > 0) {
		size_t k = n < CHAT_PIECE ? n : CHAT_PIECE;
		put_length(out, k + NOISE_TAG);
		memcpy(out->p + out->n, p, k);
		if (noise_seal(c, out->p + out->n, k, e) != 0) {
			return -1;
		}
		out->n += k + NOISE_TAG;
		p += k;
		n -= k;
	}
	return 0;
}

/* Message 2 and the pieces, with room for them in out. */
static int answer(struct buf *out, struct noise *noise, const struct chat_offer *offer,
	const struct buf *header, const struct buf *body, struct err *e)
{
	struct noise_cipher c[2] = {0};
	uint8_t none[NOISE_TAG + CHAT_FIRST];
	size_t n;
	int rc;

	if (noise_read(noise, offer->first, CHAT_FIRST, none, &n, e) != 0) {
		return err_prefix(e, "the offer is not sound");
	}
	out->p[out->n++] = CHAT_PACKET_MESSAGE;
	put_u64be(out->p + out->n, offer->number);
	out->n += NUMBER;
	put_length(out, CHAT_MESSAGE_2 + header->n);
	rc = noise_write(
		noise, header->p, header->n, out->p + out->n, CHAT_MESSAGE_2 + header->n, &n, e);
	if (rc == 0) {
		out->n += n;
		rc = noise_split(noise, &c[0], &c[1], e);
	}
	if (rc == 0) {
		rc = put_pieces(out, &c[0], body->p, body->n, e);
	}
	wipe(c, sizeof c);
	return rc;
}

int chat_write_by(struct buf *out, const struct chat_self *self, const struct chat_peer *peer,
	const struct chat_offer *offer, const struct chat_message *m,
	const struct x25519_pair *e_pair, struct err *e)
{
	const size_t start = out->n, pieces = (m->body.n + CHAT_PIECE - 1) / CHAT_PIECE;
	struct buf header = {0};
	struct noise noise;
	int rc = chat_header_write(&header, m, NULL, NULL, e);

	if (rc == 0 && buf_reserve(out, HEAD + CHAT_MESSAGE_2 + header.n +
						pieces * (LENGTH + NOISE_TAG) + m->body.n) != 0) {
		rc = err_set(e, EX_TEMPFAIL, "cannot write the message: out of memory");
	}
	if (rc == 0) {
		rc = chat_exchange(&noise, false, self, peer, offer->number, e_pair, e);
		rc = rc == 0 ? answer(out, &noise, offer, &header, &m->body, e) : -1;
		wipe(&noise, sizeof noise);
		if (rc != 0) { /* a piece that was not sealed may stand there */
			wipe(out->p + start, out->cap - start);
			out->n = start;
		}
	}
	buf_free(&header);
	return rc;
}

int chat_write(struct buf *out, const struct chat_self *self, const struct chat_peer *peer,
	const struct chat_offer *offer, const struct chat_message *m, struct err *e)
{
	return chat_write_by(out, self, peer, offer, m, NULL, e);
}

/* --- reading --- */

static uint64_t get_u64be(struct cursor *c)
{
	uint64_t high = get_u32be(c);

	return high << 32 | get_u32be(c);
}

static size_t get_length(struct cursor *c)
{
	size_t high = get_u8(c);

	return high << 8 | get_u8(c);
}

int chat_look(const void *p, size_t n, enum chat_packet *kind, uint64_t *offer, struct err *e)
{
	struct cursor c = cursor_over(p, n);
	unsigned first = get_u8(&c);

	*offer = 0;
	if (n > CHAT_PACKET_MAX) {
		return forged(e, "it is too long");
	}
	switch (first) {
	case CHAT_PACKET_MESSAGE:
		*kind = CHAT_PACKET_MESSAGE;
		*offer = get_u64be(&c);
		return !c.failed && *offer > 0 && *offer <= INT64_MAX
			       ? 0
			       : forged(e, "it answers no offer");
	case CHAT_PACKET_SEALED:
		*kind = CHAT_PACKET_SEALED;
		return 0;
	case CHAT_PACKET_RECEIPT:
		*kind = CHAT_PACKET_RECEIPT;
		return 0;
	default:
		return forged(e, "it is of no known kind");
	}
}

static int get_pieces(struct buf *body, struct cursor *c, struct noise_cipher *cipher,
	uint64_t size, struct err *e)
{
	if (buf_reserve(body, (size_t)size + NOISE_TAG) != 0) {
		return err_set(e, EX_TEMPFAIL, "cannot read the message: out of memory");
	}
	while (body->n < size) {
		size_t left = (size_t)size - body->n;
		size_t k = (left < CHAT_PIECE ? left : CHAT_PIECE) + NOISE_TAG;
		const uint8_t *piece = get_length(c) == k ? get_bytes(c, k) : NULL;
		if (piece == NULL) {
			return forged(e, "a piece is missing");
		}
		memcpy(body->p + body->n, piece, k);
		if (noise_open(cipher, body->p + body->n, k, e) != 0) {
			return forged(e, "a piece was altered");
		}
		body->n += k - NOISE_TAG;
	}
	return cursor_left(c) == 0 && !c->failed ? 0 : forged(e, "something stands behind it");
}

/* Message 2 and what follows, after our own message 1 was made again. */
static int open_answer(
	struct chat_message *out, struct cursor *c, struct noise *noise, struct err *e)
{
	uint8_t header[CHAT_MESSAGE_2 + CHAT_HEADER_MAX];
	struct noise_cipher ciphers[2] = {0};
	size_t n = get_length(c), header_n;
	const uint8_t *message = n <= sizeof header ? get_bytes(c, n) : NULL;
	uint64_t size;
	int rc = -1;

	if (message == NULL) {
		return forged(e, "it is cut");
	}
	if (noise_read(noise, message, n, header, &header_n, e) != 0) {
		rc = forged(e, "it is not from whom it says, or not for this offer");
	} else if (noise_split(noise, &ciphers[0], &ciphers[1], e) == 0 &&
		   chat_header_read(out, &size, header, header_n, NULL, NULL, e) == 0 &&
		   get_pieces(&out->body, c, &ciphers[1], size, e) == 0) {
		rc = chat_body_check(out, e);
	}
	wipe(ciphers, sizeof ciphers);
	wipe(header, sizeof header);
	return rc;
}

int chat_read(struct chat_message *out, const struct chat_self *self, const struct chat_peer *peer,
	const struct x25519_pair *e_pair, const void *p, size_t n, struct err *e)
{
	struct cursor c = cursor_over(p, n);
	enum chat_packet kind;
	uint8_t first[CHAT_FIRST];
	struct noise noise;
	uint64_t offer;
	size_t first_n;
	int rc;

	*out = (struct chat_message){.kind = CHAT_TEXT};
	if (chat_look(p, n, &kind, &offer, e) != 0) {
		return -1;
	}
	if (kind != CHAT_PACKET_MESSAGE) {
		return forged(e, "it answers no offer");
	}
	(void)get_bytes(&c, KIND + NUMBER);
	rc = chat_exchange(&noise, true, self, peer, offer, e_pair, e);
	if (rc == 0) {
		rc = noise_write(&noise, NULL, 0, first, sizeof first, &first_n, e);
	}
	if (rc == 0) {
		rc = open_answer(out, &c, &noise, e);
	}
	wipe(&noise, sizeof noise);
	if (rc != 0) {
		buf_free(&out->body);
	}
	return rc;
}
