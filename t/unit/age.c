/* Sealed files: what goes in comes out, and nothing else does. The test kit is in age_testkit.c. */
#include "age.h"

#include "../../crypto/hkdf.h"

enum { MANY = 200000 };

static struct x25519_pair pairs[3];
static struct age_recipient publics[3];
static uint8_t text[MANY];

static void prepare(void)
{
	struct err e;

	for (size_t i = 0; i < COUNT(pairs); i++) {
		assert_int_equal(x25519_generate(&pairs[i], &e), 0);
		memcpy(publics[i].key, pairs[i].public, X25519_BYTES);
	}
	fill_pattern(text, sizeof text, 3);
}

/* --- round trips --- */

static void check_size(size_t n, size_t piece, bool armored)
{
	struct buf sealed = {0}, out = {0};
	size_t chunks = n == 0 ? 1 : (n + AGE_CHUNK - 1) / AGE_CHUNK;

	seal_pieces(text, n, piece, publics, 2, armored, &sealed);
	if (!armored) {
		/* version, two stanzas, MAC; the nonce; the chunks */
		assert_int_equal(
			sealed.n, 22 + 2 * (10 + 44 + 44) + 48 + 16 + n + chunks * CHACHA_TAG);
	}
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(
			open_pieces(sealed.p, sealed.n, piece, &pairs[i], 1, AGE_EITHER, &out),
			AGE_SOUND);
		assert_int_equal(out.n, n);
		assert_true(n == 0 || memcmp(out.p, text, n) == 0);
	}
	/* one of several identities */
	assert_int_equal(
		open_pieces(sealed.p, sealed.n, piece, pairs, 3, AGE_EITHER, &out), AGE_SOUND);
	assert_int_equal(open_pieces(sealed.p, sealed.n, piece, &pairs[2], 1, AGE_EITHER, &out),
		AGE_NO_MATCH);
	assert_int_equal(
		open_pieces(sealed.p, sealed.n, piece, NULL, 0, AGE_EITHER, &out), AGE_NO_MATCH);
	assert_int_equal(out.n, 0);
	/* the form that it does not have */
	assert_int_equal(open_pieces(sealed.p, sealed.n, piece, pairs, 1,
				 armored ? AGE_BINARY : AGE_ARMORED, &out),
		armored ? AGE_BAD_HEADER : AGE_BAD_ARMOR);
	buf_free(&sealed);
	buf_free(&out);
}

static void round_trips(void **state)
{
	static const size_t sizes[] = {0, 1, 15, 16, 17, 47, 48, 49, 1000, AGE_CHUNK - 1, AGE_CHUNK,
		AGE_CHUNK + 1, 2 * AGE_CHUNK, 2 * AGE_CHUNK + 1, MANY};
	static const size_t pieces[] = {1, 1000, AGE_CHUNK, AGE_SEALED, MANY};

	(void)state;
	prepare();
	for (size_t i = 0; i < COUNT(sizes); i++) {
		for (size_t k = sizes[i] > 1000 ? 1 : 0; k < COUNT(pieces); k++) {
			check_size(sizes[i], pieces[k], false);
			check_size(sizes[i], pieces[k], true);
		}
	}
}

static void never_the_same(void **state)
{
	struct buf one = {0}, two = {0};
	const uint8_t *a, *b;

	(void)state;
	prepare();
	seal_pieces(text, 100, 100, publics, 1, false, &one);
	seal_pieces(text, 100, 100, publics, 1, false, &two);
	a = one.p + 22 + 10;
	b = two.p + 22 + 10;
	assert_memory_not_equal(a, b, 43);                                     /* the share */
	assert_memory_not_equal(a + 44, b + 44, 43);                           /* the file key */
	assert_memory_not_equal(one.p + one.n - 132, two.p + two.n - 132, 16); /* the nonce */
	assert_memory_not_equal(one.p + one.n - 116, two.p + two.n - 116, 116);
	buf_free(&one);
	buf_free(&two);
}

/* --- what was changed or cut --- */

/* A damaged file: whatever it is, no byte comes out that is not the beginning of the text. */
static void check_damaged(const struct buf *sealed, struct buf *out)
{
	enum age_fault fault =
		open_pieces(sealed->p, sealed->n, sealed->n, pairs, 1, AGE_EITHER, out);

	assert_true(fault != AGE_SOUND && fault != AGE_OTHER);
	assert_true(out->n == 0 || out->n == AGE_CHUNK);
	assert_memory_equal(out->p, text, out->n);
}

static void flips(void **state)
{
	struct buf sealed = {0}, out = {0};

	(void)state;
	prepare();
	assert_int_equal(buf_reserve(&out, 1), 0);
	seal_pieces(text, AGE_CHUNK + 50, MANY, publics, 2, false, &sealed);
	for (size_t i = 0; i < sealed.n; i += i < 400 || i > sealed.n - 200 ? 1 : 997) {
		sealed.p[i] ^= (uint8_t)(1u << i % 8);
		check_damaged(&sealed, &out);
		sealed.p[i] ^= (uint8_t)(1u << i % 8);
	}
	assert_int_equal(
		open_pieces(sealed.p, sealed.n, MANY, pairs, 1, AGE_EITHER, &out), AGE_SOUND);
	buf_free(&sealed);
	buf_free(&out);
}

static void armored_flips(void **state)
{
	struct buf sealed = {0}, out = {0};

	(void)state;
	prepare();
	assert_int_equal(buf_reserve(&out, 1), 0);
	seal_pieces(text, 100, MANY, publics, 1, true, &sealed);
	for (size_t i = 0; i < sealed.n - 1; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			sealed.p[i] ^= (uint8_t)(1u << bit);
			check_damaged(&sealed, &out);
			sealed.p[i] ^= (uint8_t)(1u << bit);
		}
	}
	buf_free(&sealed);
	buf_free(&out);
}

static void cuts(void **state)
{
	struct buf sealed = {0}, out = {0}, part;

	(void)state;
	prepare();
	assert_int_equal(buf_reserve(&out, 1), 0);
	for (int armored = 0; armored <= 1; armored++) {
		sealed.n = 0;
		seal_pieces(text, AGE_CHUNK + 50, MANY, publics, 2, armored == 1, &sealed);
		/* all but the last line end of an armored one is needed */
		for (size_t n = 0; n < sealed.n - (size_t)armored;
			n += n < 500 || n > sealed.n - 200 ? 1 : 991) {
			part = sealed;
			part.n = n;
			check_damaged(&part, &out);
		}
	}
	buf_free(&sealed);
	buf_free(&out);
}

/* Chunks left out, exchanged and doubled; each is whole and authentic in itself. */
static void chunks(void **state)
{
	static const int orders[][3] = {{1, 0, 2}, {0, 2, -1}, {0, 0, 2}, {0, 1, 1}, {2, -1, -1},
		{0, 1, -1}, {2, 1, 0}, {1, 2, -1}};
	struct buf sealed = {0}, other = {0}, out = {0};
	size_t start, n = 2 * AGE_CHUNK + 50;

	(void)state;
	prepare();
	seal_pieces(text, n, MANY, publics, 1, false, &sealed);
	start = sealed.n - n - (size_t)3 * CHACHA_TAG;
	for (size_t i = 0; i < COUNT(orders); i++) {
		other.n = 0;
		assert_int_equal(buf_append(&other, sealed.p, start), 0);
		for (size_t k = 0; k < 3 && orders[i][k] >= 0; k++) {
			size_t from = start + (size_t)orders[i][k] * AGE_SEALED;
			assert_int_equal(buf_append(&other, sealed.p + from,
						 orders[i][k] == 2 ? 66 : AGE_SEALED),
				0);
		}
		assert_int_equal(open_pieces(other.p, other.n, MANY, pairs, 1, AGE_BINARY, &out),
			AGE_BAD_PAYLOAD);
		assert_true(out.n <= n && memcmp(out.p == NULL ? text : out.p, text, out.n) == 0);
	}
	/* and one thing more behind the end */
	assert_int_equal(buf_append(&sealed, "", 1), 0);
	assert_int_equal(
		open_pieces(sealed.p, sealed.n, MANY, pairs, 1, AGE_BINARY, &out), AGE_BAD_PAYLOAD);
	buf_free(&sealed);
	buf_free(&other);
	buf_free(&out);
}

/* --- limits --- */

static void recipients(void **state)
{
	static struct age_recipient many[AGE_RECIPIENTS_MAX + 1];
	static struct age_seal s;
	struct buf sealed = {0}, out = {0};
	const struct age_sink sink = {keep, &sealed};
	struct err e;

	(void)state;
	prepare();
	for (size_t i = 0; i < COUNT(many); i++) {
		many[i] = publics[0];
	}
	assert_refused(age_seal_begin(&s, many, 0, false, sink, &e), e, EX_DATAERR);
	assert_refused(age_seal_begin(&s, many, COUNT(many), false, sink, &e), e, EX_DATAERR);
	assert_int_equal(sealed.n, 0);
	many[AGE_RECIPIENTS_MAX - 1] = publics[1];
	seal_pieces(text, 10, 10, many, AGE_RECIPIENTS_MAX, true, &sealed);
	assert_int_equal(
		open_pieces(sealed.p, sealed.n, 777, &pairs[1], 1, AGE_EITHER, &out), AGE_SOUND);
	assert_memory_equal(out.p, text, 10);
	buf_free(&sealed);
	buf_free(&out);
}

/* A header of exactly n bytes, for somebody else. */
static void fill_header(uint8_t *p, size_t n)
{
	static const char version[] = "age-encryption.org/v1\n";
	size_t at = sizeof version - 1, mac = n - 48;

	memcpy(p, version, at);
	for (; at < mac - 20; at += 6) {
		memcpy(p + at, "-> x\n\n", 6);
	}
	memset(p + at, 'x', mac - at);
	memcpy(p + at, "-> ", 3);
	memcpy(p + mac - 2, "\n\n--- ", 6);
	memset(p + mac + 4, 'A', 43);
	p[n - 1] = '\n';
}

static void header_limit(void **state)
{
	static uint8_t header[AGE_HEADER_MAX + 1];
	struct buf out = {0};

	(void)state;
	prepare();
	for (size_t n = AGE_HEADER_MAX - 6; n <= sizeof header; n++) {
		fill_header(header, n);
		assert_int_equal(open_pieces(header, n, 4096, pairs, 1, AGE_BINARY, &out),
			n > AGE_HEADER_MAX ? AGE_BAD_HEADER : AGE_NO_MATCH);
	}
	/* no line end in it at all */
	memset(header + 22, 'x', sizeof header - 22);
	assert_int_equal(open_pieces(header, sizeof header, 4096, pairs, 1, AGE_BINARY, &out),
		AGE_BAD_HEADER);
	buf_free(&out);
}

/* --- keys --- */

static void low_order(void **state)
{
	/* RFC 7748 6.1: these agree on nothing; the last two are the same by another number */
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
	char name[AGE_RECIPIENT_TEXT + 1];
	struct age_recipient point;
	uint8_t read[X25519_BYTES];
	static struct age_seal s;
	struct buf out = {0};
	struct err e;

	(void)state;
	for (size_t i = 0; i < COUNT(points); i++) {
		assert_int_equal(hex_decode(point.key, X25519_BYTES, points[i], 64), 0);
		age_write_recipient(name, point.key);
		assert_int_equal(strlen(name), AGE_RECIPIENT_TEXT);
		assert_refused(age_read_recipient(read, name, strlen(name), &e), e, EX_DATAERR);
		assert_refused(
			age_seal_begin(&s, &point, 1, false, (struct age_sink){keep, &out}, &e), e,
			EX_DATAERR);
		assert_int_equal(out.n, 0);
	}
}

static void key_texts(void **state)
{
	char name[AGE_RECIPIENT_TEXT + 1], secret[AGE_IDENTITY_TEXT + 1];
	struct x25519_pair read;
	uint8_t public[X25519_BYTES];
	struct err e;

	(void)state;
	prepare();
	age_write_recipient(name, publics[0].key);
	age_write_identity(secret, pairs[0].private);
	assert_int_equal(strlen(secret), AGE_IDENTITY_TEXT);
	assert_int_equal(age_read_recipient(public, name, strlen(name), &e), 0);
	assert_memory_equal(public, publics[0].key, X25519_BYTES);
	assert_int_equal(age_read_identity(&read, secret, strlen(secret), &e), 0);
	assert_memory_equal(&read, &pairs[0], sizeof read);
	assert_refused(age_read_recipient(public, secret, strlen(secret), &e), e, EX_DATAERR);
	assert_refused(age_read_identity(&read, name, strlen(name), &e), e, EX_DATAERR);
	memset(read.private, 0, sizeof read.private);
	age_write_identity(secret, read.private);
	assert_refused(age_read_identity(&read, secret, strlen(secret), &e), e, EX_DATAERR);
	age_write_identity(secret, pairs[0].private);
	secret[40] = secret[40] == 'Q' ? 'P' : 'Q';
	assert_refused(age_read_identity(&read, secret, strlen(secret), &e), e, EX_DATAERR);
	assert_null(strstr(e.text, secret + 16)); /* a secret with a slip of the pen is one still */
}

/* --- what is not the file's fault; what is left in memory --- */

static int refuse(void *arg, const void *p, size_t n, struct err *e)
{
	size_t *left = arg;

	(void)p;
	if (n > *left) {
		return err_set(e, EX_IOERR, "the disk is full");
	}
	*left -= n;
	return 0;
}

static void sinks(void **state)
{
	static struct age_seal s;
	static struct age_open o;
	struct buf sealed = {0};
	struct err e;

	(void)state;
	prepare();
	seal_pieces(text, MANY, MANY, publics, 1, true, &sealed);
	for (size_t room = 0; room < sealed.n; room += 30011) {
		size_t left = room;
		int rc = age_seal_begin(&s, publics, 1, true, (struct age_sink){refuse, &left}, &e);
		rc = rc == 0 ? age_seal_write(&s, text, MANY, &e) : rc;
		rc = rc == 0 ? age_seal_end(&s, &e) : rc;
		assert_int_equal(rc, -1);
		assert_int_equal(e.code, EX_IOERR);
		left = SIZE_MAX; /* there is room again: it would be sealed behind a gap */
		assert_refused(age_seal_write(&s, text, 1, &e), e, EX_SOFTWARE);
		assert_refused(age_seal_end(&s, &e), e, EX_SOFTWARE);
		assert_true(left == SIZE_MAX);
	}
	for (size_t room = 0; room < MANY; room += 30011) {
		size_t left = room;
		age_open_begin(&o, pairs, 1, AGE_EITHER, (struct age_sink){refuse, &left});
		if (age_open_write(&o, sealed.p, sealed.n, &e) == 0) {
			assert_int_equal(age_open_end(&o, &e), -1);
		}
		assert_int_equal(e.code, EX_IOERR);
		assert_int_equal(o.fault, AGE_OTHER);
		age_open_wipe(&o);
	}
	buf_free(&sealed);
}

static void assert_zero(const void *p, size_t n)
{
	const uint8_t *s = p;

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(s[i], 0);
	}
}

static void wiped(void **state)
{
	static struct age_seal s;
	static struct age_open o;
	struct buf sealed = {0}, out = {0};
	struct err e;

	(void)state;
	prepare();
	assert_int_equal(
		age_seal_begin(&s, publics, 1, true, (struct age_sink){keep, &sealed}, &e), 0);
	assert_int_equal(age_seal_write(&s, text, 1000, &e), 0);
	assert_int_equal(age_seal_end(&s, &e), 0);
	age_seal_wipe(&s);
	assert_zero(&s, sizeof s);
	age_open_begin(&o, pairs, 1, AGE_EITHER, (struct age_sink){keep, &out});
	assert_int_equal(age_open_write(&o, sealed.p, sealed.n - 50, &e), 0);
	assert_zero(o.header.file_key, sizeof o.header.file_key);
	age_open_wipe(&o);
	assert_zero(&o, sizeof o);
	buf_free(&sealed);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("what goes in comes out, of any size, in any pieces, in either form",
			round_trips),
		T("the same text is never sealed the same way", never_the_same),
		T("a bit turned anywhere: refused, and no wrong byte comes out", flips),
		T("any bit of an armored file turned: refused", armored_flips),
		T("cut anywhere: refused, and no wrong byte comes out", cuts),
		T("chunks left out, exchanged or doubled: refused", chunks),
		T("1 to 1000 recipients, the last of whom reads it", recipients),
		T("a header of 1 MiB is read, a larger one is not", header_limit),
		T("no file is sealed for a point of low order", low_order),
		T("keys come back from their text, and no secret is in an error", key_texts),
		T("what the sink says ends it for good, and is no fault of the file", sinks),
		T("no key is left in memory", wiped),
	};
	return RUN(tests);
}
