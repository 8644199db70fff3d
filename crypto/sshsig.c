/* OpenSSH's signatures and public keys; see sshsig.h. The blobs are RFC 4251's strings and mpints,
 * the keys and signatures RFC 5656's. */
#include "sshsig.h"

#include "hash.h"

static const char begin_line[] = "-----BEGIN SSH SIGNATURE-----";
static const char end_line[] = "-----END SSH SIGNATURE-----";
static const char magic[] = "SSHSIG";
static const char algorithm[] = "ecdsa-sha2-nistp256", curve[] = "nistp256", hash_name[] = "sha256";

enum {
	VERSION = 1,
	LINE = 70,      /* characters of base64, as ssh-keygen has it */
	LINE_MAX = 128, /* others have 76 */
	NAMESPACE_MAX = 64,
	KEY_BLOB = 4 + 19 + 4 + 8 + 4 + P256_PUBLIC,
	BLOB_MAX = 512,
	MPINT_MAX = P256_PRIVATE + 1
};

/* --- RFC 4251 5 --- */

/* A blob of a known bound. */
struct blob {
	uint8_t p[BLOB_MAX];
	size_t n;
};

static void put(struct blob *b, const void *p, size_t n)
{
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static void put_u32(struct blob *b, size_t v)
{
	put_u32be(b->p + b->n, (uint32_t)v);
	b->n += 4;
}

static void put_string(struct blob *b, const void *p, size_t n)
{
	put_u32(b, n);
	put(b, p, n);
}

static void put_text(struct blob *b, const char *s)
{
	put_string(b, s, strlen(s));
}

/* A positive number of P256_PRIVATE bytes, in its shortest form. */
static void put_mpint(struct blob *b, const uint8_t *p)
{
	uint8_t all[MPINT_MAX] = {0};
	size_t skip = 0;

	memcpy(all + 1, p, P256_PRIVATE);
	while (skip < P256_PRIVATE && all[skip] == 0 && all[skip + 1] < 0x80) {
		skip++;
	}
	put_string(b, all + skip, sizeof all - skip);
}

static struct cursor get_string(struct cursor *c)
{
	size_t n = get_u32be(c);
	const uint8_t *p = get_bytes(c, n);
	struct cursor inner = cursor_over(p, p == NULL ? 0 : n);

	inner.failed = c->failed;
	return inner;
}

static bool at_end(const struct cursor *c)
{
	return !c->failed && c->n == 0;
}

/* The next string must be this. */
static void get_text(struct cursor *c, const char *text)
{
	struct cursor inner = get_string(c);

	if (!get_literal(&inner, text) || !at_end(&inner)) {
		c->failed = true;
	}
}

static bool string_is(const struct cursor *s, const char *text)
{
	return !s->failed && s->n == strlen(text) && memcmp(s->p, text, s->n) == 0;
}

/* The reverse of put_mpint. */
static void get_mpint(struct cursor *c, uint8_t out[static P256_PRIVATE])
{
	struct cursor i = get_string(c);
	size_t n;

	if (cursor_left(&i) == 0 || i.p[0] >= 0x80 ||
		(i.p[0] == 0 && (i.n == 1 || i.p[1] < 0x80))) {
		c->failed = true;
		return;
	}
	if (i.p[0] == 0) {
		(void)get_u8(&i);
	}
	n = cursor_left(&i);
	if (n > P256_PRIVATE) {
		c->failed = true;
		return;
	}
	memset(out, 0, P256_PRIVATE);
	memcpy(out + P256_PRIVATE - n, i.p, n);
}

/* --- public keys (RFC 5656 3.1) --- */

static void put_key(struct blob *b, const uint8_t public[static P256_PUBLIC])
{
	put_text(b, algorithm);
	put_text(b, curve);
	put_string(b, public, P256_PUBLIC);
}

/* 0, or -1: another kind of key, or none. */
static int get_key(uint8_t out[static P256_PUBLIC], struct cursor *c)
{
	struct cursor point;

	get_text(c, algorithm);
	get_text(c, curve);
	point = get_string(c);
	if (!at_end(c) || cursor_left(&point) != P256_PUBLIC || !p256_is_point(point.p)) {
		return -1;
	}
	memcpy(out, point.p, P256_PUBLIC);
	return 0;
}

void sshsig_write_public(char out[static SSHSIG_LINE_MAX], const uint8_t public[static P256_PUBLIC])
{
	struct blob b = {.n = 0};
	int n = snprintf(out, SSHSIG_LINE_MAX, "%s ", algorithm);

	put_key(&b, public);
	(void)base64_padded_encode(out + n, b.p, b.n);
}

int sshsig_read_public(uint8_t out[static P256_PUBLIC], const char *text, size_t n, struct err *e)
{
	uint8_t blob[KEY_BLOB];
	struct cursor c = cursor_over(text, n);
	const char *end;
	int k = -1;

	if (get_literal(&c, algorithm) && get_literal(&c, " ")) {
		end = memchr(c.p, ' ', c.n);
		k = base64_padded_decode(blob, sizeof blob, (const char *)c.p,
			end == NULL ? c.n : (size_t)(end - (const char *)c.p));
	}
	c = cursor_over(blob, k < 0 ? 0 : (size_t)k);
	return get_key(out, &c) == 0
		       ? 0
		       : err_set(e, EX_DATAERR, "it is no public key of the kind %s", algorithm);
}

void sshsig_fingerprint(
	char out[static SSHSIG_FINGERPRINT_MAX], const uint8_t public[static P256_PUBLIC])
{
	struct blob b = {.n = 0};
	uint8_t digest[HASH_BYTES];

	put_key(&b, public);
	hash_of(b.p, b.n, digest);
	memcpy(out, "SHA256:", 7);
	(void)base64_encode(out + 7, digest, sizeof digest);
}

/* --- signatures (PROTOCOL.sshsig) --- */

/* The digest of what is signed: that of the message, and what it is signed for. */
static void digest_of(uint8_t out[static HASH_BYTES], const char *namespace,
	const uint8_t message[static HASH_BYTES])
{
	struct blob b = {.n = 0};

	put(&b, magic, strlen(magic));
	put_string(&b, namespace, strnlen(namespace, NAMESPACE_MAX));
	put_text(&b, ""); /* reserved */
	put_text(&b, hash_name);
	put_string(&b, message, HASH_BYTES);
	hash_of(b.p, b.n, out);
}

static int put_armor(struct buf *out, const struct blob *b)
{
	char text[BLOB_MAX * 2];
	size_t n = base64_padded_encode(text, b->p, b->n);
	int rc = buf_append_str(out, begin_line);

	for (size_t at = 0; at < n && rc == 0; at += LINE) {
		rc = buf_append_str(out, "\n");
		rc = rc == 0 ? buf_append(out, text + at, n - at < LINE ? n - at : LINE) : rc;
	}
	rc = rc == 0 ? buf_append_str(out, "\n") : rc;
	rc = rc == 0 ? buf_append_str(out, end_line) : rc;
	return rc == 0 ? buf_append_str(out, "\n") : rc;
}

int sshsig_sign(struct buf *out, const struct p256_pair *key, const char *namespace,
	const uint8_t digest[static HASH_BYTES], struct err *e)
{
	struct blob all = {.n = 0}, inner = {.n = 0}, numbers = {.n = 0};
	uint8_t signed_digest[HASH_BYTES], signature[P256_SIGNATURE];

	digest_of(signed_digest, namespace, digest);
	p256_sign(signature, key->private, signed_digest);
	put(&all, magic, strlen(magic));
	put_u32(&all, VERSION);
	put_key(&inner, key->public);
	put_string(&all, inner.p, inner.n);
	put_string(&all, namespace, strnlen(namespace, NAMESPACE_MAX));
	put_text(&all, ""); /* reserved */
	put_text(&all, hash_name);
	put_mpint(&numbers, signature);
	put_mpint(&numbers, signature + P256_PRIVATE);
	inner.n = 0;
	put_text(&inner, algorithm);
	put_string(&inner, numbers.p, numbers.n);
	put_string(&all, inner.p, inner.n);
	return put_armor(out, &all) == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

static int damaged(struct err *e)
{
	return err_set(e, EX_DATAERR, "the signature is damaged");
}

/* Take the armor off; nothing may stand behind it. The bytes, or -1. */
static int get_armor(uint8_t out[static BLOB_MAX], const void *text, size_t n)
{
	struct cursor c = cursor_over(text, n);
	char base64[SSHSIG_TEXT_MAX];
	const uint8_t *line;
	size_t line_n, all = 0;

	if (n > SSHSIG_TEXT_MAX || !get_literal(&c, begin_line) || !get_literal(&c, "\n")) {
		return -1;
	}
	while (get_line(&c, &line, &line_n)) {
		if (line_n == strlen(end_line) && memcmp(line, end_line, line_n) == 0) {
			return at_end(&c) ? base64_padded_decode(out, BLOB_MAX, base64, all) : -1;
		}
		if (line_n == 0 || line_n > LINE_MAX) {
			return -1;
		}
		memcpy(base64 + all, line, line_n); /* all of them are shorter than the text */
		all += line_n;
	}
	return -1;
}

/* r and s of the signature's own blob (RFC 5656 3.1.2). */
static int get_numbers(uint8_t out[static P256_SIGNATURE], struct cursor *c)
{
	struct cursor numbers;

	get_text(c, algorithm);
	numbers = get_string(c);
	get_mpint(&numbers, out);
	get_mpint(&numbers, out + P256_PRIVATE);
	return at_end(&numbers) && at_end(c) ? 0 : -1;
}

int sshsig_check(uint8_t public[static P256_PUBLIC], const void *text, size_t n,
	const char *namespace, const uint8_t digest[static HASH_BYTES], struct err *e)
{
	uint8_t blob[BLOB_MAX], key[P256_PUBLIC], signature[P256_SIGNATURE],
		signed_digest[HASH_BYTES];
	int k = get_armor(blob, text, n);
	struct cursor c = cursor_over(blob, k < 0 ? 0 : (size_t)k), key_blob, name, hash, numbers;

	if (!get_literal(&c, magic) || get_u32be(&c) != VERSION) {
		return damaged(e);
	}
	key_blob = get_string(&c);
	name = get_string(&c);
	(void)get_string(&c); /* reserved: to be ignored, and it is signed as empty */
	hash = get_string(&c);
	numbers = get_string(&c);
	if (!at_end(&c)) {
		return damaged(e);
	}
	if (get_key(key, &key_blob) != 0 || !string_is(&hash, hash_name)) {
		return err_set(e, EX_DATAERR, "the signature is not one of %s and %s", algorithm,
			hash_name);
	}
	if (!string_is(&name, namespace)) {
		return err_set(
			e, EX_DATAERR, "the signature is for another purpose than %s", namespace);
	}
	if (get_numbers(signature, &numbers) != 0) {
		return damaged(e);
	}
	digest_of(signed_digest, namespace, digest);
	if (!p256_verify(signature, key, signed_digest)) {
		return err_set(e, EX_DATAERR, "the signature is not one of this message");
	}
	memcpy(public, key, sizeof key);
	return 0;
}
