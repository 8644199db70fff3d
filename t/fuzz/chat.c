/* Packets of chat, for a member whose keys everybody knows. The first byte of an input says what
 * the rest is: bytes from a server that lies, or what a member who knows all keys puts into a sound
 * exchange, seal or signature. What is read once is written again, and read as the same. */
#include "fuzz.h"

#include "../../crypto/age.h"
#include "../../crypto/sshsig.h"
#include "../../proto/chat_parts.h"

enum { PACKET, OFFER, HEADER, PIECES, SEALED, SIGNED, RECEIPT, KINDS };

static struct member {
	struct x25519_pair x25519, e;
	struct p256_pair p256;
	struct known_keys keys;
	struct chat_self self;
	struct chat_peer peer;
} alice, bob;
static struct chat_offer offer; /* Bob's for Alice */
static struct err e;

static void make_member(struct member *m, const char *name, uint8_t seed)
{
	m->x25519.private[0] = m->e.private[1] = m->p256.private[2] = seed;
	x25519_public(m->x25519.public, m->x25519.private);
	x25519_public(m->e.public, m->e.private);
	assert(p256_public(m->p256.public, m->p256.private) == 0);
	memcpy(m->keys.x25519, m->x25519.public, X25519_BYTES);
	memcpy(m->keys.p256, m->p256.public, P256_PUBLIC);
	m->keys.signs = true;
	m->self = (struct chat_self){name, &m->x25519, &m->p256};
	m->peer = (struct chat_peer){name, &m->keys};
}

static void begin(void)
{
	if (offer.number == 0) {
		make_member(&alice, "alice", 1);
		make_member(&bob, "bob", 2);
		assert(chat_offer_make(&offer, &bob.self, &alice.peer, 1, &bob.e, &e) == 0);
	}
}

/* Of a message that was read: all of it can be written, and read as the same. */
static void read_again(const struct chat_message *m)
{
	struct chat_message back;
	struct buf packet = {0};

	assert(m->body.n <= CHAT_BODY_MAX);
	assert(chat_write_by(&packet, &alice.self, &bob.peer, &offer, m, &alice.e, &e) == 0);
	assert(packet.n <= CHAT_PACKET_MAX);
	assert(chat_read(&back, &bob.self, &alice.peer, &bob.e, packet.p, packet.n, &e) == 0);
	assert(back.number == m->number && back.time_us == m->time_us && back.kind == m->kind);
	assert(strcmp(back.name, m->name) == 0 && strcmp(back.type, m->type) == 0);
	assert(memcmp(back.stream, m->stream, CHAT_STREAM) == 0 && back.body.n == m->body.n);
	assert(m->body.n == 0 || memcmp(back.body.p, m->body.p, m->body.n) == 0);
	assert(strchr(m->name, '/') == NULL && !has_control(m->name, strlen(m->name)));
	buf_free(&back.body);
	buf_free(&packet);
}

static void read_packet(const uint8_t *p, size_t n)
{
	struct chat_message m;
	struct chat_receipt r;
	enum chat_packet kind = 0;
	uint64_t number = 0;

	if (chat_look(p, n, &kind, &number, &e) != 0) {
		assert(e.code == EX_PROTOCOL);
	}
	if (chat_read(&m, &bob.self, &alice.peer, &bob.e, p, n, &e) == 0) {
		assert(kind == CHAT_PACKET_MESSAGE && number > 0);
		read_again(&m);
	} else {
		assert(e.code == EX_PROTOCOL && m.body.p == NULL);
	}
	buf_free(&m.body);
	if (chat_read_sealed(&m, &bob.self, &alice.peer, p, n, &e) == 0) {
		assert(kind == CHAT_PACKET_SEALED && m.no_fs);
		read_again(&m);
	} else {
		assert(e.code == EX_PROTOCOL && m.body.p == NULL);
	}
	buf_free(&m.body);
	if (chat_receipt_read(&r, &bob.self, &alice.peer, p, n, &e) == 0) {
		assert(kind == CHAT_PACKET_RECEIPT && r.missing <= r.highest);
	} else {
		assert(e.code == EX_PROTOCOL && r.highest == 0);
	}
}

/* Bytes of an offer: only the one that Bob made is his. */
static void check_offer(const uint8_t *p, size_t n)
{
	struct cursor c = cursor_over(p, n);
	struct chat_offer given;
	const uint8_t *first, *signature;

	given.number = (uint64_t)get_u32be(&c) << 32;
	given.number |= get_u32be(&c);
	first = get_bytes(&c, sizeof given.first);
	signature = get_bytes(&c, sizeof given.signature);
	if (signature == NULL) {
		return;
	}
	memcpy(given.first, first, sizeof given.first);
	memcpy(given.signature, signature, sizeof given.signature);
	if (chat_offer_check(&given, &alice.self, &bob.peer, &e) == 0) {
		assert(given.number == offer.number);
		assert(memcmp(given.first, offer.first, sizeof offer.first) == 0);
	} else {
		assert(e.code == EX_PROTOCOL);
	}
}

static void read_header(const uint8_t *p, size_t n)
{
	struct chat_message m = {.kind = CHAT_TEXT};
	uint64_t size;

	if (chat_header_read(&m, &size, p, n, NULL, NULL, &e) == 0) {
		assert(m.number > 0 && size <= CHAT_BODY_MAX);
		read_again(&m);
	} else {
		assert(e.code == EX_PROTOCOL);
	}
}

static void put_record(struct buf *out, const uint8_t *p, size_t n)
{
	const uint8_t length[2] = {(uint8_t)(n >> 8), (uint8_t)n};

	assert(buf_append(out, length, sizeof length) == 0 && buf_append(out, p, n) == 0);
}

/* A sound answer to the offer, with the header and the pieces that the input has: each led by its
 * length, 2 bytes little-endian. */
static void read_pieces(const uint8_t *p, size_t n)
{
	static uint8_t message[NOISE_MESSAGE_MAX];
	struct cursor c = cursor_over(p, n);
	struct noise_cipher send, receive;
	struct noise noise;
	struct buf packet = {0};
	size_t header_n = get_u16le(&c), k;
	const uint8_t *at;

	header_n = header_n < cursor_left(&c) ? header_n : cursor_left(&c);
	header_n = header_n < sizeof message - CHAT_MESSAGE_2 ? header_n : 0;
	at = get_bytes(&c, header_n);
	assert(chat_exchange(&noise, false, &alice.self, &bob.peer, 1, &alice.e, &e) == 0);
	assert(noise_read(&noise, offer.first, CHAT_FIRST, message, &k, &e) == 0);
	assert(noise_write(&noise, at, header_n, message, sizeof message, &k, &e) == 0);
	assert(noise_split(&noise, &send, &receive, &e) == 0);
	assert(buf_append(&packet, "\1\0\0\0\0\0\0\0\1", 9) == 0);
	put_record(&packet, message, k);
	while (cursor_left(&c) > 0) {
		size_t want = get_u16le(&c);
		k = want < cursor_left(&c) ? want : cursor_left(&c);
		k = k < sizeof message - NOISE_TAG ? k : sizeof message - NOISE_TAG;
		at = get_bytes(&c, k);
		if (at != NULL) {
			memcpy(message, at, k);
			assert(noise_seal(&send, message, k, &e) == 0);
			put_record(&packet, message, k + NOISE_TAG);
		}
	}
	read_packet(packet.p, packet.n);
	buf_free(&packet);
}

static int gather(void *arg, const void *p, size_t n, struct err *why)
{
	(void)why;
	return buf_append(arg, p, n);
}

/* The input within an age file for Bob; with sign behind Alice's signature of it. */
static void read_sealed(const uint8_t *p, size_t n, bool sign)
{
	static struct age_seal s;
	struct buf packet = {0}, signature = {0};
	const struct age_sink sink = {gather, &packet};
	struct age_recipient to;
	uint8_t digest[HASH_BYTES];

	memcpy(to.key, bob.x25519.public, sizeof to.key);
	hash_of(p, n, digest);
	assert(!sign || sshsig_sign(&signature, &alice.p256, SSHSIG_CHAT, digest, &e) == 0);
	assert(buf_append(&packet, "\2", 1) == 0);
	assert(age_seal_begin(&s, &to, 1, false, sink, &e) == 0);
	assert(age_seal_write(&s, signature.p, signature.n, &e) == 0);
	assert(age_seal_write(&s, p, n, &e) == 0);
	assert(age_seal_end(&s, &e) == 0);
	age_seal_wipe(&s);
	read_packet(packet.p, packet.n);
	buf_free(&packet);
	buf_free(&signature);
}

/* The input as JSON that Alice signed. */
static void read_receipt(const uint8_t *p, size_t n)
{
	static const char name[] = "smtp361 chat receipt 1";
	uint8_t digest[HASH_BYTES], signature[P256_SIGNATURE];
	struct buf packet = {0};
	struct hash h;

	hash_begin(&h);
	hash_add(&h, name, sizeof name);
	hash_add(&h, p, n);
	hash_end(&h, digest);
	p256_sign(signature, alice.p256.private, digest);
	assert(buf_append(&packet, "\3", 1) == 0 && buf_append(&packet, p, n) == 0);
	assert(buf_append(&packet, "\n", 1) == 0);
	assert(buf_append(&packet, signature, sizeof signature) == 0);
	read_packet(packet.p, packet.n);
	buf_free(&packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0) {
		return 0;
	}
	begin();
	switch (data[0] % KINDS) {
	case PACKET:
		read_packet(data + 1, size - 1);
		break;
	case OFFER:
		check_offer(data + 1, size - 1);
		break;
	case HEADER:
		read_header(data + 1, size - 1);
		break;
	case PIECES:
		read_pieces(data + 1, size - 1);
		break;
	case SEALED:
	case SIGNED:
		read_sealed(data + 1, size - 1, data[0] % KINDS == SIGNED);
		break;
	case RECEIPT:
		read_receipt(data + 1, size - 1);
		break;
	}
	return 0;
}
