/* ChaCha20-Poly1305 against Wycheproof, and against BearSSL's portable code. Each test runs with
 * what this CPU has, and once more without. */
#include "aead.h"

#include <bearssl.h>
#include <dlfcn.h>

#include "../../crypto/chacha.h"

/* --- BearSSL's questions to the CPU, which can be made to answer no --- */

static bool portable, asked_cipher, asked_aead;

br_chacha20_run br_chacha20_sse2_get(void)
{
	br_chacha20_run (*real)(void);
	void *symbol = dlsym(RTLD_NEXT, "br_chacha20_sse2_get");

	asked_cipher = true;
	memcpy(&real, &symbol, sizeof real);
	return portable ? 0 : real();
}

br_poly1305_run br_poly1305_ctmulq_get(void)
{
	br_poly1305_run (*real)(void);
	void *symbol = dlsym(RTLD_NEXT, "br_poly1305_ctmulq_get");

	asked_aead = true;
	memcpy(&real, &symbol, sizeof real);
	return portable ? 0 : real();
}

static void on_both(void (*run)(void))
{
	for (int i = 0; i < 2; i++) {
		portable = i == 1;
		asked_cipher = asked_aead = false;
		chacha_prepare();
		assert_true(asked_cipher && asked_aead);
		run();
	}
}

/* --- tests --- */

static void check_row(struct row *r, bool valid)
{
	static const uint8_t zero[1024];
	uint8_t tag[CHACHA_TAG];

	assert_true(r->key.n == CHACHA_KEY && r->tag.n == CHACHA_TAG);
	assert_true(r->ct.n == r->msg.n && r->ct.n <= sizeof zero);
	if (valid) {
		struct buf text = {0};
		assert_int_equal(buf_append(&text, r->msg.p, r->msg.n), 0);
		chacha_seal(r->key.p, r->iv.p, r->ad.p, r->ad.n, text.p, text.n, tag);
		assert_memory_equal(tag, r->tag.p, CHACHA_TAG);
		assert_true(text.n == 0 || memcmp(text.p, r->ct.p, text.n) == 0);
		buf_free(&text);
	}
	assert_int_equal(
		chacha_open(r->key.p, r->iv.p, r->ad.p, r->ad.n, r->ct.p, r->ct.n, r->tag.p),
		valid ? 0 : -1);
	assert_memory_equal(r->ct.p, valid ? r->msg.p : zero, r->ct.n);
}

static void run_wycheproof(void)
{
	json_t *root = vectors("wycheproof/chacha20_poly1305_test.json"), *group, *test;
	size_t i, k, valid = 0, invalid = 0, other_iv = 0;

	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	{
		json_array_foreach(json_object_get(group, "tests"), k, test)
		{
			bool ok = strcmp(text_of(test, "result"), "valid") == 0;
			struct row r;
			row_load(&r, test);
			if (r.iv.n != CHACHA_NONCE) { /* the type takes no other */
				assert_false(ok);
				other_iv++;
			} else {
				check_row(&r, ok);
				valid += ok;
				invalid += !ok;
			}
			row_free(&r);
		}
	}
	print_message(
		"# %zu valid, %zu invalid; out of range: %zu by nonce\n", valid, invalid, other_iv);
	assert_int_equal(valid, 256);
	assert_int_equal(invalid, 60);
	assert_int_equal(valid + invalid + other_iv,
		json_integer_value(json_object_get(root, "numberOfTests")));
}

static void wycheproof(void **state)
{
	(void)state;
	on_both(run_wycheproof);
}

static void check_size(size_t ad_n, size_t n)
{
	uint8_t key[CHACHA_KEY], nonce[CHACHA_NONCE], ad[512], tag[CHACHA_TAG];
	uint8_t *text = malloc(n + 1), *ref = malloc(n + 1), *out = malloc(n + CHACHA_TAG + 1);

	fill_pattern(key, sizeof key, (uint32_t)n);
	fill_pattern(nonce, sizeof nonce, 5);
	fill_pattern(ad, sizeof ad, 6);
	fill_pattern(text, n, 7);
	memcpy(ref, text, n);
	memcpy(out, text, n);
	out[n + CHACHA_TAG] = 0x5a;
	br_poly1305_ctmul32_run(key, nonce, ref, n, ad, ad_n, tag, br_chacha20_ct_run, 1);
	chacha_seal(key, nonce, ad, ad_n, out, n, out + n); /* the tag right behind */
	assert_memory_equal(out, ref, n);
	assert_memory_equal(out + n, tag, CHACHA_TAG);
	assert_int_equal(chacha_open(key, nonce, ad, ad_n, out, n, out + n), 0);
	assert_memory_equal(out, text, n);
	assert_memory_equal(out + n, tag, CHACHA_TAG);
	assert_int_equal(out[n + CHACHA_TAG], 0x5a);
	free(text);
	free(ref);
	free(out);
}

static void run_sizes_agree(void)
{
	for (size_t n = 0; n <= 300; n++) {
		check_size(n % 7 == 0 ? 0 : 32, n);
		check_size(n, 32);
	}
	check_size(0, 65536);
	check_size(32, 65519);
	check_size(0, 1000003);
}

static void sizes_agree(void **state)
{
	(void)state;
	on_both(run_sizes_agree);
}

enum { TEXT = 50, AD = 20 };

static void run_flips(void)
{
	static const uint8_t zero[TEXT];
	uint8_t key[CHACHA_KEY] = {1}, nonce[CHACHA_NONCE] = {2}, ad[AD] = {3}, tag[CHACHA_TAG];
	uint8_t text[TEXT], sealed[TEXT], data[TEXT];
	struct {
		uint8_t *p;
		size_t n;
	} inputs[] = {{key, CHACHA_KEY}, {nonce, CHACHA_NONCE}, {ad, AD}, {sealed, TEXT},
		{tag, CHACHA_TAG}};

	fill_pattern(text, sizeof text, 1);
	memcpy(sealed, text, sizeof sealed);
	chacha_seal(key, nonce, ad, AD, sealed, TEXT, tag);
	for (size_t i = 0; i < COUNT(inputs); i++) {
		for (size_t bit = 0; bit < 8 * inputs[i].n; bit++) {
			inputs[i].p[bit / 8] ^= (uint8_t)(1u << bit % 8);
			memcpy(data, sealed, TEXT);
			assert_int_equal(chacha_open(key, nonce, ad, AD, data, TEXT, tag), -1);
			assert_memory_equal(data, zero, TEXT);
			inputs[i].p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
	memcpy(data, sealed, TEXT);
	assert_int_equal(chacha_open(key, nonce, ad, AD, data, TEXT, tag), 0);
	assert_memory_equal(data, text, TEXT);
}

static void flips(void **state)
{
	(void)state;
	on_both(run_flips);
}

static void run_cuts(void)
{
	uint8_t key[CHACHA_KEY] = {1}, nonce[CHACHA_NONCE] = {2}, ad[AD] = {3}, tag[CHACHA_TAG];
	uint8_t sealed[TEXT + 1] = {0}, data[TEXT + 1];

	chacha_seal(key, nonce, ad, AD, sealed, TEXT, tag);
	for (size_t n = 0; n <= TEXT + 1; n++) {
		memcpy(data, sealed, sizeof data);
		assert_int_equal(chacha_open(key, nonce, ad, AD, data, n, tag), n == TEXT ? 0 : -1);
	}
	for (size_t n = 0; n < AD; n++) {
		memcpy(data, sealed, sizeof data);
		assert_int_equal(chacha_open(key, nonce, ad, n, data, TEXT, tag), -1);
	}
	chacha_seal(key, nonce, NULL, 0, NULL, 0, tag);
	assert_int_equal(chacha_open(key, nonce, NULL, 0, NULL, 0, tag), 0);
	tag[15] ^= 1;
	assert_int_equal(chacha_open(key, nonce, NULL, 0, NULL, 0, tag), -1);
}

static void cuts(void **state)
{
	(void)state;
	on_both(run_cuts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("Wycheproof: all but those whose nonce is not of 96 bits", wycheproof),
		T("0 to 300 bytes, and many, agree with the reference, in place", sizes_agree),
		T("one bit of key, nonce, data or tag turned: refused and wiped", flips),
		T("cut or longer: refused; nothing at all has a tag, too", cuts),
	};
	return RUN(tests);
}
