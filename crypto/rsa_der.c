/* DER in and out for RSA keys; see rsa_der.h. Reading is done here, and strictly: what BearSSL 0.6
 * has for private keys overflows on large ones, and derives e for a quarter of all keys only. */
#include "rsa_der.h"

#include "der.h"

/* --- reading --- */

/* A positive INTEGER without its sign byte, at most cap bytes. */
static size_t get_integer(struct cursor *c, uint8_t *out, size_t cap)
{
	struct cursor i = der_get_element(c, DER_INTEGER);

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
	struct cursor seq = der_get_element(c, DER_SEQUENCE);

	out->n_len = get_integer(&seq, out->n, sizeof out->n);
	out->e_len = get_integer(&seq, out->e, sizeof out->e);
	return der_at_end(&seq) && der_at_end(c);
}

int rsa_der_read_public(struct rsa_public *out, const struct pem *pem, struct err *e)
{
	struct cursor c = cursor_over(pem->der.p, pem->der.n);

	if (strcmp(pem->label, "RSA PUBLIC KEY") != 0 &&
		der_open_public(&c, pem, DER_RSA, e) != 0) {
		return -1;
	}
	if (!read_pkcs1_public(out, &c)) {
		return der_damaged(DER_RSA, "public", e);
	}
	return rsa_check_public(out, e);
}

/* A positive INTEGER as a number that points into the source. */
static struct rsa_number get_number(struct cursor *c)
{
	struct cursor i = der_get_element(c, DER_INTEGER);

	if (cursor_left(&i) == 0 || (i.p[0] & 0x80) != 0) {
		c->failed = true;
		return (struct rsa_number){0};
	}
	while (i.n > 1 && i.p[0] == 0) {
		(void)get_u8(&i);
	}
	return (struct rsa_number){.p = i.p, .n = i.n};
}

/* RSAPrivateKey (RFC 8017 A.1.2), two primes. */
static bool read_pkcs1_private(struct rsa_parts *k, struct cursor *c)
{
	struct cursor seq = der_get_element(c, DER_SEQUENCE);

	if (der_get_small(&seq) != 0) {
		return false; /* 1: more than two primes */
	}
	k->n = get_number(&seq);
	k->e = get_number(&seq);
	(void)get_number(&seq); /* d: it can be computed from the others */
	k->p = get_number(&seq);
	k->q = get_number(&seq);
	k->dp = get_number(&seq);
	k->dq = get_number(&seq);
	k->iq = get_number(&seq);
	return der_at_end(&seq) && der_at_end(c);
}

int rsa_der_read_private(struct rsa_private *out, const struct pem *pem, struct err *e)
{
	struct der_private envelope = {.key = cursor_over(pem->der.p, pem->der.n)};
	struct rsa_parts k;

	if (strcmp(pem->label, "RSA PRIVATE KEY") != 0 &&
		der_open_private(&envelope, pem, DER_RSA, e) != 0) {
		return -1;
	}
	/* nobody puts the public key beside an RSA key, which holds it already */
	if (envelope.has_public || !read_pkcs1_private(&k, &envelope.key)) {
		return der_damaged(DER_RSA, "private", e);
	}
	return rsa_private_from_parts(out, &k, e);
}

/* --- writing --- */

static size_t integer_len(const uint8_t *p, size_t n)
{
	return n + (p[0] >= 0x80 ? 1 : 0);
}

static int put_integer(struct buf *out, const uint8_t *p, size_t n)
{
	if (der_put_head(out, DER_INTEGER, integer_len(p, n)) != 0 ||
		(p[0] >= 0x80 && buf_append(out, "", 1) != 0)) {
		return -1;
	}
	return buf_append(out, p, n);
}

int rsa_der_write_public(struct buf *out, const struct rsa_public *key)
{
	size_t n = integer_len(key->n, key->n_len), e = integer_len(key->e, key->e_len);
	size_t pkcs1 = der_head_len(n) + n + der_head_len(e) + e;

	if (der_put_public_head(out, DER_RSA, der_head_len(pkcs1) + pkcs1) != 0 ||
		der_put_head(out, DER_SEQUENCE, pkcs1) != 0 ||
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
