/* RSA-OAEP against Wycheproof, key checks, and generation. */
#include "unit.h"

#include "../../crypto/rsa.h"
#include "../../crypto/rsa_der.h"

static void load_key(const json_t *group, struct rsa_private *key)
{
	struct pem pem = {.label = "PRIVATE KEY"};
	struct err e;

	hex_of(group, "privateKeyPkcs8", &pem.der);
	if (rsa_der_read_private(key, &pem, &e) != 0) {
		fail_msg("%s", e.text);
	}
	pem_free(&pem);
}

static void judge(const struct rsa_private *key, const json_t *test, int counts[3])
{
	struct buf ct = {0}, msg = {0};
	static const uint8_t zero[RSA_BYTES_MAX];
	int id = (int)json_integer_value(json_object_get(test, "tcId"));
	bool valid = strcmp(text_of(test, "result"), "valid") == 0;
	bool label = text_of(test, "label")[0] != '\0';

	hex_of(test, "ct", &ct);
	hex_of(test, "msg", &msg);
	if (ct.n != key->public.n_len) {
		counts[2]++; /* another length never gets as far: blocks are read by the modulus'
				length */
		assert_false(valid);
	} else {
		int n = rsa_oaep_decrypt(key, ct.p);
		if (valid && !label) {
			if (n != (int)msg.n || (n > 0 && memcmp(ct.p, msg.p, msg.n) != 0)) {
				fail_msg("test %d: %d", id, n);
			}
			counts[0]++;
		} else {
			if (n != -1) {
				fail_msg("test %d was decrypted", id);
			}
			assert_memory_equal(ct.p, zero, ct.n);
			counts[1]++;
		}
	}
	buf_free(&ct);
	buf_free(&msg);
}

static void wycheproof(void **state)
{
	json_t *root = vectors("wycheproof/rsa_oaep_2048_sha1_mgf1sha1_test.json"), *group, *test;
	int counts[3] = {0}; /* decrypted, refused, of another length */
	struct rsa_private key;
	size_t i, k;

	(void)state;
	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	{
		load_key(json_object_get(group, "privateKeyPkcs8") != NULL ? group : root, &key);
		json_array_foreach(json_object_get(group, "tests"), k, test)
		{
			judge(&key, test, counts);
		}
	}
	assert_int_equal(counts[0], 10);
	assert_int_equal(counts[0] + counts[1] + counts[2],
		json_integer_value(json_object_get(root, "numberOfTests")));
}

static struct rsa_private made;

static int make_key(void **state)
{
	(void)state;
	return rsa_generate(&made, 2048, NULL);
}

static void sizes_fit(void **state)
{
	uint8_t text[RSA_BYTES_MAX], block[RSA_BYTES_MAX], again[RSA_BYTES_MAX];
	size_t max = made.public.n_len - RSA_OAEP_OVERHEAD;
	static const size_t sizes[] = {0, 1, 100, 213, 214};
	struct err e;

	(void)state;
	assert_int_equal(max, 214);
	fill_pattern(text, sizeof text, 11);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		assert_int_equal(rsa_oaep_encrypt(&made.public, text, sizes[i], block, &e), 0);
		assert_int_equal(rsa_oaep_encrypt(&made.public, text, sizes[i], again, &e), 0);
		assert_memory_not_equal(block, again, 256);
		assert_int_equal(rsa_oaep_decrypt(&made, block), sizes[i]);
		assert_memory_equal(block, text, sizes[i]);
	}
	assert_refused(rsa_oaep_encrypt(&made.public, text, max + 1, block, &e), e, EX_DATAERR);
	assert_refused(rsa_oaep_encrypt(&made.public, text, 256, block, &e), e, EX_DATAERR);
}

static void bad_blocks(void **state)
{
	static const uint8_t zero[256];
	uint8_t good[256], block[256];

	(void)state;
	assert_int_equal(rsa_oaep_encrypt(&made.public, "x", 1, good, NULL), 0);
	for (size_t i = 0; i < 256; i += 15) {
		memcpy(block, good, 256);
		block[i] ^= 0x10;
		assert_int_equal(rsa_oaep_decrypt(&made, block), -1);
		assert_memory_equal(block, zero, 256);
	}
	memset(block, 0xff, 256); /* above the modulus */
	assert_int_equal(rsa_oaep_decrypt(&made, block), -1);
	memcpy(block, made.public.n, 256); /* the modulus itself */
	assert_int_equal(rsa_oaep_decrypt(&made, block), -1);
	memset(block, 0, 256);
	assert_int_equal(rsa_oaep_decrypt(&made, block), -1);
}

static void public_limits(void **state)
{
	static const struct {
		size_t n_len;
		uint8_t first, last;
		int want;
	} rows[] = {
		{256, 0x80, 1, 0},
		{256, 0x7f, 1, -1}, /* 2047 bits */
		{256, 0x00, 1, -1},
		{255, 0xff, 1, -1},
		{257, 0x01, 1, 0},
		{512, 0xff, 1, 0}, /* 4096 bits */
		{256, 0x80, 2, -1},
		{64, 0x80, 1, -1},
		{1, 0x80, 1, -1},
		{0, 0, 0, -1},
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct rsa_public k = {.n_len = rows[i].n_len, .e = {1, 0, 1}, .e_len = 3};
		if (rows[i].n_len > 0) {
			k.n[0] = rows[i].first;
			k.n[rows[i].n_len - 1] |= rows[i].last;
		}
		if (rsa_check_public(&k, &e) != rows[i].want) {
			fail_msg("row %zu", i);
		}
	}
}

static void exponents(void **state)
{
	struct rsa_public k = made.public;
	struct err e;

	(void)state;
	assert_int_equal(rsa_check_public(&k, &e), 0);
	k.e_len = 1;
	for (unsigned v = 0; v < 256; v++) {
		k.e[0] = (uint8_t)v;
		assert_int_equal(rsa_check_public(&k, &e), v >= 3 && v % 2 == 1 ? 0 : -1);
	}
	k.e_len = 0;
	assert_refused(rsa_check_public(&k, &e), e, EX_CONFIG);
}

/* Refused at once, and then wiped, or by the check that costs a private operation. */
static void assert_unsound(const struct rsa_parts *parts)
{
	static struct rsa_private out, zero;
	struct err e;

	if (rsa_private_from_parts(&out, parts, &e) == 0) {
		assert_refused(rsa_check_private(&out, &e), e, EX_CONFIG);
	} else {
		assert_int_equal(e.code, EX_CONFIG);
		assert_memory_equal(&out, &zero, sizeof out);
	}
}

/* A number as DER has it: BearSSL's parts are as long as their prime, and one in 256 begins with a
 * zero. */
static struct rsa_number number_of(const uint8_t *p, size_t n)
{
	while (n > 1 && p[0] == 0) {
		p++;
		n--;
	}
	return (struct rsa_number){p, n};
}

static struct rsa_parts parts_of(const struct rsa_private *k)
{
	return (struct rsa_parts){.n = number_of(k->public.n, k->public.n_len),
		.e = number_of(k->public.e, k->public.e_len),
		.p = number_of(k->key.p, k->key.plen),
		.q = number_of(k->key.q, k->key.qlen),
		.dp = number_of(k->key.dp, k->key.dplen),
		.dq = number_of(k->key.dq, k->key.dqlen),
		.iq = number_of(k->key.iq, k->key.iqlen)};
}

static void parts_belong(void **state)
{
	static struct rsa_private out;
	uint8_t copy[512] = {0}, zero[1] = {0};
	struct rsa_parts parts = parts_of(&made);
	struct rsa_number *each[] = {&parts.n, &parts.p, &parts.q, &parts.dp, &parts.dq, &parts.iq};
	struct err e;

	(void)state;
	if (rsa_private_from_parts(&out, &parts, &e) != 0) {
		fail_msg("%s", e.text);
	}
	assert_memory_equal(&out.public, &made.public, sizeof out.public);
	if (rsa_check_private(&out, &e) != 0) {
		fail_msg("%s", e.text);
	}
	for (size_t k = 0; k < sizeof each / sizeof each[0]; k++) {
		struct rsa_number whole = *each[k];
		memcpy(copy, whole.p, whole.n);
		each[k]->p = copy;
		for (size_t i = 0; i < whole.n; i += 40) {
			copy[i] ^= 0x08;
			assert_unsound(&parts);
			copy[i] ^= 0x08;
		}
		each[k]->n = 0;
		assert_unsound(&parts);
		*each[k] = (struct rsa_number){zero, 1};
		assert_unsound(&parts);
		*each[k] = (struct rsa_number){copy, RSA_BYTES_MAX + 1};
		assert_refused(rsa_private_from_parts(&out, &parts, &e), e, EX_CONFIG);
		*each[k] = whole;
	}
	parts.p = parts_of(&made).q;
	parts.q = parts_of(&made).p; /* swapped: then dp, dq and iq do not fit */
	assert_unsound(&parts);
}

static void sizes_generated(void **state)
{
	static const unsigned bad[] = {0, 512, 1024, 2047, 2049, 4097, 8192, 16384};
	struct rsa_private out;
	struct err e;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_refused(rsa_generate(&out, bad[i], &e), e, EX_USAGE);
	}
	assert_int_equal(made.public.n_len, 256);
	assert_int_equal(made.public.e_len, 3);
	assert_memory_equal(made.public.e, "\x01\x00\x01", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("Wycheproof: what has no label decrypts, all else is refused and wiped",
			wycheproof),
		T("0 to 214 bytes fit a 2048-bit key, 215 do not", sizes_fit),
		T("a changed, zero or too large block is refused and wiped", bad_blocks),
		T("a modulus is odd and has 2048 to 4096 bits", public_limits),
		T("a public exponent is odd and at least 3", exponents),
		T("parts that do not belong together are refused", parts_belong),
		T("keys of 2048 bits are made, of odd sizes are not", sizes_generated),
	};
	return cmocka_run_group_tests(tests, make_key, NULL);
}
