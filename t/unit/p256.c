/* P-256: RFC 6979's signatures byte for byte, and everything that is no key and no signature. */
#include "unit.h"

#include "../../crypto/p256.h"

/* RFC 6979 A.2.5: the key, and its signatures with SHA-256 */
#define PRIVATE_HEX "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"
#define PUBLIC_HEX                                                         \
	"04"                                                               \
	"60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6" \
	"7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
#define SAMPLE_HEX                                                         \
	"efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716" \
	"f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
#define TEST_HEX                                                           \
	"f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367" \
	"019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083"
/* SP 800-186 3.2.1.3 */
#define PRIME_HEX "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"
#define ORDER_HEX "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
#define ZERO_HEX "0000000000000000000000000000000000000000000000000000000000000000"

static struct err e;

static void bytes_of(uint8_t *out, size_t n, const char *hex)
{
	assert_int_equal(hex_decode(out, n, hex, strlen(hex)), 0);
}

static struct p256_pair rfc_pair(void)
{
	struct p256_pair pair;

	bytes_of(pair.private, sizeof pair.private, PRIVATE_HEX);
	bytes_of(pair.public, sizeof pair.public, PUBLIC_HEX);
	return pair;
}

static void public_computed(void **state)
{
	struct p256_pair pair = rfc_pair();
	uint8_t public[P256_PUBLIC];

	(void)state;
	assert_int_equal(p256_public(public, pair.private), 0);
	assert_memory_equal(public, pair.public, sizeof public);
	assert_true(p256_is_point(public));
}

static void published_signatures(void **state)
{
	static const struct {
		const char *message, *hex;
	} rows[] = {{"sample", SAMPLE_HEX}, {"test", TEST_HEX}};
	struct p256_pair pair = rfc_pair();

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t digest[HASH_BYTES], want[P256_SIGNATURE], got[P256_SIGNATURE];

		hash_of(rows[i].message, strlen(rows[i].message), digest);
		bytes_of(want, sizeof want, rows[i].hex);
		p256_sign(got, pair.private, digest);
		assert_memory_equal(got, want, sizeof got);
		assert_true(p256_verify(want, pair.public, digest));
	}
}

/* Each byte of the digest, of the signature and of the key counts. */
static void every_byte(void **state)
{
	struct p256_pair pair = rfc_pair();
	struct {
		uint8_t digest[HASH_BYTES], signature[P256_SIGNATURE], public[P256_PUBLIC];
	} all;
	uint8_t *bytes = (uint8_t *)&all;

	(void)state;
	hash_of("sample", 6, all.digest);
	bytes_of(all.signature, sizeof all.signature, SAMPLE_HEX);
	memcpy(all.public, pair.public, sizeof all.public);
	for (size_t i = 0; i < sizeof all; i++) {
		uint8_t bit = (uint8_t)(1 << i % 8);
		bytes[i] = (uint8_t)(bytes[i] ^ bit);
		assert_false(p256_verify(all.signature, all.public, all.digest));
		bytes[i] = (uint8_t)(bytes[i] ^ bit);
	}
	assert_true(p256_verify(all.signature, all.public, all.digest));
}

/* 0 and the order are out of range for a key; 1 and what is below the order are in it. */
static void private_range(void **state)
{
	static const struct {
		const char *hex;
		int rc;
	} rows[] = {{ZERO_HEX, -1}, {ORDER_HEX, -1},
		{"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550", 0},
		{"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632552", -1},
		{"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", -1},
		{"0000000000000000000000000000000000000000000000000000000000000001", 0}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t private[P256_PRIVATE], public[P256_PUBLIC];

		bytes_of(private, sizeof private, rows[i].hex);
		assert_int_equal(p256_public(public, private), rows[i].rc);
		assert_true(rows[i].rc != 0 || p256_is_point(public));
	}
}

/* r and s likewise: r + order and s + order, where they fit, are not taken for r and s. */
static void signature_range(void **state)
{
	static const char *const bad[] = {ZERO_HEX ZERO_HEX, ORDER_HEX ORDER_HEX,
		/* the one half sound, the other not */
		ZERO_HEX "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
		"efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716" ZERO_HEX,
		"efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716" ORDER_HEX};
	struct p256_pair pair = rfc_pair();
	uint8_t digest[HASH_BYTES], signature[P256_SIGNATURE];

	(void)state;
	hash_of("sample", 6, digest);
	for (size_t i = 0; i < COUNT(bad); i++) {
		bytes_of(signature, sizeof signature, bad[i]);
		assert_false(p256_verify(signature, pair.public, digest));
	}
}

/* Not uncompressed, off the curve, infinity, or a coordinate that is not below the prime. (0, y) is
 * on the curve where y is a root of b; (prime, y) is the same modulo the prime. */
static void points_refused(void **state)
{
	static const char *const bad[] = {"04" ZERO_HEX ZERO_HEX, "00" ZERO_HEX ZERO_HEX,
		"02"
		"60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6" ZERO_HEX,
		"06"
		"60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
		"7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
		"04"
		"60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
		"7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462298",
		"04" PRIME_HEX "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4",
		"04" PRIME_HEX PRIME_HEX};
	uint8_t point[P256_PUBLIC];

	(void)state;
	bytes_of(point, sizeof point,
		"04" ZERO_HEX "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4");
	assert_true(p256_is_point(point));
	for (size_t i = 0; i < COUNT(bad); i++) {
		bytes_of(point, sizeof point, bad[i]);
		assert_false(p256_is_point(point));
	}
}

static void fresh_pairs(void **state)
{
	struct p256_pair a, b;
	uint8_t digest[HASH_BYTES], signature[P256_SIGNATURE];

	(void)state;
	assert_int_equal(p256_generate(&a, &e), 0);
	assert_int_equal(p256_generate(&b, &e), 0);
	assert_memory_not_equal(a.private, b.private, sizeof a.private);
	hash_of("", 0, digest);
	p256_sign(signature, a.private, digest);
	assert_true(p256_verify(signature, a.public, digest));
	assert_false(p256_verify(signature, b.public, digest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("the public key of RFC 6979's private one is computed", public_computed),
		T("RFC 6979's signatures come out byte for byte, and hold", published_signatures),
		T("no byte of digest, signature or key can be changed", every_byte),
		T("a private key is from 1 to the order less 1", private_range),
		T("so are r and s", signature_range),
		T("a point is uncompressed, on the curve, and below the prime", points_refused),
		T("fresh pairs differ, and each verifies its own alone", fresh_pairs),
	};

	return RUN(tests);
}
