/* HMAC-SHA-256 and HKDF-SHA-256 against Wycheproof. */
#include "unit.h"

#include "../../crypto/hkdf.h"

static void fail_test(const json_t *test)
{
	fail_msg("test %d", (int)json_integer_value(json_object_get(test, "tcId")));
}

/* A tag of the file may be cut: then it is the start of ours. */
static bool judge_mac(const json_t *test)
{
	struct buf key = {0}, msg = {0}, tag = {0};
	bool valid = strcmp(text_of(test, "result"), "valid") == 0;
	uint8_t out[HASH_BYTES];

	hex_of(test, "key", &key);
	hex_of(test, "msg", &msg);
	hex_of(test, "tag", &tag);
	assert_true(tag.n == HASH_BYTES || tag.n == HASH_BYTES / 2);
	hmac_sha256(out, key.p, key.n, msg.p, msg.n);
	if ((memcmp(out, tag.p, tag.n) == 0) != valid) {
		fail_test(test);
	}
	buf_free(&key);
	buf_free(&msg);
	buf_free(&tag);
	return valid;
}

static void macs(void **state)
{
	json_t *root = vectors("wycheproof/hmac_sha256_test.json"), *group, *test;
	size_t i, k, ran = 0, valid = 0;

	(void)state;
	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	{
		json_array_foreach(json_object_get(group, "tests"), k, test)
		{
			valid += judge_mac(test);
			ran++;
		}
	}
	assert_int_equal(ran, 174);
	assert_int_equal(valid, 66);
}

static bool judge_hkdf(const json_t *test)
{
	struct buf ikm = {0}, salt = {0}, info = {0}, okm = {0};
	size_t size = (size_t)json_integer_value(json_object_get(test, "size"));
	bool valid = strcmp(text_of(test, "result"), "valid") == 0;
	uint8_t *out = malloc(size + 1);

	hex_of(test, "ikm", &ikm);
	hex_of(test, "salt", &salt);
	hex_of(test, "info", &info);
	hex_of(test, "okm", &okm);
	out[size] = 0x5a;
	if (hkdf_sha256(out, size, salt.p, salt.n, ikm.p, ikm.n, info.p, info.n) !=
			(valid ? 0 : -1) ||
		(valid && (okm.n != size || memcmp(out, okm.p, size) != 0)) || out[size] != 0x5a) {
		fail_test(test);
	}
	free(out);
	buf_free(&ikm);
	buf_free(&salt);
	buf_free(&info);
	buf_free(&okm);
	return valid;
}

static void derivations(void **state)
{
	json_t *root = vectors("wycheproof/hkdf_sha256_test.json"), *group, *test;
	size_t i, k, ran = 0, valid = 0;

	(void)state;
	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	{
		json_array_foreach(json_object_get(group, "tests"), k, test)
		{
			valid += judge_hkdf(test);
			ran++;
		}
	}
	assert_int_equal(ran, 86);
	assert_int_equal(valid, 83);
}

static void limit(void **state)
{
	uint8_t out[HKDF_MAX + 1], again[HKDF_MAX], block[HASH_BYTES + 2], last[HASH_BYTES];
	uint8_t prk[HASH_BYTES];

	(void)state;
	memset(out, 0xee, sizeof out);
	assert_int_equal(hkdf_sha256(out, HKDF_MAX + 1, "s", 1, "k", 1, "i", 1), -1);
	for (size_t i = 0; i < sizeof out; i++) {
		assert_int_equal(out[i], 0xee);
	}
	assert_int_equal(hkdf_sha256(out, HKDF_MAX, "s", 1, "k", 1, "i", 1), 0);
	assert_int_equal(out[HKDF_MAX], 0xee);
	/* RFC 5869 2.3: the last block is HMAC(PRK, the one before it | info | 255) */
	hmac_sha256(prk, "s", 1, "k", 1);
	memcpy(block, out + HKDF_MAX - 2 * HASH_BYTES, HASH_BYTES);
	block[HASH_BYTES] = 'i';
	block[HASH_BYTES + 1] = 255;
	hmac_sha256(last, prk, sizeof prk, block, sizeof block);
	assert_memory_equal(out + HKDF_MAX - HASH_BYTES, last, HASH_BYTES);
	for (size_t n = 0; n <= HKDF_MAX; n += n < 100 ? 1 : 403) { /* each is the start */
		assert_int_equal(hkdf_sha256(again, n, "s", 1, "k", 1, "i", 1), 0);
		assert_memory_equal(again, out, n);
	}
}

static void empty(void **state)
{
	static const uint8_t zeros[HASH_BYTES];
	uint8_t a[HASH_BYTES], b[HASH_BYTES];

	(void)state;
	assert_int_equal(hkdf_sha256(a, sizeof a, NULL, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(hkdf_sha256(b, sizeof b, zeros, sizeof zeros, "", 0, "", 0), 0);
	assert_memory_equal(a, b, sizeof a); /* RFC 5869 2.2: no salt is a salt of zeros */
	hmac_sha256(a, NULL, 0, NULL, 0);
	hmac_sha256(b, zeros, sizeof zeros, "", 0);
	assert_memory_equal(a, b, sizeof a);
}

static void in_place(void **state)
{
	uint8_t key[HASH_BYTES] = {1}, data[HASH_BYTES] = {2}, want[HASH_BYTES];

	(void)state;
	hmac_sha256(want, key, sizeof key, data, sizeof data);
	hmac_sha256(data, key, sizeof key, data, sizeof data);
	assert_memory_equal(data, want, sizeof want);
	memset(data, 0, sizeof data);
	data[0] = 2;
	hmac_sha256(key, key, sizeof key, data, sizeof data);
	assert_memory_equal(key, want, sizeof want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("Wycheproof: all 174 HMACs, whole and cut", macs),
		T("Wycheproof: all 86 HKDFs, the too long ones refused", derivations),
		T("8160 bytes are the most that HKDF gives, and one more is refused", limit),
		T("empty inputs may be NULL", empty),
		T("an HMAC may be written over its key or its data", in_place),
	};
	return RUN(tests);
}
