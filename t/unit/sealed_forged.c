/* Sealed mail that was altered, cut or made by somebody else is not taken for a letter. */
#include "sealed.h"

static void hold_bytes(struct held *out, const void *p, size_t n)
{
	*out = HELD_EMPTY;
	assert_int_equal(held_put(out, p, n, &e), 0);
}

static void hold_sealed(struct held *out, const void *p, size_t n)
{
	struct buf sealed = {0};

	seal_pieces(p, n, 65536, all, 3, true, &sealed);
	hold_bytes(out, sealed.p, sealed.n);
	buf_free(&sealed);
}

/* The text inside a letter of t: the signature, and what it signs. */
static void inside(struct text *t, struct buf *out)
{
	struct sealed_letter l = letter(t);
	struct held sealed = HELD_EMPTY;
	struct buf armored = {0};

	assert_int_equal(sealed_write(&sealed, &l, &alice, all, 3, &e), 0);
	assert_int_equal(held_each(&sealed, keep_some, &armored, &e), 0);
	assert_int_equal(
		open_pieces(armored.p, armored.n, 4096, keys, 1, AGE_ARMORED, out), AGE_SOUND);
	buf_free(&armored);
	held_free(&sealed);
}

static void altered(void **state)
{
	struct text t = {.bytes = 70000};
	struct sealed_letter l = letter(&t);
	struct held sealed = HELD_EMPTY, bad;
	struct sealed_head h;
	struct buf good = {0};

	(void)state;
	assert_int_equal(sealed_write(&sealed, &l, &alice, all, 3, &e), 0);
	assert_int_equal(held_each(&sealed, keep_some, &good, &e), 0);
	for (size_t at = 0; at < good.n; at += at < 1000 ? 13 : 1013) {
		uint8_t was = good.p[at];
		good.p[at] = was == 'A' ? 'B' : 'A';
		hold_bytes(&bad, good.p, good.n);
		assert_int_equal(sealed_open(&h, &bad, keys, 1, &e), -1);
		/* a stanza that is not ours any more is none for us */
		assert_true(e.code == EX_DATAERR || e.code == EX_NOPERM);
		sealed_free(&h);
		held_free(&bad);
		good.p[at] = was;
		hold_bytes(&bad, good.p, at);
		assert_int_equal(sealed_open(&h, &bad, keys, 1, &e), -1);
		assert_int_equal(e.code, EX_DATAERR);
		sealed_free(&h);
		held_free(&bad);
	}
	buf_free(&good);
	held_free(&sealed);
}

/* Who can open a letter can seal it to others, but no other text with that signature. */
static void sealed_again(void **state)
{
	struct text t = {.bytes = 300};
	struct buf text = {0};
	struct held again;
	struct sealed_head h;
	size_t signature;

	(void)state;
	inside(&t, &text);
	hold_sealed(&again, text.p, text.n);
	assert_int_equal(sealed_open(&h, &again, keys, 1, &e), 0);
	signature = h.signature.n;
	assert_part(h.from, "alice");
	sealed_free(&h);
	held_free(&again);
	for (size_t at = 0; at < text.n; at++) {
		text.p[at] ^= 1;
		hold_sealed(&again, text.p, text.n);
		if (at < 30) { /* it does not begin as a signature any more */
			assert_int_equal(sealed_open(&h, &again, keys, 1, &e), 0);
			assert_false(h.is_signed);
			assert_int_equal(h.content_bytes, text.n);
		} else if (sealed_open(&h, &again, keys, 1, &e) == 0) {
			/* a bit of base64 that says which key, and not who signed */
			fail_msg("byte %zu of %zu, signature of %zu", at, text.n, signature);
		}
		sealed_free(&h);
		held_free(&again);
		text.p[at] ^= 1;
	}
	for (size_t n = 30; n < text.n; n++) {
		hold_sealed(&again, text.p, n);
		assert_refused(sealed_open(&h, &again, keys, 1, &e), e, EX_DATAERR);
		sealed_free(&h);
		held_free(&again);
	}
	assert_int_equal(buf_append(&text, "x", 1), 0);
	hold_sealed(&again, text.p, text.n);
	assert_refused(sealed_open(&h, &again, keys, 1, &e), e, EX_DATAERR);
	sealed_free(&h);
	held_free(&again);
	buf_free(&text);
}

/* Sign any text with a key, for a namespace, and seal both. */
static void sign_text(const char *text, const char *namespace, struct held *out)
{
	struct buf all_of_it = {0};
	uint8_t digest[HASH_BYTES];

	hash_of(text, strlen(text), digest);
	assert_int_equal(sshsig_sign(&all_of_it, &other, namespace, digest, &e), 0);
	assert_int_equal(buf_append_str(&all_of_it, text), 0);
	hold_sealed(out, all_of_it.p, all_of_it.n);
	buf_free(&all_of_it);
}

#define GOOD                                                               \
	"smtp361 sealed message 1\nFrom: alice\nTo: bob\n"                 \
	"Time: 2026-11-22T10:00:00.123456Z\n"                              \
	"Id: 00112233445566778899aabbccddeeff\nStream: 0011223344556677\n" \
	"Number: 12\nTitle: t\nLength: 3\n\nabc"

static void bad_headers(void **state)
{
	static const struct {
		const char *was, *is; /* the first replaced by the second */
	} faults[] = {{"message 1", "message 2"}, {"message 1", "message 1 "}, {"smtp361", ""},
		{"From: alice\n", ""}, {"From", "from"}, {"From: ", "From:"}, {"alice", "Alice"},
		{"alice", "alice;dan"}, {"alice", ""}, {"alice", "alice "}, {"bob", "bob;"},
		{"bob", ""}, {"bob", "bob;carol"}, {"bob", "bob\nTo: carol"}, {"2026", "26"},
		{"-11-", "-13-"}, {"-22T", "-31T"}, {"T10", "T24"}, {"T10", "T1 "},
		{"10:00:00", "10:00:60"}, {".123456Z", ".12345Z"}, {".123456Z", ".12345xZ"},
		{".123456Z", ".123456z"}, {"T10", "T-1"}, {"2026", "+026"}, {"aabb", "AABB"},
		{"ccddeeff", "ccddee"}, {"0011223344556677", "001122334455667"},
		{"0011223344556677", "001122334455667G"}, {"44556677", "44556677;"},
		{"44556677\n", "44556677;0011223344556677\n"}, {"12\n", "0\n"}, {"12\n", "012\n"},
		{"12\n", "12;13\n"}, {"12\n", "-1\n"}, {"12\n", "9223372036854775808\n"},
		{"12\n", "\n"}, {"Title: t", "Title: \xff"}, {"Title: t", "Title: t\r"},
		{"Title: t\n", ""}, {"h: 3", "h: 2"}, {"h: 3", "h: 4"}, {"h: 3", "h: 03"},
		{"h: 3", "h: "}, {"h: 3", "h: 18446744073709551619"}, {"\n\nabc", "\nCc: x\n\nabc"},
		{"\n\nabc", "\nabc"}};
	struct sealed_head h;
	struct held sealed;

	(void)state;
	sign_text(GOOD, SSHSIG_MAIL, &sealed);
	assert_int_equal(sealed_open(&h, &sealed, keys, 1, &e), 0);
	assert_memory_equal(h.key, other.public, P256_PUBLIC);
	assert_int_equal(h.numbers[0].number, 12);
	sealed_free(&h);
	held_free(&sealed);
	for (size_t i = 0; i < COUNT(faults); i++) {
		struct buf text = {0};
		const char *at = strstr(GOOD, faults[i].was);
		assert_non_null(at);
		assert_int_equal(buf_append(&text, GOOD, (size_t)(at - GOOD)), 0);
		assert_int_equal(buf_append_str(&text, faults[i].is), 0);
		assert_int_equal(buf_append_str(&text, at + strlen(faults[i].was)), 0);
		assert_int_equal(buf_append(&text, "", 1), 0);
		sign_text((const char *)text.p, SSHSIG_MAIL, &sealed);
		if (sealed_open(&h, &sealed, keys, 1, &e) == 0) {
			fail_msg("taken: \"%s\"", text.p);
		}
		assert_int_equal(e.code, EX_DATAERR);
		sealed_free(&h);
		held_free(&sealed);
		buf_free(&text);
	}
}

static void other_purpose(void **state)
{
	struct sealed_head h;
	struct held sealed;

	(void)state;
	sign_text(GOOD, SSHSIG_CHAT, &sealed);
	assert_refused(sealed_open(&h, &sealed, keys, 1, &e), e, EX_DATAERR);
	sealed_free(&h);
	held_free(&sealed);
}

/* What others seal is no signed letter, and read all the same. */
static void nobodys(void **state)
{
	static const char *const texts[] = {"", "a", "-----BEGIN", "-----BEGIN SSH SIGNATURE-----",
		"-----BEGIN SSH SIGNATURE----- \n", "Hello\n", GOOD};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct sealed_head h;
		struct held sealed;
		struct buf got = {0};
		hold_sealed(&sealed, texts[i], strlen(texts[i]));
		assert_int_equal(sealed_open(&h, &sealed, keys, 1, &e), 0);
		assert_false(h.is_signed);
		assert_int_equal(h.content_bytes, strlen(texts[i]));
		assert_int_equal(h.content_chars, strlen(texts[i]));
		assert_true(h.content_is_text);
		assert_int_equal(h.from.n + h.to.n + h.numbers_n, 0);
		assert_int_equal(sealed_each(&h, &sealed, keys, 1, false, keep_some, &got, &e), 0);
		assert_int_equal(got.n, strlen(texts[i]));
		assert_true(got.n == 0 || memcmp(got.p, texts[i], got.n) == 0);
		sealed_free(&h);
		held_free(&sealed);
		buf_free(&got);
	}
}

/* A signature or a header without an end. */
static void endless(void **state)
{
	struct buf text = {0};
	struct sealed_head h;
	struct held sealed;

	(void)state;
	assert_int_equal(buf_append_str(&text, "-----BEGIN SSH SIGNATURE-----\n"), 0);
	while (text.n < 100000) {
		assert_int_equal(buf_append_str(&text, "AAAA\n"), 0);
	}
	hold_sealed(&sealed, text.p, text.n);
	assert_refused(sealed_open(&h, &sealed, keys, 1, &e), e, EX_DATAERR);
	assert_true(h.signature.n <= SSHSIG_TEXT_MAX);
	sealed_free(&h);
	held_free(&sealed);
	text.n = 0;
	assert_int_equal(buf_append_str(&text, "smtp361 sealed message 1\n"), 0);
	while (text.n < 300000) {
		assert_int_equal(buf_append_str(&text, "To: bob\n"), 0);
	}
	assert_int_equal(buf_append(&text, "", 1), 0);
	sign_text((const char *)text.p, SSHSIG_MAIL, &sealed);
	assert_refused(sealed_open(&h, &sealed, keys, 1, &e), e, EX_DATAERR);
	assert_true(h.text.n <= SEALED_HEAD_MAX);
	sealed_free(&h);
	held_free(&sealed);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("altered or cut, it is not opened", altered),
		T("sealed anew by a recipient it is the same letter or none", sealed_again),
		T("a header that is none is refused, whoever signed it", bad_headers),
		T("a signature for another purpose counts for nothing", other_purpose),
		T("what others seal is opened, and is nobody's word", nobodys),
		T("a signature and a header without an end are refused at their limit", endless),
	};
	return cmocka_run_group_tests(tests, begin, NULL);
}
