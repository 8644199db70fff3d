/* Packets of chat by people whose keys are known, and who break the form: nothing of one is
 * taken. */
#include "chat.h"

#include "../../crypto/sshsig.h"

/* The body's pieces as the peer likes, behind a sound header. */
static void write_pieces(struct buf *out, const char *header, const size_t *pieces, size_t n)
{
	struct chat_offer offer = bobs_offer(7);
	struct noise_cipher c[2];
	struct noise noise;
	uint8_t padded[192], message[512], piece[CHAT_PIECE + 64];
	size_t k;

	memset(padded, ' ', sizeof padded);
	memcpy(padded, header, strlen(header));
	assert_int_equal(chat_exchange(&noise, false, &alice.self, &bob.peer, 7, NULL, &e), 0);
	assert_int_equal(noise_read(&noise, offer.first, CHAT_FIRST, message, &k, &e), 0);
	assert_int_equal(
		noise_write(&noise, padded, sizeof padded, message, sizeof message, &k, &e), 0);
	assert_int_equal(noise_split(&noise, &c[0], &c[1], &e), 0);
	out->n = 0;
	assert_int_equal(buf_append(out, "\1\0\0\0\0\0\0\0\7", 9), 0);
	for (size_t i = 0; i <= n; i++) {
		const uint8_t *p = message;
		if (i > 0) {
			k = pieces[i - 1];
			memset(piece, 'x', k);
			assert_int_equal(noise_seal(&c[0], piece, k, &e), 0);
			k += NOISE_TAG;
			p = piece;
		}
		const uint8_t length[2] = {(uint8_t)(k >> 8), (uint8_t)k};
		assert_int_equal(buf_append(out, length, 2), 0);
		assert_int_equal(buf_append(out, p, k), 0);
	}
}

#define FIELDS(stream, numbers) "{\"stream\":\"" stream "\"," numbers
#define HEADER(rest) FIELDS("73747265616d2d61", "\"number\":7,\"us\":5") rest "}"
#define EMPTY ",\"kind\":\"text\",\"size\":0}"
#define TEXT(size) HEADER(",\"kind\":\"text\",\"size\":" size)

static void pieces(void **state)
{
	static const struct {
		const char *header;
		size_t pieces[3], n;
		bool good;
	} rows[] = {
		{TEXT("0"), {0}, 0, true},
		{TEXT("0"), {0}, 1, false}, /* none is needed */
		{TEXT("5"), {5}, 1, true},
		{TEXT("5"), {0}, 0, false},
		{TEXT("5"), {4}, 1, false},
		{TEXT("5"), {6}, 1, false},
		{TEXT("5"), {5, 0}, 2, false},
		{TEXT("5"), {0, 5}, 2, false},
		{TEXT("5"), {3, 2}, 2, false}, /* no more pieces than it needs */
		{TEXT("61440"), {CHAT_PIECE}, 1, true},
		{TEXT("61440"), {CHAT_PIECE, 0}, 2, false},
		{TEXT("61441"), {CHAT_PIECE, 1}, 2, true},
		{TEXT("61441"), {CHAT_PIECE}, 1, false},
		{TEXT("61441"), {CHAT_PIECE + 1}, 1, false},
		{TEXT("61441"), {1, CHAT_PIECE}, 2, false},
		{TEXT("16777217"), {CHAT_PIECE}, 1, false},
	};
	struct chat_message m;
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		write_pieces(&b, rows[i].header, rows[i].pieces, rows[i].n);
		if (rows[i].good) {
			assert_int_equal(bob_reads(&m, b.p, b.n), 0);
			buf_free(&m.body);
		} else {
			assert_no_packet(b.p, b.n);
		}
	}
	buf_free(&b);
}

static void pieces_in_disorder(void **state)
{
	const size_t two[] = {CHAT_PIECE, CHAT_PIECE}, whole = 2 + CHAT_PIECE + NOISE_TAG;
	struct buf b = {0};
	uint8_t *piece = malloc(whole);
	struct chat_message m;

	(void)state;
	assert_non_null(piece);
	write_pieces(&b, TEXT("122880"), two, 2);
	assert_int_equal(bob_reads(&m, b.p, b.n), 0);
	buf_free(&m.body);
	memcpy(piece, b.p + b.n - whole, whole); /* the same twice */
	memcpy(b.p + b.n - whole, b.p + b.n - 2 * whole, whole);
	assert_no_packet(b.p, b.n);
	memcpy(b.p + b.n - 2 * whole, piece, whole); /* and swapped */
	assert_no_packet(b.p, b.n);
	free(piece);
	buf_free(&b);
}

static void headers(void **state)
{
	static const char *const bad[] = {"", "{}", "[]", "{", TEXT("0") "x", TEXT("-1"),
		TEXT("\"5\""), TEXT("1.0"), TEXT("1e1"), HEADER(",\"kind\":\"text\""),
		HEADER(",\"size\":0"), HEADER(",\"kind\":\"sound\",\"size\":0"),
		HEADER(",\"kind\":7,\"size\":0"),
		HEADER(",\"kind\":\"text\",\"size\":0,\"size\":0"),
		HEADER(",\"kind\":\"text\",\"size\":0,\"name\":\"a\""),
		HEADER(",\"kind\":\"text\",\"size\":0,\"type\":\"a\""),
		HEADER(",\"kind\":\"file\",\"size\":0"),
		HEADER(",\"kind\":\"file\",\"size\":0,\"name\":\"../a\""),
		HEADER(",\"kind\":\"file\",\"size\":0,\"name\":\"..\""),
		HEADER(",\"kind\":\"file\",\"size\":0,\"name\":\"a\\u0000b\""),
		HEADER(",\"kind\":\"file\",\"size\":0,\"name\":\"a\\nb\""),
		HEADER(",\"kind\":\"file\",\"size\":0,\"name\":5"),
		HEADER(",\"kind\":\"file\",\"size\":0,\"name\":\"a\",\"type\":\"a b\""),
		HEADER(",\"kind\":\"file\",\"size\":0,\"name\":\"\\ud800\""),
		FIELDS("73747265616d2d6", "\"number\":7,\"us\":5") EMPTY,
		FIELDS("73747265616D2d61", "\"number\":7,\"us\":5") EMPTY,
		FIELDS("73747265616d2d61", "\"number\":0,\"us\":5") EMPTY,
		FIELDS("73747265616d2d61", "\"number\":7,\"us\":-5") EMPTY,
		FIELDS("73747265616d2d61", "\"number\":7") EMPTY, "{\"number\":7,\"us\":5" EMPTY};
	static const char good[] = HEADER(",\"kind\":\"file\",\"size\":0,\"name\":\"a\",\"new\":1");
	struct chat_message m;
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		write_pieces(&b, bad[i], NULL, 0);
		assert_no_packet(b.p, b.n);
	}
	write_pieces(&b, good, NULL, 0); /* what a later version adds does no harm */
	assert_int_equal(bob_reads(&m, b.p, b.n), 0);
	buf_free(&m.body);
	buf_free(&b);
	uint64_t size;
	assert_refused(chat_header_read(&m, &size, good, sizeof good - 1, NULL, NULL, &e), e,
		EX_PROTOCOL); /* not padded */
}

static void no_utf8(void **state)
{
	struct chat_message m;
	struct buf b = {0};
	const size_t one = 1;

	(void)state;
	write_pieces(&b, TEXT("1"), &one, 1);
	assert_int_equal(bob_reads(&m, b.p, b.n), 0);
	m.body.p[0] = 0xff;
	assert_refused(chat_body_check(&m, &e), e, EX_PROTOCOL);
	m.kind = CHAT_FILE; /* is bytes */
	assert_int_equal(chat_body_check(&m, &e), 0);
	buf_free(&m.body);
	buf_free(&b);
}

/* --- sealed, by someone who knows us --- */

static int gather(void *arg, const void *p, size_t n, struct err *why)
{
	(void)why;
	return buf_append(arg, p, n);
}

/* Anything, sealed to Bob. */
static void seal_to_bob(struct buf *out, const struct buf *plain)
{
	static struct age_seal s;
	struct age_recipient to;
	const struct age_sink sink = {.take = gather, .arg = out};

	memcpy(to.key, bob.x25519.public, X25519_BYTES);
	out->n = 0;
	assert_int_equal(buf_append(out, "\2", 1), 0);
	assert_int_equal(age_seal_begin(&s, &to, 1, false, sink, &e), 0);
	assert_int_equal(age_seal_write(&s, plain->p, plain->n, &e), 0);
	assert_int_equal(age_seal_end(&s, &e), 0);
	age_seal_wipe(&s);
}

/* A header, padded, and what follows, signed by this key in this namespace, and sealed. */
static void sign_and_seal(struct buf *out, const struct member *by, const char *namespace,
	const char *header, const char *rest)
{
	struct buf plain = {0}, text = {0};
	uint8_t digest[HASH_BYTES];

	assert_int_equal(buf_append_str(&text, header), 0);
	while (text.n % CHAT_HEADER_STEP != 0) {
		assert_int_equal(buf_append(&text, " ", 1), 0);
	}
	assert_int_equal(buf_append_str(&text, rest), 0);
	hash_of(text.p, text.n, digest);
	if (by != NULL) {
		assert_int_equal(sshsig_sign(&plain, &by->p256, namespace, digest, &e), 0);
	}
	assert_int_equal(buf_append(&plain, text.p, text.n), 0);
	seal_to_bob(out, &plain);
	buf_free(&plain);
	buf_free(&text);
}

#define SEALED(from, to, size)                                                                   \
	"{\"from\":\"" from "\",\"to\":\"" to "\",\"stream\":\"73747265616d2d61\",\"number\":7," \
	"\"us\":5,\"kind\":\"text\",\"size\":" size "}"

static void sealed_by_others(void **state)
{
	static const char good[] = SEALED("alice", "bob", "12"), hello[] = "\nhello, world";
	static const struct {
		const char *header, *rest;
	} bad[] = {{SEALED("mallory", "bob", "12"), hello},
		{SEALED("alice", "mallory", "12"), hello}, {SEALED("alice", "bob", "11"), hello},
		{SEALED("alice", "bob", "13"), hello}, {good, "hello, world"},
		{good, " \nhello, world"}, {good, "\n\nhello, world"}, {good, ""}, {"", "\n"},
		{"", "hello"}, {"", ""}};
	struct chat_message m;
	struct buf b = {0};

	(void)state;
	sign_and_seal(&b, &alice, SSHSIG_CHAT, good, hello);
	if (chat_read_sealed(&m, &bob.self, &alice.peer, b.p, b.n, &e) != 0) {
		fail_msg("%s", e.text);
	}
	assert_true(m.no_fs);
	assert_int_equal(m.body.n, 12);
	buf_free(&m.body);
	for (size_t i = 0; i < COUNT(bad); i++) {
		sign_and_seal(&b, &alice, SSHSIG_CHAT, bad[i].header, bad[i].rest);
		assert_no_packet(b.p, b.n);
	}
	sign_and_seal(&b, &mallory, SSHSIG_CHAT, good, hello); /* another's word */
	assert_no_packet(b.p, b.n);
	sign_and_seal(&b, &alice, SSHSIG_MAIL, good, hello); /* signed as mail */
	assert_no_packet(b.p, b.n);
	sign_and_seal(&b, NULL, NULL, good, hello); /* not at all */
	assert_no_packet(b.p, b.n);
	buf_free(&b);
}

/* Mallory, to whom Alice wrote, seals the same for Bob. */
static void sealed_again_for_another(void **state)
{
	struct chat_message m = text_message("for your eyes only", 18);
	struct buf hers = {0}, plain = {0}, again = {0};
	static struct age_open o;
	const struct age_sink sink = {.take = gather, .arg = &plain};

	(void)state;
	assert_int_equal(chat_write_sealed(&hers, &alice.self, &mallory.peer, &m, &e), 0);
	age_open_begin(&o, &mallory.x25519, 1, AGE_BINARY, sink);
	assert_int_equal(age_open_write(&o, hers.p + 1, hers.n - 1, &e), 0);
	assert_int_equal(age_open_end(&o, &e), 0);
	age_open_wipe(&o);
	seal_to_bob(&again, &plain);
	assert_no_packet(again.p, again.n);
	assert_contains(e.text, "bob");
	buf_free(&m.body);
	buf_free(&hers);
	buf_free(&plain);
	buf_free(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_PACKETS("a body has the pieces that it needs, and no other", pieces),
		T_PACKETS("nor one twice, or in another order", pieces_in_disorder),
		T_PACKETS("a header that is none is refused, whoever wrote it", headers),
		T_PACKETS("a text is UTF-8", no_utf8),
		T_PACKETS("a sealed one is signed by its writer, as chat, to us", sealed_by_others),
		T_PACKETS("nor is it sealed again for another", sealed_again_for_another),
	};
	return RUN(tests);
}
