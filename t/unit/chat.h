/* What the tests of chat's packets share: Alice, who writes, Bob, who made the offer, and Mallory,
 * whom both know. Their keys are the same in every run. */
#ifndef T_CHAT_H
#define T_CHAT_H

#include "unit.h"

#include "../../crypto/age.h" /* it has parameters named e */
#include "../../proto/chat_parts.h"
#include "../../cmd/chat_receive.h"

static struct err e;

struct member {
	const char *name;
	struct x25519_pair x25519, e;
	struct p256_pair p256;
	struct known_keys keys;
	struct chat_self self;
	struct chat_peer peer; /* as the others see him */
};

static struct member alice = {.name = "alice"}, bob = {.name = "bob"},
		     mallory = {.name = "mallory"};

static inline void make_pair(struct x25519_pair *pair, uint32_t seed)
{
	fill_pattern(pair->private, sizeof pair->private, seed);
	x25519_public(pair->public, pair->private);
}

static inline void make_member(struct member *m, uint32_t seed)
{
	make_pair(&m->x25519, seed);
	make_pair(&m->e, seed + 1);
	fill_pattern(m->p256.private, sizeof m->p256.private, seed + 2);
	m->p256.private[0] = 1; /* below the curve's order */
	assert_int_equal(p256_public(m->p256.public, m->p256.private), 0);
	memcpy(m->keys.x25519, m->x25519.public, X25519_BYTES);
	memcpy(m->keys.p256, m->p256.public, P256_PUBLIC);
	m->keys.signs = true;
	m->self = (struct chat_self){.name = m->name, .x25519 = &m->x25519, .p256 = &m->p256};
	m->peer = (struct chat_peer){.name = m->name, .keys = &m->keys};
}

static inline int make_members(void **state)
{
	(void)state;
	make_member(&alice, 10);
	make_member(&bob, 20);
	make_member(&mallory, 30);
	return 0;
}

static inline struct chat_message text_message(const void *text, size_t n)
{
	struct chat_message m = {
		.stream = "stream-a", .number = 7, .time_us = 1790000000123456, .kind = CHAT_TEXT};

	assert_int_equal(buf_append(&m.body, text, n), 0);
	return m;
}

static inline struct chat_message file_message(const void *p, size_t n)
{
	struct chat_message m = text_message(p, n);

	m.kind = CHAT_FILE;
	(void)snprintf(m.name, sizeof m.name, "a picture.png");
	(void)snprintf(m.type, sizeof m.type, "image/png");
	return m;
}

/* Bob's for Alice, of this number. */
static inline struct chat_offer bobs_offer(uint64_t number)
{
	struct chat_offer offer;

	if (chat_offer_make(&offer, &bob.self, &alice.peer, number, &bob.e, &e) != 0) {
		fail_msg("%s", e.text);
	}
	return offer;
}

/* Alice answers it, with an ephemeral key that is the same in every run. */
static inline void answer_offer(
	struct buf *out, const struct chat_offer *offer, const struct chat_message *m)
{
	if (chat_write_by(out, &alice.self, &bob.peer, offer, m, &alice.e, &e) != 0) {
		fail_msg("%s", e.text);
	}
}

static inline int bob_reads(struct chat_message *out, const void *p, size_t n)
{
	return chat_read(out, &bob.self, &alice.peer, &bob.e, p, n, &e);
}

static inline void assert_same(const struct chat_message *a, const struct chat_message *b)
{
	assert_memory_equal(a->stream, b->stream, sizeof a->stream);
	assert_int_equal(a->number, b->number);
	assert_int_equal(a->time_us, b->time_us);
	assert_int_equal(a->kind, b->kind);
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->type, b->type);
	assert_int_equal(a->body.n, b->body.n);
	assert_true(a->body.n == 0 || memcmp(a->body.p, b->body.p, a->body.n) == 0);
}

/* A refusal of a packet, from a copy of exactly its size, that leaves nothing behind. */
static inline void assert_no_packet(const void *p, size_t n)
{
	uint8_t *copy = malloc(n == 0 ? 1 : n);
	struct chat_message m;

	assert_non_null(copy);
	if (n > 0) {
		memcpy(copy, p, n);
	}
	assert_refused(bob_reads(&m, copy, n), e, EX_PROTOCOL);
	assert_null(m.body.p);
	assert_refused(chat_read_sealed(&m, &bob.self, &alice.peer, copy, n, &e), e, EX_PROTOCOL);
	assert_null(m.body.p);
	free(copy);
}

/* --- all three kinds --- */

/* Alice to Bob, in all three ways. */
static struct buf packet, sealed, receipt;

static inline int write_packets(void **state)
{
	const struct chat_receipt r = {
		.stream = "stream-b", .highest = 9, .missing = 2, .time_us = 5};
	struct chat_message m, f;
	struct chat_offer offer;

	(void)make_members(state);
	m = text_message("what nobody else shall read", 27);
	f = file_message("what nobody else shall read", 27);
	offer = bobs_offer(7);
	packet.n = sealed.n = receipt.n = 0;
	answer_offer(&packet, &offer, &m);
	assert_int_equal(chat_write_sealed(&sealed, &alice.self, &bob.peer, &f, &e), 0);
	assert_int_equal(chat_receipt_write(&receipt, &alice.self, &bob.peer, &r, &e), 0);
	buf_free(&m.body);
	buf_free(&f.body);
	return 0;
}

static inline int free_packets(void **state)
{
	(void)state;
	buf_free(&packet);
	buf_free(&sealed);
	buf_free(&receipt);
	return 0;
}

#define T_PACKETS(title, function)                                 \
	{                                                          \
		title, function, write_packets, free_packets, NULL \
	}

/* So many connections end ahead of telling the server: what came comes again, to the same run. */
static inline void cut_off(int times, struct chat_desk *d, struct chat_contact *c,
	const struct chat_peer *peer, const struct buf *b)
{
	struct chat_came came;

	for (int i = 0; i < times; i++) {
		assert_int_equal(chat_desk_begin(d, c, &e), 0);
		assert_int_equal(c->undone > 0, i > 0);
		assert_int_equal(chat_receive(c, peer, b->p, b->n, &came, &e), 0);
		chat_came_free(&came);
		chat_desk_anew(d);
	}
	assert_int_equal(times == 0 ? 0 : chat_desk_begin(d, c, &e), 0);
}

#endif
