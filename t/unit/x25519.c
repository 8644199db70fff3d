/* X25519 against RFC 7748 and Wycheproof: BearSSL's byte order, low-order points, and the values
 * that are no canonical points. */
#include "unit.h"

#include "../../crypto/x25519.h"
#include "../../proto/mitm.h"

static void load(const json_t *row, const char *key, uint8_t out[static X25519_BYTES])
{
	struct buf bytes = {0};

	hex_of(row, key, &bytes);
	assert_int_equal(bytes.n, X25519_BYTES);
	memcpy(out, bytes.p, X25519_BYTES);
	buf_free(&bytes);
}

static bool is_zero(const uint8_t p[static X25519_BYTES])
{
	static const uint8_t zero[X25519_BYTES];

	return memcmp(p, zero, X25519_BYTES) == 0;
}

static void multiplications(void **state)
{
	json_t *root = vectors("x25519/rfc7748.json"), *row;
	uint8_t k[X25519_BYTES], u[X25519_BYTES], want[X25519_BYTES], out[X25519_BYTES];
	size_t i;

	(void)state;
	json_array_foreach(json_object_get(root, "scalarmult"), i, row)
	{
		load(row, "k", k);
		load(row, "u", u);
		load(row, "out", want);
		assert_int_equal(x25519_shared(out, k, u), 0);
		assert_memory_equal(out, want, X25519_BYTES);
	}
	assert_int_equal(i, 2);
}

static void iterations(void **state)
{
	json_t *row = json_object_get(vectors("x25519/rfc7748.json"), "iterated");
	uint8_t k[X25519_BYTES], u[X25519_BYTES], want[X25519_BYTES], out[X25519_BYTES];

	(void)state;
	load(row, "start", k);
	memcpy(u, k, sizeof u);
	for (int i = 1; i <= 1000; i++) {
		assert_int_equal(x25519_shared(out, k, u), 0);
		memcpy(u, k, sizeof u);
		memcpy(k, out, sizeof k);
		if (i == 1) {
			load(row, "after_1", want);
			assert_memory_equal(k, want, X25519_BYTES);
		}
	}
	load(row, "after_1000", want);
	assert_memory_equal(k, want, X25519_BYTES);
}

static void agreement(void **state)
{
	json_t *row = json_object_get(vectors("x25519/rfc7748.json"), "dh");
	uint8_t a[X25519_BYTES], b[X25519_BYTES], a_public[X25519_BYTES], b_public[X25519_BYTES];
	uint8_t want[X25519_BYTES], out[X25519_BYTES];

	(void)state;
	load(row, "alice_private", a);
	load(row, "bob_private", b);
	load(row, "alice_public", want);
	x25519_public(a_public, a);
	assert_memory_equal(a_public, want, X25519_BYTES);
	load(row, "bob_public", want);
	x25519_public(b_public, b);
	assert_memory_equal(b_public, want, X25519_BYTES);
	load(row, "shared", want);
	assert_int_equal(x25519_shared(out, a, b_public), 0);
	assert_memory_equal(out, want, X25519_BYTES);
	assert_int_equal(x25519_shared(out, b, a_public), 0);
	assert_memory_equal(out, want, X25519_BYTES);
}

static void self_check(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(x25519_self_check(&e), 0);
}

static void wycheproof(void **state)
{
	json_t *groups = json_object_get(vectors("wycheproof/x25519_test.json"), "testGroups");
	json_t *group, *test;
	uint8_t private[X25519_BYTES], public[X25519_BYTES], want[X25519_BYTES];
	size_t i, k, ran = 0, refused = 0;

	(void)state;
	json_array_foreach(groups, i, group)
	{
		json_array_foreach(json_object_get(group, "tests"), k, test)
		{
			uint8_t out[X25519_BYTES];
			memset(out, 0xee, sizeof out);
			load(test, "private", private);
			load(test, "public", public);
			load(test, "shared", want);
			if (x25519_shared(out, private, public) != (is_zero(want) ? -1 : 0) ||
				memcmp(out, want, sizeof out) != 0) {
				fail_msg("test %d",
					(int)json_integer_value(json_object_get(test, "tcId")));
			}
			ran++;
			refused += is_zero(want);
		}
	}
	assert_int_equal(ran, 518);
	assert_int_equal(refused, 31);
}

/* What the lab offers is what it says: for any private key, and no point twice. */
static void attackers_points(void **state)
{
	uint8_t private[X25519_BYTES], out[X25519_BYTES];
	const uint8_t *point;
	size_t n = 0;

	(void)state;
	for (; (point = mitm_low_order_point(n)) != NULL; n++) {
		for (uint32_t i = 0; i < 20; i++) {
			fill_pattern(private, sizeof private, i);
			assert_int_equal(x25519_shared(out, private, point), -1);
		}
		for (size_t k = 0; k < n; k++) {
			assert_memory_not_equal(point, mitm_low_order_point(k), X25519_BYTES);
		}
	}
	assert_int_equal(n, 7);
}

/* The same answer, or the same refusal, for both forms of a point. */
static void check_same(const uint8_t point[static X25519_BYTES],
	const uint8_t other[static X25519_BYTES], bool low)
{
	uint8_t private[X25519_BYTES], a[X25519_BYTES], b[X25519_BYTES];

	fill_pattern(private, sizeof private, 7);
	assert_int_equal(x25519_shared(a, private, point), low ? -1 : 0);
	assert_int_equal(x25519_shared(b, private, other), low ? -1 : 0);
	assert_memory_equal(a, b, X25519_BYTES);
	assert_int_equal(is_zero(a), low);
}

static void other_forms(void **state)
{
	uint8_t point[X25519_BYTES] = {0}, above[X25519_BYTES], high[X25519_BYTES];

	(void)state;
	memset(above, 0xff, sizeof above);
	above[31] = 0x7f;
	for (uint8_t u = 0; u < 19; u++) { /* p + u is 2^255 - 19 + u */
		point[0] = u;
		above[0] = (uint8_t)(0xed + u);
		check_same(point, above, u < 2);
		memcpy(high, above, sizeof high);
		high[31] |= 0x80;
		check_same(point, high, u < 2);
	}
	for (uint32_t i = 0; i < 20; i++) {
		fill_pattern(point, sizeof point, i);
		point[31] &= 0x7f;
		memcpy(high, point, sizeof high);
		high[31] |= 0x80;
		check_same(point, high, false);
	}
}

static void clamped(void **state)
{
	uint8_t private[X25519_BYTES], other[X25519_BYTES], a[X25519_BYTES], b[X25519_BYTES];

	(void)state;
	fill_pattern(private, sizeof private, 3);
	memcpy(other, private, sizeof other);
	other[0] ^= 0x07; /* RFC 7748 5: these five bits are set by the function */
	other[31] ^= 0xc0;
	x25519_public(a, private);
	x25519_public(b, other);
	assert_memory_equal(a, b, X25519_BYTES);
	other[0] ^= 0x08;
	x25519_public(b, other);
	assert_memory_not_equal(a, b, X25519_BYTES);
}

static void generated(void **state)
{
	struct x25519_pair a, b;
	uint8_t ab[X25519_BYTES], ba[X25519_BYTES];
	struct err e;

	(void)state;
	assert_int_equal(x25519_generate(&a, &e), 0);
	assert_int_equal(x25519_generate(&b, &e), 0);
	assert_memory_not_equal(a.private, b.private, X25519_BYTES);
	assert_int_equal(x25519_shared(ab, a.private, b.public), 0);
	assert_int_equal(x25519_shared(ba, b.private, a.public), 0);
	assert_memory_equal(ab, ba, X25519_BYTES);
	wipe(&a, sizeof a);
	wipe(&b, sizeof b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("RFC 7748 5.2: both multiplications", multiplications),
		T("RFC 7748 5.2: after 1 and 1,000 iterations", iterations),
		T("RFC 7748 6.1: both sides agree on the printed secret", agreement),
		T("this BearSSL passes the self check", self_check),
		T("Wycheproof: all 518 agree, and each zero result is refused", wycheproof),
		T("each point that the lab's attacker offers is of low order", attackers_points),
		T("a point above the prime, or with its high bit set, is the reduced one",
			other_forms),
		T("a private key is clamped, and its other bits count", clamped),
		T("generated pairs differ, and agree", generated),
	};
	return RUN(tests);
}
