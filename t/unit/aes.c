/* AES-ECB and its padding. AES-192 and AES-256 are held against BearSSL's table-free reference
 * code, which shares nothing with the implementations in use. */
#include "unit.h"

#include "../../crypto/aes.h"

static void nist_blocks(void **state)
{
	json_t *root = vectors("classic/aes128_ecb.json"), *row;
	struct buf key = {0}, pt = {0}, ct = {0};
	struct aes a;
	size_t i;

	(void)state;
	hex_of(root, "key", &key);
	assert_int_equal(aes_init(&a, key.p, key.n), 0);
	json_array_foreach(json_object_get(root, "blocks"), i, row)
	{
		hex_of(row, "pt", &pt);
		hex_of(row, "ct", &ct);
	}
	assert_int_equal(pt.n, 64);
	aes_ecb_encrypt(&a, pt.p, pt.n);
	assert_memory_equal(pt.p, ct.p, 64);
	aes_ecb_decrypt(&a, ct.p, ct.n);
	aes_ecb_decrypt(&a, pt.p, pt.n);
	assert_memory_equal(pt.p, ct.p, 64);
	buf_free(&key);
	buf_free(&pt);
	buf_free(&ct);
}

static void bad_paddings(void **state)
{
	json_t *root = vectors("classic/aes128_ecb.json"), *row;
	size_t i, judged = 0;

	(void)state;
	json_array_foreach(json_object_get(root, "pkcs7_bad"), i, row)
	{
		struct buf pt = {0};
		hex_of(row, "pt", &pt);
		if (pt.n == AES_BLOCK) {
			size_t want = json_is_true(json_object_get(row, "ok")) ? AES_BLOCK : 0;
			assert_int_equal(aes_padding(pt.p), want);
			judged++;
		}
		buf_free(&pt);
	}
	assert_int_equal(judged, 5);
}

static void key_lengths(void **state)
{
	uint8_t key[64] = {0};
	struct aes a;

	(void)state;
	for (size_t n = 0; n <= sizeof key; n++) {
		assert_int_equal(aes_init(&a, key, n), n == 16 || n == 24 || n == 32 ? 0 : -1);
	}
}

static void check_size(size_t key_n, size_t n)
{
	uint8_t key[32], *text = malloc(n + 1), *out = malloc(n + 1), *ref = malloc(n + 1);
	br_aes_small_cbcenc_keys small;
	struct aes a;

	fill_pattern(key, key_n, (uint32_t)key_n);
	fill_pattern(text, n, 99);
	text[n] = out[n] = ref[n] = 0x5a;
	memcpy(out, text, n);
	memcpy(ref, text, n);
	assert_int_equal(aes_init(&a, key, key_n), 0);
	br_aes_small_cbcenc_init(&small, key, key_n);
	for (size_t i = 0; i < n; i += AES_BLOCK) {
		uint8_t iv[16] = {0};
		br_aes_small_cbcenc_run(&small, iv, ref + i, AES_BLOCK);
	}
	aes_ecb_encrypt(&a, out, n);
	assert_memory_equal(out, ref, n + 1);
	aes_ecb_decrypt(&a, out, n);
	assert_memory_equal(out, text, n + 1);
	free(text);
	free(out);
	free(ref);
}

static void sizes_agree(void **state)
{
	(void)state;
	for (size_t key_n = 16; key_n <= 32; key_n += 8) {
		for (size_t blocks = 0; blocks <= 65; blocks++) {
			check_size(key_n, blocks * AES_BLOCK);
		}
		/* decryption works in pieces of 256 blocks: at its edges, and well beyond */
		check_size(key_n, 255 * AES_BLOCK);
		check_size(key_n, 256 * AES_BLOCK);
		check_size(key_n, 257 * AES_BLOCK);
		check_size(key_n, 513 * AES_BLOCK);
		check_size(key_n, 20000 * AES_BLOCK);
	}
}

static void equal_blocks(void **state)
{
	uint8_t key[32] = {1}, data[64] = {0};
	struct aes a;

	(void)state;
	assert_int_equal(aes_init(&a, key, sizeof key), 0);
	aes_ecb_encrypt(&a, data, sizeof data);
	assert_memory_equal(data, data + 16, 48); /* this is ECB: what PyCryptodome's would read */
}

static void pads(void **state)
{
	uint8_t p[128];

	(void)state;
	for (size_t n = 0; n <= 100; n++) {
		size_t padded = aes_padded_len(n);
		assert_true(padded > n && padded - n <= AES_BLOCK && padded % AES_BLOCK == 0);
		memset(p, 0xee, sizeof p);
		aes_pad(p, n);
		for (size_t i = 0; i < sizeof p; i++) {
			assert_int_equal(p[i], i < n || i >= padded ? 0xee : padded - n);
		}
		assert_int_equal(aes_padding(p + padded - AES_BLOCK), padded - n);
	}
}

static void paddings_judged(void **state)
{
	uint8_t block[AES_BLOCK];

	(void)state;
	for (unsigned last = 0; last < 256; last++) {
		memset(block, (int)last, sizeof block);
		assert_int_equal(aes_padding(block), last >= 1 && last <= 16 ? last : 0);
		for (size_t i = 0; last >= 1 && last <= 16 && i < AES_BLOCK - 1; i++) {
			block[i] ^= 1;
			assert_int_equal(aes_padding(block), i >= AES_BLOCK - last ? 0 : last);
			block[i] ^= 1;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("NIST SP 800-38A F.1.1 and F.1.2", nist_blocks),
		T("the published bad paddings are refused", bad_paddings),
		T("keys have 16, 24 or 32 bytes", key_lengths),
		T("0 to 65 blocks, and many, agree with the reference at every key length",
			sizes_agree),
		T("equal blocks encrypt to equal blocks", equal_blocks),
		T("padding fills up to the next block, and a whole one behind a full block", pads),
		T("a padding is valid only when each of its bytes is", paddings_judged),
	};
	return RUN(tests);
}
