/* X25519 over BearSSL; see x25519.h. */
#include "x25519.h"

#include <bearssl.h>

#include "bytes.h"
#include "random.h"

/* Scalar times point; out may be either of them. BearSSL 0.6 reads the scalar little-endian,
 * whatever its header says; it clamps it, and masks the point's high bit. */
static void multiply(uint8_t out[static X25519_BYTES], const uint8_t scalar[static X25519_BYTES],
	const uint8_t point[static X25519_BYTES])
{
	uint8_t product[X25519_BYTES];

	memcpy(product, point, sizeof product);
	/* its answer is 1 for low-order points, too: the caller judges the result */
	(void)br_ec_c25519_m31.mul(product, sizeof product, scalar, X25519_BYTES, BR_EC_curve25519);
	memcpy(out, product, sizeof product);
	wipe(product, sizeof product);
}

static bool is_zero(const uint8_t p[static X25519_BYTES])
{
	static const uint8_t zero[X25519_BYTES];

	return ct_eq(p, zero, X25519_BYTES);
}

int x25519_shared(uint8_t out[static X25519_BYTES], const uint8_t private[static X25519_BYTES],
	const uint8_t public[static X25519_BYTES])
{
	multiply(out, private, public);
	return is_zero(out) ? -1 : 0;
}

void x25519_public(uint8_t out[static X25519_BYTES], const uint8_t private[static X25519_BYTES])
{
	static const uint8_t base[X25519_BYTES] = {9};

	multiply(out, private, base);
}

int x25519_generate(struct x25519_pair *out, struct err *e)
{
	if (random_bytes(out->private, sizeof out->private, e) != 0) {
		return -1;
	}
	x25519_public(out->public, out->private);
	return 0;
}

int x25519_self_check(struct err *e)
{
	/* RFC 7748 5.2, the first vector; with the other byte order it comes out differently */
	static const char *const scalar_hex =
		"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4";
	static const char *const point_hex =
		"e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c";
	static const char *const want_hex =
		"c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552";
	uint8_t scalar[X25519_BYTES], point[X25519_BYTES], want[X25519_BYTES];

	(void)hex_decode(scalar, sizeof scalar, scalar_hex, 64);
	(void)hex_decode(point, sizeof point, point_hex, 64);
	(void)hex_decode(want, sizeof want, want_hex, 64);
	multiply(point, scalar, point);
	return memcmp(point, want, sizeof want) == 0
		       ? 0
		       : err_set(e, EX_CONFIG,
				 "this build's X25519 does not compute what RFC 7748 prints");
}
