/* ECDSA on P-256 over BearSSL; see p256.h. Ranges are judged here, not left to the library: a key
 * and a signature have one form each. */
#include "p256.h"

#include <bearssl.h>

#include "bytes.h"
#include "random.h"

/* The curve's prime (FIPS 186-5, SP 800-186 3.2.1.3) and its order, big-endian. */
static const uint8_t prime[P256_PRIVATE] = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static const uint8_t *curve_order(void)
{
	size_t n;

	return br_ec_get_default()->order(BR_EC_secp256r1, &n);
}

/* Is a below b? The time does not depend on them. */
static bool below(const uint8_t *a, const uint8_t *b)
{
	uint32_t borrow = 0;

	for (size_t i = P256_PRIVATE; i > 0; i--) {
		borrow = ((uint32_t)a[i - 1] - b[i - 1] - borrow) >> 31;
	}
	return borrow != 0;
}

/* 0 < a < order: what a private key, r and s must be. */
static bool in_range(const uint8_t *a)
{
	uint32_t any = 0;

	for (size_t i = 0; i < P256_PRIVATE; i++) {
		any |= a[i];
	}
	return ((any != 0) & below(a, curve_order())) != 0;
}

/* BearSSL's structs point to keys, and are not const; it changes none of them. */
static br_ec_private_key private_key(const uint8_t *private)
{
	return (br_ec_private_key){.curve = BR_EC_secp256r1,
		.x = (unsigned char *)(uintptr_t) private,
		.xlen = P256_PRIVATE};
}

int p256_public(uint8_t out[static P256_PUBLIC], const uint8_t private[static P256_PRIVATE])
{
	if (!in_range(private)) {
		return -1;
	}
	(void)br_ec_get_default()->mulgen(out, private, P256_PRIVATE, BR_EC_secp256r1);
	return 0;
}

int p256_generate(struct p256_pair *out, struct err *e)
{
	const br_prng_class **prng = random_prng(e);
	br_ec_private_key key;

	if (prng == NULL) {
		return -1;
	}
	if (br_ec_keygen(prng, br_ec_get_default(), &key, out->private, BR_EC_secp256r1) !=
			P256_PRIVATE ||
		p256_public(out->public, out->private) != 0) {
		return err_set(e, EX_SOFTWARE, "cannot generate a P-256 key");
	}
	return 0;
}

bool p256_is_point(const uint8_t public[static P256_PUBLIC])
{
	static const uint8_t one[1] = {1};
	uint8_t point[P256_PUBLIC];

	/* BearSSL takes coordinates at or above the prime for those that they are modulo it */
	if (public[0] != 4 || !below(public + 1, prime) || !below(public + 33, prime)) {
		return false;
	}
	memcpy(point, public, sizeof point);
	return br_ec_get_default()->mul(point, sizeof point, one, sizeof one, BR_EC_secp256r1) == 1;
}

void p256_sign(uint8_t out[static P256_SIGNATURE], const uint8_t private[static P256_PRIVATE],
	const uint8_t digest[static HASH_BYTES])
{
	br_ec_private_key key = private_key(private);

	(void)br_ecdsa_i31_sign_raw(br_ec_get_default(), &br_sha256_vtable, digest, &key, out);
}

bool p256_verify(const uint8_t signature[static P256_SIGNATURE],
	const uint8_t public[static P256_PUBLIC], const uint8_t digest[static HASH_BYTES])
{
	br_ec_public_key key = {.curve = BR_EC_secp256r1,
		.q = (unsigned char *)(uintptr_t) public,
		.qlen = P256_PUBLIC};

	return p256_is_point(public) && in_range(signature) && in_range(signature + P256_PRIVATE) &&
	       br_ecdsa_i31_vrfy_raw(br_ec_get_default(), digest, HASH_BYTES, &key, signature,
		       P256_SIGNATURE) == 1;
}
