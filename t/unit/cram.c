/* CRAM-MD5 by its two states against the RFCs' own examples, and beside HMAC-MD5 from BearSSL. */
#include "unit.h"

#include <bearssl.h>

#include "../../crypto/cram.h"

static void assert_answer(const void *password, size_t password_n, const void *challenge, size_t n,
	const char *wanted)
{
	struct cram_states s;
	uint8_t answer[CRAM_BYTES];
	char hex[2 * CRAM_BYTES + 1];

	cram_states_of(password, password_n, &s);
	cram_answer(&s, challenge, n, answer);
	hex_encode(hex, answer, sizeof answer);
	assert_string_equal(hex, wanted);
}

static void challenges(void **state)
{
	json_t *root = vectors("cram/cram_md5_hmac_md5.json"), *row;
	size_t i, ran = 0;

	(void)state;
	json_array_foreach(json_object_get(root, "cram_md5"), i, row)
	{
		const char *secret = text_of(row, "secret"), *challenge = text_of(row, "challenge");
		assert_answer(secret, strlen(secret), challenge, strlen(challenge),
			text_of(row, "digest"));
		ran++;
	}
	assert_int_equal(ran, 1);
}

static void macs(void **state)
{
	json_t *root = vectors("cram/cram_md5_hmac_md5.json"), *row;
	size_t i, ran = 0, long_keys = 0;

	(void)state;
	json_array_foreach(json_object_get(root, "hmac_md5"), i, row)
	{
		struct buf key = {0}, data = {0};
		hex_of(row, "key", &key);
		hex_of(row, "data", &data);
		assert_answer(key.p, key.n, data.p, data.n, text_of(row, "digest"));
		long_keys += key.n > 64;
		buf_free(&key);
		buf_free(&data);
		ran++;
	}
	assert_int_equal(ran, 7);
	assert_int_equal(long_keys, 2);
}

static void hmac_md5(const void *key, size_t key_n, const void *data, size_t n, uint8_t *out)
{
	br_hmac_key_context keyed;
	br_hmac_context context;

	br_hmac_key_init(&keyed, &br_md5_vtable, key, key_n);
	br_hmac_init(&context, &keyed, 0);
	br_hmac_update(&context, data, n);
	(void)br_hmac_out(&context, out);
}

/* Around a block, and around two, of key and of challenge. */
static void lengths(void **state)
{
	uint8_t key[130], data[130], wanted[CRAM_BYTES], answer[CRAM_BYTES];
	struct cram_states s;

	(void)state;
	fill_pattern(key, sizeof key, 1);
	fill_pattern(data, sizeof data, 2);
	for (size_t k = 0; k <= sizeof key; k++) {
		cram_states_of(key, k, &s);
		for (size_t n = 0; n <= sizeof data; n++) {
			hmac_md5(key, k, data, n, wanted);
			cram_answer(&s, data, n, answer);
			assert_memory_equal(answer, wanted, sizeof wanted);
		}
	}
	hmac_md5("", 0, "x", 1, wanted);
	cram_states_of(NULL, 0, &s);
	cram_answer(&s, "x", 1, answer);
	assert_memory_equal(answer, wanted, sizeof wanted);
	hmac_md5("", 0, "", 0, wanted);
	cram_answer(&s, NULL, 0, answer);
	assert_memory_equal(answer, wanted, sizeof wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("RFC 2195: the answer to the example's challenge", challenges),
		T("RFC 2202: all seven HMACs, two with keys longer than a block", macs),
		T("keys and challenges of 0 to 130 bytes answer as HMAC-MD5 does", lengths),
	};
	return RUN(tests);
}
