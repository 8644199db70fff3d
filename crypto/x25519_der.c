/* DER in and out for X25519 keys; see x25519_der.h. The envelopes are der.c's. */
#include "x25519_der.h"

#include "der.h"

/* --- reading --- */

/* The bytes of a key, as many as they must be. */
static int take_key(
	uint8_t out[static X25519_BYTES], struct cursor *c, const char *half, struct err *e)
{
	size_t n = cursor_left(c);

	if (n != X25519_BYTES) {
		return err_set(e, EX_CONFIG, "its X25519 %s key has %zu bytes, not %d", half, n,
			X25519_BYTES);
	}
	memcpy(out, get_bytes(c, n), n);
	return 0;
}

/* Does it give zero with any private key? Those are the points whose order divides 8 (RFC 7748 5):
 * 0, 1, p - 1, two of order 8, and p and p + 1, which are 0 and 1 again; the high bit is ignored. A
 * multiplication would tell, too, but each login reads a key. */
static bool low_order(const uint8_t public[static X25519_BYTES])
{
	static const uint8_t points[][X25519_BYTES] = {{0}, {1},
		{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f,
			0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62,
			0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
		{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83,
			0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22,
			0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57}};
	uint8_t point[X25519_BYTES];
	bool ones = true; /* between the first byte and the last: p - 1, p and p + 1 */

	memcpy(point, public, sizeof point);
	point[X25519_BYTES - 1] &= 0x7f;
	for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
		if (memcmp(point, points[i], sizeof point) == 0) {
			return true;
		}
	}
	for (size_t i = 1; i < X25519_BYTES - 1; i++) {
		ones = ones && point[i] == 0xff;
	}
	return ones && point[X25519_BYTES - 1] == 0x7f && point[0] >= 0xec && point[0] <= 0xee;
}

int x25519_der_read_public(uint8_t out[static X25519_BYTES], const struct pem *pem, struct err *e)
{
	uint8_t key[X25519_BYTES];
	struct cursor c;

	if (der_open_public(&c, pem, DER_X25519, e) != 0 || take_key(key, &c, "public", e) != 0) {
		return -1;
	}
	if (low_order(key)) {
		return err_set(e, EX_CONFIG,
			"its X25519 public key is of low order: no secret can be shared with it");
	}
	memcpy(out, key, sizeof key);
	return 0;
}

/* CurvePrivateKey ::= OCTET STRING (RFC 8410 7), and what may stand beside it. */
static int read_pair(struct x25519_pair *out, struct der_private *envelope, struct err *e)
{
	static const uint8_t zeros[X25519_BYTES];
	struct cursor inner = der_get_element(&envelope->key, DER_OCTET_STRING);
	uint8_t public[X25519_BYTES];

	if (inner.failed || !der_at_end(&envelope->key)) {
		return der_damaged(DER_X25519, "private", e);
	}
	if (take_key(out->private, &inner, "private", e) != 0) {
		return -1;
	}
	if (ct_eq(out->private, zeros, sizeof zeros)) {
		return err_set(e, EX_CONFIG, "its X25519 private key is all zeros");
	}
	x25519_public(out->public, out->private);
	if (!envelope->has_public) {
		return 0;
	}
	if (take_key(public, &envelope->public, "public", e) != 0) {
		return -1;
	}
	return ct_eq(public, out->public, sizeof out->public)
		       ? 0
		       : err_set(e, EX_CONFIG, "its public key is not that of its private key");
}

int x25519_der_read_private(struct x25519_pair *out, const struct pem *pem, struct err *e)
{
	struct der_private envelope;

	if (der_open_private(&envelope, pem, DER_X25519, e) == 0 &&
		read_pair(out, &envelope, e) == 0) {
		return 0;
	}
	wipe(out, sizeof *out);
	return -1;
}

/* --- writing --- */

int x25519_der_write_public(struct buf *out, const uint8_t public[static X25519_BYTES])
{
	return der_put_public_head(out, DER_X25519, X25519_BYTES) != 0
		       ? -1
		       : buf_append(out, public, X25519_BYTES);
}

int x25519_der_write_private(struct buf *out, const uint8_t private[static X25519_BYTES])
{
	if (der_put_private_head(out, DER_X25519, der_head_len(X25519_BYTES) + X25519_BYTES) != 0 ||
		der_put_head(out, DER_OCTET_STRING, X25519_BYTES) != 0) {
		return -1;
	}
	return buf_append(out, private, X25519_BYTES);
}
