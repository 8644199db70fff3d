/* Packets of chat: what one writes the other reads, byte for byte as PROTOCOL.md has them, and
 * nobody else's word passes for it. */
#include "chat.h"

/* --- golden bytes --- */

/* As another implementation has them (Python, its cryptography), from the same keys. */
static const char golden_first[] =
	"6d7aa3e31eda4869693917ebf6eb2714e9115229b1e9d6250f3b599e6b2bda45"
	"1080e6bd2f835c9b96d9c8d75095f877";
static const char golden_signature[] =
	"ee04fde023879d0d3041b1b45c61954538c27b5af8c9320454f8c232bd421110"
	"86f887a9e335ca771e8d45e39999c15716f7a3fc09dd00f4649d2f8619451f3b";
static const char golden_piece[] = "0015394074f22a42ed6c8ef1c832b58c8e816d73a613a2";
static const char golden_packet_sha256[] =
	"4c4ab7120a5a5cf05946657bb8b60b5c85efba5fac8fefb0c3196555348509e2";
static const char golden_receipt[] =
	"9158bfac3e18bf98987449852fa0e484191ed8fd10581c93d987a71c50ced38a"
	"bf16c37faaccd3dc5b94e53a8b6da90db79c37fa3abe7b8455c7967acb88cf88";

static void assert_sha256(const void *p, size_t n, const char *wanted)
{
	uint8_t digest[HASH_BYTES];
	char hex[2 * HASH_BYTES + 1];

	hash_of(p, n, digest);
	hex_encode(hex, digest, sizeof digest);
	assert_string_equal(hex, wanted);
}

static void assert_hex(const void *p, size_t n, const char *wanted)
{
	char *hex = malloc(2 * n + 1);

	assert_non_null(hex);
	hex_encode(hex, p, n);
	assert_string_equal(hex, wanted);
	free(hex);
}

static void a_prologue(void **state)
{
	static const uint8_t wanted[] = "smtp361 chat 1\0bob\0alice\0\0\0\0\0\0\0\1\2";
	uint8_t out[CHAT_PROLOGUE_MAX];
	const char longest[] = "a234567890123456789012345678901";

	(void)state;
	assert_int_equal(chat_prologue(out, "bob", "alice", 258), sizeof wanted - 1);
	assert_memory_equal(out, wanted, sizeof wanted - 1);
	assert_int_equal(chat_prologue(out, longest, longest, 1), 15 + 32 + 32 + 8);
}

static void a_header(void **state)
{
	static const char
		text[] = "{\"stream\":\"73747265616d2d61\",\"number\":7,"
			 "\"us\":1790000000123456,\"kind\":\"text\",\"size\":5}",
		file[] = "{\"from\":\"alice\",\"to\":\"bob\",\"stream\":\"73747265616d2d61\","
			 "\"number\":7,\"us\":1790000000123456,\"kind\":\"file\","
			 "\"name\":\"a picture.png\",\"type\":\"image/png\",\"size\":5}";
	struct chat_message m = text_message("hello", 5), f = file_message("hello", 5);
	struct buf b = {0};

	(void)state;
	assert_int_equal(chat_header_write(&b, &m, NULL, NULL, &e), 0);
	assert_int_equal(b.n, 128);
	assert_memory_equal(b.p, text, sizeof text - 1);
	for (size_t i = sizeof text - 1; i < b.n; i++) {
		assert_int_equal(b.p[i], ' ');
	}
	b.n = 0;
	assert_int_equal(chat_header_write(&b, &f, "alice", "bob", &e), 0);
	assert_int_equal(b.n, 192);
	assert_memory_equal(b.p, file, sizeof file - 1);
	buf_free(&b);
	buf_free(&m.body);
	buf_free(&f.body);
}

static void an_exchange(void **state)
{
	struct chat_offer offer = bobs_offer(258);
	struct chat_message m = text_message("hello", 5), back;
	struct buf answered = {0};

	(void)state;
	assert_int_equal(sizeof offer.first + sizeof offer.signature + 8, CHAT_OFFER);
	assert_hex(offer.first, sizeof offer.first, golden_first);
	assert_hex(offer.signature, sizeof offer.signature, golden_signature);
	answer_offer(&answered, &offer, &m);
	assert_int_equal(answered.n, 1 + 8 + 2 + 32 + 128 + 16 + 2 + 5 + 16);
	assert_hex(answered.p, 11, "01000000000000010200b0");
	assert_memory_equal(answered.p + 11, alice.e.public, X25519_BYTES);
	assert_hex(answered.p + answered.n - 23, 23, golden_piece);
	assert_sha256(answered.p, answered.n, golden_packet_sha256);
	assert_int_equal(bob_reads(&back, answered.p, answered.n), 0);
	assert_same(&m, &back);
	assert_false(back.no_fs);
	buf_free(&answered);
	buf_free(&m.body);
	buf_free(&back.body);
}

static void a_receipt(void **state)
{
	static const char json[] = "{\"from\":\"bob\",\"to\":\"alice\",\"stream\":"
				   "\"73747265616d2d61\",\"highest\":9,\"missing\":2,\"us\":5}\n";
	const struct chat_receipt r = {
		.stream = "stream-a", .highest = 9, .missing = 2, .time_us = 5};
	struct chat_receipt back;
	struct buf b = {0};

	(void)state;
	assert_int_equal(chat_receipt_write(&b, &bob.self, &alice.peer, &r, &e), 0);
	assert_int_equal(b.n, 1 + sizeof json - 1 + 64);
	assert_int_equal(b.p[0], 3);
	assert_memory_equal(b.p + 1, json, sizeof json - 1);
	assert_hex(b.p + sizeof json, 64, golden_receipt);
	assert_int_equal(chat_receipt_read(&back, &alice.self, &bob.peer, b.p, b.n, &e), 0);
	assert_memory_equal(&back, &r, sizeof r);
	buf_free(&b);
}

/* --- the way there and back --- */

static void sizes(void **state)
{
	static const size_t rows[] = {
		0, 1, CHAT_PIECE - 1, CHAT_PIECE, CHAT_PIECE + 1, 3 * CHAT_PIECE, CHAT_BODY_MAX};
	uint8_t *body = malloc(CHAT_BODY_MAX + 1);
	struct chat_offer offer = bobs_offer(1);

	(void)state;
	assert_non_null(body);
	fill_pattern(body, CHAT_BODY_MAX + 1, 1);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct chat_message m = file_message(body, rows[i]), back;
		struct buf answered = {0};
		for (int kind = 0; kind < 2; kind++) {
			answered.n = 0;
			if (kind == 0) {
				answer_offer(&answered, &offer, &m);
				assert_int_equal(bob_reads(&back, answered.p, answered.n), 0);
			} else {
				assert_int_equal(chat_write_sealed(
							 &answered, &alice.self, &bob.peer, &m, &e),
					0);
				assert_int_equal(chat_read_sealed(&back, &bob.self, &alice.peer,
							 answered.p, answered.n, &e),
					0);
			}
			assert_true(answered.n <= CHAT_PACKET_MAX);
			assert_int_equal(back.no_fs, kind);
			assert_same(&m, &back);
			buf_free(&back.body);
		}
		buf_free(&answered);
		buf_free(&m.body);
	}
	struct chat_message m = file_message(body, CHAT_BODY_MAX + 1);
	struct buf answered = {0};
	assert_refused(
		chat_write(&answered, &alice.self, &bob.peer, &offer, &m, &e), e, EX_DATAERR);
	assert_refused(chat_write_sealed(&answered, &alice.self, &bob.peer, &m, &e), e, EX_DATAERR);
	assert_int_equal(answered.n, 0);
	buf_free(&answered);
	buf_free(&m.body);
	free(body);
}

static void each_has_its_own_keys(void **state)
{
	struct chat_offer offer = bobs_offer(1);
	struct chat_message m = text_message("hello", 5);
	struct buf a = {0}, b = {0};

	(void)state;
	assert_int_equal(chat_write(&a, &alice.self, &bob.peer, &offer, &m, &e), 0);
	assert_int_equal(chat_write(&b, &alice.self, &bob.peer, &offer, &m, &e), 0);
	assert_int_equal(a.n, b.n);
	assert_memory_not_equal(a.p + 11, b.p + 11, X25519_BYTES);
	/* what stands in the buffer before stays */
	assert_int_equal(chat_write(&a, &alice.self, &bob.peer, &offer, &m, &e), 0);
	assert_int_equal(a.n, 2 * b.n);
	struct chat_message back;
	assert_int_equal(bob_reads(&back, a.p + b.n, b.n), 0);
	buf_free(&back.body);
	buf_free(&a);
	buf_free(&b);
	buf_free(&m.body);
}

/* --- what cannot be written --- */

static void assert_unwritable(const struct chat_message *m)
{
	struct chat_offer offer = bobs_offer(1);
	struct buf out = {0};

	assert_refused(chat_write(&out, &alice.self, &bob.peer, &offer, m, &e), e, EX_DATAERR);
	assert_refused(chat_write_sealed(&out, &alice.self, &bob.peer, m, &e), e, EX_DATAERR);
	assert_int_equal(out.n, 0);
	buf_free(&out);
}

static void names_and_types(void **state)
{
	static const char *const names[] = {"", ".", "..", "a/b", "/", "a\nb", "\x1b[2J", "\x7f",
		"\xff", "\xc0\xaf", "\xed\xa0\x80", "...", ".profile", "\xe2\x80\xae.", "\xc2\x85"};
	static const char *const types[] = {"image /png", "a\n", "\xc3\xa9", "\x7f"};
	static const char *const good[] = {"a", "a..", "a.profile", "\"\\", "b c \xc3\xa9.txt"};
	struct chat_offer offer = bobs_offer(1);
	struct chat_message m = file_message("x", 1), back;
	struct buf answered = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		(void)snprintf(m.name, sizeof m.name, "%s", names[i]);
		assert_unwritable(&m);
	}
	(void)snprintf(m.name, sizeof m.name, "ok");
	for (size_t i = 0; i < COUNT(types); i++) {
		(void)snprintf(m.type, sizeof m.type, "%s", types[i]);
		assert_unwritable(&m);
	}
	m.type[0] = '\0';
	for (size_t i = 0; i < COUNT(good) + 1; i++) {
		(void)snprintf(m.name, sizeof m.name, "%s", i == COUNT(good) ? "" : good[i]);
		if (i == COUNT(good)) { /* the longest, and all of it doubles */
			memset(m.name, '"', CHAT_NAME_MAX);
			memset(m.type, '\\', CHAT_TYPE_MAX);
			m.name[CHAT_NAME_MAX] = m.type[CHAT_TYPE_MAX] = '\0';
		}
		answered.n = 0;
		answer_offer(&answered, &offer, &m);
		assert_int_equal(bob_reads(&back, answered.p, answered.n), 0);
		assert_same(&m, &back);
		buf_free(&back.body);
	}
	memset(m.name, 'n', sizeof m.name); /* no end */
	assert_unwritable(&m);
	buf_free(&answered);
	buf_free(&m.body);
}

static void numbers_and_texts(void **state)
{
	struct chat_message m = text_message("hello", 5);

	(void)state;
	m.number = 0;
	assert_unwritable(&m);
	m.number = (uint64_t)INT64_MAX + 1;
	assert_unwritable(&m);
	m.number = 1;
	m.time_us = -1;
	assert_unwritable(&m);
	m.time_us = 0;
	m.name[0] = 'n'; /* a text has none */
	assert_unwritable(&m);
	m.name[0] = '\0';
	m.kind = (enum chat_kind)2;
	assert_unwritable(&m);
	m.kind = CHAT_TEXT;
	m.body.p[4] = 0xc3; /* cut in a character */
	assert_unwritable(&m);
	buf_free(&m.body);
}

static void offers_that_are_none(void **state)
{
	struct chat_offer offer = bobs_offer(1);
	struct chat_message m = text_message("hello", 5);
	struct buf out = {0};

	(void)state;
	for (size_t i = 0; i < sizeof offer.first * 8; i++) {
		offer.first[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_refused(
			chat_offer_check(&offer, &alice.self, &bob.peer, &e), e, EX_PROTOCOL);
		if (i != 255) { /* the bit of the point that X25519 does not look at */
			assert_refused(chat_write(&out, &alice.self, &bob.peer, &offer, &m, &e), e,
				EX_PROTOCOL);
		}
		assert_int_equal(i != 255 ? out.n : 0, 0);
		offer.first[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t i = 0; i < sizeof offer.signature * 8; i++) {
		offer.signature[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_refused(
			chat_offer_check(&offer, &alice.self, &bob.peer, &e), e, EX_PROTOCOL);
		offer.signature[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	assert_int_equal(chat_offer_check(&offer, &alice.self, &bob.peer, &e), 0);
	for (uint64_t n = 0; n < 64; n++) {
		offer.number ^= (uint64_t)1 << n;
		assert_refused(
			chat_offer_check(&offer, &alice.self, &bob.peer, &e), e, EX_PROTOCOL);
		offer.number ^= (uint64_t)1 << n;
	}
	/* Bob's for Alice is neither Mallory's, nor for her, nor Bob's for Mallory */
	assert_refused(chat_offer_check(&offer, &alice.self, &mallory.peer, &e), e, EX_PROTOCOL);
	assert_refused(chat_offer_check(&offer, &mallory.self, &bob.peer, &e), e, EX_PROTOCOL);
	assert_refused(chat_offer_check(&offer, &bob.self, &alice.peer, &e), e, EX_PROTOCOL);
	bob.keys.signs = false;
	assert_refused(chat_offer_check(&offer, &alice.self, &bob.peer, &e), e, EX_PROTOCOL);
	assert_contains(e.text, "no signing key");
	bob.keys.signs = true;
	assert_refused(
		chat_offer_make(&offer, &bob.self, &alice.peer, 0, &bob.e, &e), e, EX_PROTOCOL);
	assert_refused(chat_offer_make(
			       &offer, &bob.self, &alice.peer, (uint64_t)INT64_MAX + 1, &bob.e, &e),
		e, EX_PROTOCOL);
	buf_free(&out);
	buf_free(&m.body);
}

#define T_CHAT(title, function)                           \
	{                                                 \
		title, function, make_members, NULL, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CHAT("a prologue is these bytes", a_prologue),
		T_CHAT("a header is these bytes", a_header),
		T_CHAT("a whole exchange is these bytes", an_exchange),
		T_CHAT("a receipt is these bytes", a_receipt),
		T_CHAT("0 bytes to 16 MiB are read as they were written, and one more is refused",
			sizes),
		T_CHAT("two answers have two keys", each_has_its_own_keys),
		T_CHAT("no path, no control character and no broken text is a name",
			names_and_types),
		T_CHAT("no message has a number, a time or a kind that is none", numbers_and_texts),
		T_CHAT("no altered offer passes, and nobody else's", offers_that_are_none),
	};
	return RUN(tests);
}
