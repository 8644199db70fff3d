/* DER in and out for RSA keys; see rsa_der.h. Reading is done here, and strictly: what BearSSL 0.6
 * has for private keys overflows on large ones, and derives e for a quarter of all keys only. */
#include "rsa_der.h"

enum { DER_INTEGER = 0x02, DER_BIT_STRING = 0x03, DER_OCTET_STRING = 0x04, DER_SEQUENCE = 0x30 };

/* SEQUENCE { OID 1.2.840.113549.1.1.1 rsaEncryption, NULL }, RFC 8017 A.1 */
static const uint8_t rsa_algorithm[] = {
	0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};

/* --- reading --- */

/* A DER length: definite, and as short as it can be. */
static size_t get_length(struct cursor *c)
{
	uint8_t first = get_u8(c);
	size_t n = 0;

	if (first < 0x80) {
		return first;
	}
	if (first > 0x83 || first == 0x80) {
		c->failed = true;
		return 0;
	}
	for (int i = 0; i < (first & 0x7f); i++) {
		n = n << 8 | get_u8(c);
	}
	if (n < 0x80 || (first > 0x81 && n >> (8 * ((first & 0x7f) - 1)) == 0)) {
		c->failed = true;
	}
	return n;
}

/* The content of the next element, which must have this tag. */
static struct cursor get_element(struct cursor *c, uint8_t tag)
{
	if (get_u8(c) != tag) {
		c->failed = true;
	}
	size_t n = get_length(c);
	const uint8_t *p = get_bytes(c, n);
	struct cursor inner = cursor_over(p, p == NULL ? 0 : n);
	inner.failed = c->failed;
	return inner;
}

/* A positive INTEGER without its sign byte, at most cap bytes. */
static size_t get_integer(struct cursor *c, uint8_t *out, size_t cap)
{
	struct cursor i = get_element(c, DER_INTEGER);

	if (cursor_left(&i) == 0 || (i.p[0] & 0x80) != 0 ||
		(i.n > 1 && i.p[0] == 0 && (i.p[1] & 0x80) == 0)) {
		c->failed = true;
		return 0;
	}
	if (i.p[0] == 0 && i.n > 1) {
		(void)get_u8(&i);
	}
	if (i.n > cap) {
		c->failed = true;
		return 0;
	}
	memcpy(out, i.p, i.n);
	return i.n;
}

/* RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER } */
static bool read_pkcs1_public(struct rsa_public *out, struct cursor *c)
{
	struct cursor seq = get_element(c, DER_SEQUENCE);

	out->n_len = get_integer(&seq, out->n, sizeof out->n);
	out->e_len = get_integer(&seq, out->e, sizeof out->e);
	return !c->failed && !seq.failed && cursor_left(&seq) == 0 && cursor_left(c) == 0;
}

/* SubjectPublicKeyInfo ::= SEQUENCE { algorithm, subjectPublicKey BIT STRING } */
static bool read_spki(struct rsa_public *out, struct cursor *c, bool *other_algorithm)
{
	struct cursor seq = get_element(c, DER_SEQUENCE);
	const uint8_t *algorithm = get_bytes(&seq, sizeof rsa_algorithm);
	struct cursor bits;

	*other_algorithm = !c->failed && (algorithm == NULL || memcmp(algorithm, rsa_algorithm,
								       sizeof rsa_algorithm) != 0);
	if (seq.failed || *other_algorithm) {
		return false;
	}
	bits = get_element(&seq, DER_BIT_STRING);
	return get_u8(&bits) == 0 && read_pkcs1_public(out, &bits) && cursor_left(&seq) == 0 &&
	       cursor_left(c) == 0;
}

static int wrong_label(const struct pem *pem, const char *want, struct err *e)
{
	err_set(e, EX_CONFIG, "it holds a \"%s\", not %s", pem->label, want);
	if (strcmp(pem->label, "ENCRYPTED PRIVATE KEY") == 0) {
		err_hint(e, "take its passphrase off: openssl pkey -in FILE -out NEWFILE");
	}
	return -1;
}

int rsa_der_read_public(struct rsa_public *out, const struct pem *pem, struct err *e)
{
	struct cursor c = cursor_over(pem->der.p, pem->der.n);
	bool ok, other = false;

	if (strcmp(pem->label, "PUBLIC KEY") == 0) {
		ok = read_spki(out, &c, &other);
	} else if (strcmp(pem->label, "RSA PUBLIC KEY") == 0) {
		ok = read_pkcs1_public(out, &c);
	} else {
		return wrong_label(pem, "a public key", e);
	}
	if (!ok) {
		return err_set(e, EX_CONFIG, "%s",
			other ? "it is no RSA key" : "its RSA public key is damaged");
	}
	return rsa_check_public(out, e);
}

/* A positive INTEGER as a number that points into the source. */
static struct rsa_number get_number(struct cursor *c)
{
	struct cursor i = get_element(c, DER_INTEGER);

	if (cursor_left(&i) == 0 || (i.p[0] & 0x80) != 0) {
		c->failed = true;
		return (struct rsa_number){0};
	}
	while (i.n > 1 && i.p[0] == 0) {
		(void)get_u8(&i);
	}
	return (struct rsa_number){.p = i.p, .n = i.n};
}

/* A version number, which must be this one. */
static bool get_version(struct cursor *c, uint8_t version)
{
	struct cursor i = get_element(c, DER_INTEGER);

	return cursor_left(&i) == 1 && i.p[0] == version;
}

/* RSAPrivateKey (RFC 8017 A.1.2), two primes. */
static bool read_pkcs1_private(struct rsa_parts *k, struct cursor *c)
{
	struct cursor seq = get_element(c, DER_SEQUENCE);

	if (!get_version(&seq, 0)) {
		return false;
	}
	k->n = get_number(&seq);
	k->e = get_number(&seq);
	(void)get_number(&seq); /* d: it can be computed from the others */
	k->p = get_number(&seq);
	k->q = get_number(&seq);
	k->dp = get_number(&seq);
	k->dq = get_number(&seq);
	k->iq = get_number(&seq);
	return !seq.failed && seq.n == 0 && !c->failed && c->n == 0;
}

/* PrivateKeyInfo (RFC 5958, version 0): the PKCS#1 form in an OCTET STRING; attributes may follow.
 */
static bool read_pkcs8(struct rsa_parts *k, struct cursor *c, bool *other_algorithm)
{
	struct cursor seq = get_element(c, DER_SEQUENCE);
	bool version_ok = get_version(&seq, 0);
	const uint8_t *algorithm = get_bytes(&seq, sizeof rsa_algorithm);
	struct cursor inner;

	*other_algorithm = version_ok && (algorithm == NULL || memcmp(algorithm, rsa_algorithm,
								       sizeof rsa_algorithm) != 0);
	if (!version_ok || *other_algorithm || c->failed || c->n != 0) {
		return false;
	}
	inner = get_element(&seq, DER_OCTET_STRING);
	return read_pkcs1_private(k, &inner);
}

int rsa_der_read_private(struct rsa_private *out, const struct pem *pem, struct err *e)
{
	struct cursor c = cursor_over(pem->der.p, pem->der.n);
	struct rsa_parts k;
	bool ok, other = false;

	if (strcmp(pem->label, "RSA PRIVATE KEY") == 0) {
		ok = read_pkcs1_private(&k, &c);
	} else if (strcmp(pem->label, "PRIVATE KEY") == 0) {
		ok = read_pkcs8(&k, &c, &other);
	} else {
		return wrong_label(pem, "a private key", e);
	}
	if (!ok) {
		return err_set(e, EX_CONFIG, "%s",
			other ? "it is no RSA key" : "its RSA private key is damaged");
	}
	return rsa_private_from_parts(out, &k, e);
}

/* --- writing --- */

/* The tag and length of an element whose content has n bytes (below 2^24). */
static int put_head(struct buf *out, uint8_t tag, size_t n)
{
	uint8_t head[5] = {tag};
	size_t k = 1;

	if (n >= 0x80) {
		size_t bytes = n > 0xffff ? 3 : n > 0xff ? 2 : 1;
		head[k++] = (uint8_t)(0x80 | bytes);
		while (bytes-- > 0) {
			head[k++] = (uint8_t)(n >> (8 * bytes));
		}
	} else {
		head[k++] = (uint8_t)n;
	}
	return buf_append(out, head, k);
}

static size_t head_len(size_t n)
{
	return n < 0x80 ? 2 : n <= 0xff ? 3 : n <= 0xffff ? 4 : 5;
}

static size_t integer_len(const uint8_t *p, size_t n)
{
	return n + (p[0] >= 0x80 ? 1 : 0);
}

static int put_integer(struct buf *out, const uint8_t *p, size_t n)
{
	if (put_head(out, DER_INTEGER, integer_len(p, n)) != 0 ||
		(p[0] >= 0x80 && buf_append(out, "", 1) != 0)) {
		return -1;
	}
	return buf_append(out, p, n);
}

int rsa_der_write_public(struct buf *out, const struct rsa_public *key)
{
	size_t n = integer_len(key->n, key->n_len), e = integer_len(key->e, key->e_len);
	size_t pkcs1 = head_len(n) + n + head_len(e) + e;
	size_t bits = 1 + head_len(pkcs1) + pkcs1;

	if (put_head(out, DER_SEQUENCE, sizeof rsa_algorithm + head_len(bits) + bits) != 0 ||
		buf_append(out, rsa_algorithm, sizeof rsa_algorithm) != 0 ||
		put_head(out, DER_BIT_STRING, bits) != 0 || buf_append(out, "", 1) != 0 ||
		put_head(out, DER_SEQUENCE, pkcs1) != 0 ||
		put_integer(out, key->n, key->n_len) != 0) {
		return -1;
	}
	return put_integer(out, key->e, key->e_len);
}

int rsa_der_write_private(struct buf *out, const struct rsa_private *key)
{
	uint8_t d[RSA_BYTES_MAX];
	br_rsa_public_key pk = {.n = (unsigned char *)(uintptr_t)key->public.n,
		.nlen = key->public.n_len,
		.e = (unsigned char *)(uintptr_t)key->public.e,
		.elen = key->public.e_len};
	size_t d_len = rsa_private_exponent(key, d), n;
	int rc = -1;

	if (d_len > 0) {
		n = br_encode_rsa_raw_der(NULL, &key->key, &pk, d, d_len);
		if (n > 0 && buf_reserve(out, n) == 0) {
			(void)br_encode_rsa_raw_der(out->p + out->n, &key->key, &pk, d, d_len);
			out->n += n;
			rc = 0;
		}
	}
	wipe(d, sizeof d);
	return rc;
}
