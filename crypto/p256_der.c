/* DER in and out for P-256 keys; see p256_der.h. The envelopes are der.c's. */
#include "p256_der.h"

#include "der.h"

enum { TAG_PARAMETERS = 0xa0, TAG_PUBLIC = 0xa1 }; /* RFC 5915 3: [0], [1] */

static const char ec_label[] = "EC PRIVATE KEY";
/* prime256v1, as a whole element */
static const uint8_t curve[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

/* --- reading --- */

/* The bytes of a point, as many as they must be; whether it is one of the curve is told apart. */
static int take_point(uint8_t out[static P256_PUBLIC], struct cursor *c, struct err *e)
{
	size_t n = cursor_left(c);

	if (n != P256_PUBLIC) {
		return err_set(
			e, EX_CONFIG, "its P-256 public key has %zu bytes, not %d", n, P256_PUBLIC);
	}
	memcpy(out, get_bytes(c, n), n);
	return 0;
}

int p256_der_read_public(uint8_t out[static P256_PUBLIC], const struct pem *pem, struct err *e)
{
	uint8_t point[P256_PUBLIC];
	struct cursor c;

	if (der_open_public(&c, pem, DER_P256, e) != 0 || take_point(point, &c, e) != 0) {
		return -1;
	}
	if (!p256_is_point(point)) {
		return err_set(e, EX_CONFIG, "its P-256 public key is no point of the curve");
	}
	memcpy(out, point, sizeof point);
	return 0;
}

/* ECPrivateKey ::= SEQUENCE { 1, privateKey, [0] parameters, [1] publicKey } (RFC 5915 3). The
 * cursors of what is there; named: whether it must name its curve. */
static int split(struct cursor *all, bool named, struct cursor *key, struct cursor *public,
	bool *has_public, struct err *e)
{
	struct cursor seq = der_get_element(all, DER_SEQUENCE), inner, parameters;
	uint8_t version = der_get_small(&seq);

	*key = der_get_element(&seq, DER_OCTET_STRING);
	if (version != 1 || seq.failed) {
		return der_damaged(DER_P256, "private", e);
	}
	if (named || der_next_is(&seq, TAG_PARAMETERS)) {
		parameters = der_get_element(&seq, TAG_PARAMETERS);
		if (seq.failed) {
			return der_damaged(DER_P256, "private", e);
		}
		if (parameters.n != sizeof curve ||
			memcmp(parameters.p, curve, sizeof curve) != 0) {
			return err_set(
				e, EX_CONFIG, "its EC private key is not of the curve P-256");
		}
	}
	*has_public = der_next_is(&seq, TAG_PUBLIC);
	if (*has_public) {
		inner = der_get_element(&seq, TAG_PUBLIC);
		*public = der_get_element(&inner, DER_BIT_STRING);
		if (get_u8(public) != 0 || public->failed || !der_at_end(&inner)) {
			return der_damaged(DER_P256, "private", e);
		}
	}
	return der_at_end(&seq) && der_at_end(all) ? 0 : der_damaged(DER_P256, "private", e);
}

static int read_pair(struct p256_pair *out, struct cursor *all, bool named, struct err *e)
{
	struct cursor key, public;
	uint8_t point[P256_PUBLIC];
	bool has_public = false;

	if (split(all, named, &key, &public, &has_public, e) != 0) {
		return -1;
	}
	if (cursor_left(&key) != P256_PRIVATE) {
		return err_set(e, EX_CONFIG, "its P-256 private key has %zu bytes, not %d",
			cursor_left(&key), P256_PRIVATE);
	}
	memcpy(out->private, get_bytes(&key, P256_PRIVATE), P256_PRIVATE);
	if (p256_public(out->public, out->private) != 0) {
		return err_set(e, EX_CONFIG, "its P-256 private key is out of range");
	}
	if (!has_public) {
		return 0;
	}
	if (take_point(point, &public, e) != 0) {
		return -1;
	}
	return ct_eq(point, out->public, sizeof point)
		       ? 0
		       : err_set(e, EX_CONFIG, "its public key is not that of its private key");
}

int p256_der_read_private(struct p256_pair *out, const struct pem *pem, struct err *e)
{
	struct der_private envelope = {.key = cursor_over(pem->der.p, pem->der.n)};
	bool alone = strcmp(pem->label, ec_label) == 0;
	int rc = alone ? 0 : der_open_private(&envelope, pem, DER_P256, e);

	if (rc == 0 && envelope.has_public) { /* RFC 5915 has a place of its own for it */
		rc = der_damaged(DER_P256, "private", e);
	}
	rc = rc == 0 ? read_pair(out, &envelope.key, alone, e) : rc;
	if (rc != 0) {
		wipe(out, sizeof *out);
	}
	return rc;
}

/* --- writing --- */

int p256_der_write_public(struct buf *out, const uint8_t public[static P256_PUBLIC])
{
	return der_put_public_head(out, DER_P256, P256_PUBLIC) != 0
		       ? -1
		       : buf_append(out, public, P256_PUBLIC);
}

int p256_der_write_private(struct buf *out, const struct p256_pair *pair)
{
	static const uint8_t version_and_head[] = {
		DER_SEQUENCE, 107, DER_INTEGER, 1, 1, DER_OCTET_STRING, P256_PRIVATE};
	static const uint8_t public_head[] = {TAG_PUBLIC, 68, DER_BIT_STRING, 66, 0};

	if (der_put_private_head(out, DER_P256, 109) != 0 ||
		buf_append(out, version_and_head, sizeof version_and_head) != 0 ||
		buf_append(out, pair->private, P256_PRIVATE) != 0 ||
		buf_append(out, public_head, sizeof public_head) != 0) {
		return -1;
	}
	return buf_append(out, pair->public, P256_PUBLIC);
}
