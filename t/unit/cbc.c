/* AES-CBC streams. The ciphertexts are what `openssl enc -aes-128-cbc -nopad` and `-aes-256-cbc`
 * print; sizes and pieces are held against BearSSL's table-free reference code. */
#include "unit.h"

#include "../../crypto/cbc.h"

enum { TEXT = 64 };

static const struct {
	const char *key, *ciphertext;
} rows[] = {
	{"2b7e151628aed2a6abf7158809cf4f3c",
		"7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
		"73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"},
	{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
		"f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
		"39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b"},
};
static const char plaintext[] = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
				"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";

/* A stream under the key of this row and the IV 00 01 .. 0f. */
static struct cbc stream_of(size_t row)
{
	uint8_t key[32], iv[AES_BLOCK];
	size_t n = strlen(rows[row].key) / 2;
	struct cbc c;

	for (uint8_t i = 0; i < AES_BLOCK; i++) {
		iv[i] = i;
	}
	assert_int_equal(hex_decode(key, n, rows[row].key, 2 * n), 0);
	assert_int_equal(cbc_init(&c, key, n, iv), 0);
	return c;
}

static void as_openssl(void **state)
{
	uint8_t text[TEXT], want[TEXT], data[TEXT];

	(void)state;
	assert_int_equal(hex_decode(text, TEXT, plaintext, sizeof plaintext - 1), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t piece = AES_BLOCK; piece <= TEXT; piece += AES_BLOCK) {
			struct cbc enc = stream_of(i), dec = enc;
			assert_int_equal(hex_decode(want, TEXT, rows[i].ciphertext, 2 * TEXT), 0);
			memcpy(data, text, TEXT);
			for (size_t at = 0; at < TEXT; at += piece) {
				size_t n = piece < TEXT - at ? piece : TEXT - at;
				cbc_encrypt(&enc, data + at, n);
			}
			assert_memory_equal(data, want, TEXT);
			for (size_t at = 0; at < TEXT; at += piece) {
				size_t n = piece < TEXT - at ? piece : TEXT - at;
				cbc_decrypt(&dec, data + at, n);
			}
			assert_memory_equal(data, text, TEXT);
		}
	}
}

/* n bytes in pieces of other sizes each way, between two bytes that stay. */
static void check_size(size_t key_n, size_t n)
{
	uint8_t key[32], iv[AES_BLOCK], ref_iv[AES_BLOCK];
	uint8_t *text = malloc(n + 2), *out = malloc(n + 2), *ref = malloc(n + 2);
	br_aes_small_cbcenc_keys small;
	struct cbc enc, dec;

	fill_pattern(key, key_n, (uint32_t)key_n);
	fill_pattern(iv, sizeof iv, 7);
	fill_pattern(text, n + 2, (uint32_t)n);
	memcpy(ref_iv, iv, sizeof iv);
	memcpy(out, text, n + 2);
	memcpy(ref, text, n + 2);
	br_aes_small_cbcenc_init(&small, key, key_n);
	br_aes_small_cbcenc_run(&small, ref_iv, ref + 1, n);
	assert_int_equal(cbc_init(&enc, key, key_n, iv), 0);
	assert_int_equal(cbc_init(&dec, key, key_n, iv), 0);
	for (size_t at = 0, k = AES_BLOCK; at < n; at += k, k = 3 * k) {
		k = k < n - at ? k : n - at;
		cbc_encrypt(&enc, out + 1 + at, k); /* not aligned */
	}
	assert_memory_equal(out, ref, n + 2);
	for (size_t at = 0, k = 5 * AES_BLOCK; at < n; at += k, k = 2 * k) {
		k = k < n - at ? k : n - at;
		cbc_decrypt(&dec, out + 1 + at, k);
	}
	assert_memory_equal(out, text, n + 2);
	free(text);
	free(out);
	free(ref);
}

static void sizes_agree(void **state)
{
	(void)state;
	for (size_t key_n = 16; key_n <= 32; key_n += 8) {
		for (size_t blocks = 0; blocks <= 40; blocks++) {
			check_size(key_n, blocks * AES_BLOCK);
		}
		check_size(key_n, 5000 * AES_BLOCK);
	}
}

static void key_lengths(void **state)
{
	uint8_t key[64] = {0}, iv[AES_BLOCK] = {0};
	struct cbc c;

	(void)state;
	for (size_t n = 0; n <= sizeof key; n++) {
		assert_int_equal(cbc_init(&c, key, n, iv), n == 16 || n == 24 || n == 32 ? 0 : -1);
	}
}

/* What the attacks on file transfer live by: a bit changed in one block of ciphertext spoils that
 * block and changes the same bit of the next, and nothing behind it. */
static void malleable(void **state)
{
	uint8_t text[TEXT], data[TEXT];

	(void)state;
	assert_int_equal(hex_decode(text, TEXT, plaintext, sizeof plaintext - 1), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cbc dec = stream_of(i);
		assert_int_equal(hex_decode(data, TEXT, rows[i].ciphertext, 2 * TEXT), 0);
		data[AES_BLOCK + 3] ^= 0x20;
		cbc_decrypt(&dec, data, TEXT);
		assert_memory_equal(data, text, AES_BLOCK);
		assert_memory_not_equal(data + AES_BLOCK, text + AES_BLOCK, AES_BLOCK);
		text[2 * AES_BLOCK + 3] ^= 0x20;
		assert_memory_equal(data + 2 * AES_BLOCK, text + 2 * AES_BLOCK, 2 * AES_BLOCK);
		text[2 * AES_BLOCK + 3] ^= 0x20;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("AES-128 and AES-256 are openssl's, in one piece and in several", as_openssl),
		T("0 to 40 blocks, and many, agree with the reference at every key length",
			sizes_agree),
		T("keys have 16, 24 or 32 bytes", key_lengths),
		T("a changed bit spoils its block and changes the same bit of the next", malleable),
	};
	return RUN(tests);
}
