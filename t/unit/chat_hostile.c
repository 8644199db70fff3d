/* Packets of chat from servers who lie: nothing passes but what was written for this offer, by this
 * peer, to us. */
#include "chat.h"

static void assert_no_receipt(const void *p, size_t n)
{
	struct chat_receipt r;

	assert_refused(chat_receipt_read(&r, &bob.self, &alice.peer, p, n, &e), e, EX_PROTOCOL);
	assert_int_equal(r.highest, 0);
}

static void each_bit(void **state)
{
	struct buf *const all[] = {&packet, &sealed, &receipt};

	(void)state;
	for (size_t k = 0; k < COUNT(all); k++) {
		for (size_t i = 0; i < all[k]->n * 8; i++) {
			/* X25519 does not look at the high bit of a point: Noise hashes it, age
			 * authenticates the text of its header */
			all[k]->p[i / 8] ^= (uint8_t)(1 << i % 8);
			assert_no_packet(all[k]->p, all[k]->n);
			assert_no_receipt(all[k]->p, all[k]->n);
			all[k]->p[i / 8] ^= (uint8_t)(1 << i % 8);
		}
	}
}

static void cut_and_longer(void **state)
{
	struct buf *const all[] = {&packet, &sealed, &receipt};

	(void)state;
	for (size_t k = 0; k < COUNT(all); k++) {
		for (size_t n = 0; n < all[k]->n; n++) {
			assert_no_packet(all[k]->p, n);
			assert_no_receipt(all[k]->p, n);
		}
		for (unsigned last = 0; last < 256; last += 51) {
			const uint8_t byte = (uint8_t)last;
			assert_int_equal(buf_append(all[k], &byte, 1), 0);
			assert_no_packet(all[k]->p, all[k]->n);
			assert_no_receipt(all[k]->p, all[k]->n);
			all[k]->n--;
		}
	}
}

static void looked_at(void **state)
{
	static const uint8_t none[] = {1, 0, 0, 0, 0, 0, 0, 0, 0},
			     negative[] = {1, 0x80, 0, 0, 0, 0, 0, 0, 0};
	enum chat_packet kind;
	uint64_t offer;

	(void)state;
	assert_int_equal(chat_look(packet.p, packet.n, &kind, &offer, &e), 0);
	assert_int_equal(kind, CHAT_PACKET_MESSAGE);
	assert_int_equal(offer, 7);
	assert_int_equal(chat_look(sealed.p, sealed.n, &kind, &offer, &e), 0);
	assert_int_equal(kind, CHAT_PACKET_SEALED);
	assert_int_equal(offer, 0);
	assert_int_equal(chat_look(receipt.p, receipt.n, &kind, &offer, &e), 0);
	assert_int_equal(kind, CHAT_PACKET_RECEIPT);
	for (unsigned first = 0; first < 256; first++) {
		const uint8_t byte = (uint8_t)first;
		if (first != CHAT_PACKET_SEALED && first != CHAT_PACKET_RECEIPT) {
			assert_refused(chat_look(&byte, 1, &kind, &offer, &e), e, EX_PROTOCOL);
		}
	}
	assert_refused(chat_look("", 0, &kind, &offer, &e), e, EX_PROTOCOL);
	assert_refused(chat_look(packet.p, 8, &kind, &offer, &e), e, EX_PROTOCOL);
	assert_refused(chat_look(none, 9, &kind, &offer, &e), e, EX_PROTOCOL);
	assert_refused(chat_look(negative, 9, &kind, &offer, &e), e, EX_PROTOCOL);
	uint8_t *large = calloc(1, CHAT_PACKET_MAX + 1);
	assert_non_null(large);
	large[0] = CHAT_PACKET_SEALED;
	assert_int_equal(chat_look(large, CHAT_PACKET_MAX, &kind, &offer, &e), 0);
	assert_refused(chat_look(large, CHAT_PACKET_MAX + 1, &kind, &offer, &e), e, EX_PROTOCOL);
	free(large);
}

/* --- by, to or for another --- */

static void another_peer(void **state)
{
	struct chat_message m;
	struct chat_receipt r;
	struct member second = bob;

	(void)state;
	/* it is not Mallory's word, and not for her, even where she has Bob's one-time key */
	assert_refused(chat_read(&m, &bob.self, &mallory.peer, &bob.e, packet.p, packet.n, &e), e,
		EX_PROTOCOL);
	assert_refused(chat_read(&m, &mallory.self, &alice.peer, &bob.e, packet.p, packet.n, &e), e,
		EX_PROTOCOL);
	assert_refused(chat_read_sealed(&m, &bob.self, &mallory.peer, sealed.p, sealed.n, &e), e,
		EX_PROTOCOL);
	assert_refused(chat_read_sealed(&m, &mallory.self, &alice.peer, sealed.p, sealed.n, &e), e,
		EX_PROTOCOL);
	assert_refused(chat_receipt_read(&r, &bob.self, &mallory.peer, receipt.p, receipt.n, &e), e,
		EX_PROTOCOL);
	assert_refused(chat_receipt_read(&r, &mallory.self, &alice.peer, receipt.p, receipt.n, &e),
		e, EX_PROTOCOL);
	/* nor for one with Bob's keys and another name */
	second.self.name = "bobby";
	assert_refused(chat_read(&m, &second.self, &alice.peer, &bob.e, packet.p, packet.n, &e), e,
		EX_PROTOCOL);
	assert_refused(chat_read_sealed(&m, &second.self, &alice.peer, sealed.p, sealed.n, &e), e,
		EX_PROTOCOL);
	assert_refused(chat_receipt_read(&r, &second.self, &alice.peer, receipt.p, receipt.n, &e),
		e, EX_PROTOCOL);
	/* Bob's own words do not come back to him as Alice's */
	assert_refused(chat_read_sealed(&m, &alice.self, &alice.peer, sealed.p, sealed.n, &e), e,
		EX_PROTOCOL);
	alice.keys.signs = false;
	assert_refused(chat_read_sealed(&m, &bob.self, &alice.peer, sealed.p, sealed.n, &e), e,
		EX_PROTOCOL);
	assert_refused(chat_receipt_read(&r, &bob.self, &alice.peer, receipt.p, receipt.n, &e), e,
		EX_PROTOCOL);
}

static void another_offer(void **state)
{
	struct chat_message m;
	struct x25519_pair other;

	(void)state;
	packet.p[8] = 8; /* the number of another offer, whose key we have */
	make_pair(&other, 99);
	assert_refused(chat_read(&m, &bob.self, &alice.peer, &other, packet.p, packet.n, &e), e,
		EX_PROTOCOL);
	assert_refused(chat_read(&m, &bob.self, &alice.peer, &bob.e, packet.p, packet.n, &e), e,
		EX_PROTOCOL);
	packet.p[8] = 7;
	assert_refused(chat_read(&m, &bob.self, &alice.peer, &other, packet.p, packet.n, &e), e,
		EX_PROTOCOL);
	/* it says nothing of how often it was handed out: that is the one-time key's to tell */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(bob_reads(&m, packet.p, packet.n), 0);
		buf_free(&m.body);
	}
}

/* --- receipts of nonsense --- */

static void receipts(void **state)
{
	static const struct chat_receipt bad[] = {{.highest = (uint64_t)INT64_MAX + 1},
		{.highest = 5, .missing = 5}, {.highest = 0, .missing = 1},
		{.highest = 5, .time_us = -1}};
	static const struct chat_receipt good[] = {
		{.highest = 0}, {.highest = INT64_MAX, .missing = 1}};
	struct chat_receipt r;
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_refused(
			chat_receipt_write(&b, &alice.self, &bob.peer, &bad[i], &e), e, EX_DATAERR);
		assert_int_equal(b.n, 0);
	}
	for (size_t i = 0; i < COUNT(good); i++) {
		b.n = 0;
		assert_int_equal(chat_receipt_write(&b, &alice.self, &bob.peer, &good[i], &e), 0);
		assert_int_equal(chat_receipt_read(&r, &bob.self, &alice.peer, b.p, b.n, &e), 0);
		assert_memory_equal(&r, &good[i], sizeof r);
	}
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_PACKETS("no altered bit passes, in none of the three", each_bit),
		T_PACKETS("none is cut, and nothing stands behind one", cut_and_longer),
		T_PACKETS("a look tells what it is, and refuses what it is not", looked_at),
		T_PACKETS("none is by another, or for another", another_peer),
		T_PACKETS("none answers another offer", another_offer),
		T_PACKETS("a receipt has sound numbers", receipts),
	};
	return RUN(tests);
}
