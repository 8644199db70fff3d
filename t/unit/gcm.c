/* AES-256-GCM against Wycheproof, and against BearSSL's table-free code, which shares nothing with
 * the implementations in use. Each test runs with what this CPU has, and once more without. */
#include "aead.h"

#include <dlfcn.h>

#include "../../crypto/gcm.h"

/* --- BearSSL's questions to the CPU, which can be made to answer no --- */

static bool portable;

const br_block_ctr_class *br_aes_x86ni_ctr_get_vtable(void)
{
	const br_block_ctr_class *(*real)(void);
	void *symbol = dlsym(RTLD_NEXT, "br_aes_x86ni_ctr_get_vtable");

	memcpy(&real, &symbol, sizeof real);
	return portable ? NULL : real();
}

br_ghash br_ghash_pclmul_get(void)
{
	br_ghash (*real)(void);
	void *symbol = dlsym(RTLD_NEXT, "br_ghash_pclmul_get");

	memcpy(&real, &symbol, sizeof real);
	return portable ? 0 : real();
}

static void on_both(void (*run)(void))
{
	uint8_t key[GCM_KEY] = {0};
	struct gcm g;

	portable = false;
	gcm_prepare();
	run();
	portable = true;
	gcm_prepare();
	gcm_init(&g, key);
	assert_true(g.keys.vtable == &br_aes_ct64_ctr_vtable && g.ghash == br_ghash_ctmul64);
	run();
}

/* --- tests --- */

static void check_row(struct row *r, bool valid)
{
	static const uint8_t zero[1024];
	uint8_t tag[GCM_TAG];
	struct gcm g;

	assert_true(r->tag.n == GCM_TAG && r->ct.n == r->msg.n && r->ct.n <= sizeof zero);
	gcm_init(&g, r->key.p);
	if (valid) {
		struct buf text = {0};
		assert_int_equal(buf_append(&text, r->msg.p, r->msg.n), 0);
		gcm_seal(&g, r->iv.p, r->ad.p, r->ad.n, text.p, text.n, tag);
		assert_memory_equal(tag, r->tag.p, GCM_TAG);
		assert_true(text.n == 0 || memcmp(text.p, r->ct.p, text.n) == 0);
		buf_free(&text);
	}
	assert_int_equal(gcm_open(&g, r->iv.p, r->ad.p, r->ad.n, r->ct.p, r->ct.n, r->tag.p),
		valid ? 0 : -1);
	assert_memory_equal(r->ct.p, valid ? r->msg.p : zero, r->ct.n);
	wipe(&g, sizeof g);
}

static void run_wycheproof(void)
{
	json_t *root = vectors("wycheproof/aes_gcm_test.json"), *group, *test;
	size_t i, k, valid = 0, invalid = 0, other_key = 0, other_iv = 0, no_iv = 0;

	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	{
		json_array_foreach(json_object_get(group, "tests"), k, test)
		{
			bool ok = strcmp(text_of(test, "result"), "valid") == 0;
			struct row r;
			row_load(&r, test);
			if (r.iv.n == 0) { /* its type takes no nonce but of 12 bytes */
				no_iv++;
			} else if (r.key.n != GCM_KEY) {
				other_key++;
			} else if (r.iv.n != GCM_NONCE) {
				other_iv++;
			} else {
				check_row(&r, ok);
				valid += ok;
				invalid += !ok;
			}
			row_free(&r);
		}
	}
	print_message("# %zu valid, %zu invalid; out of range: %zu by key, %zu by IV, %zu empty\n",
		valid, invalid, other_key, other_iv, no_iv);
	assert_int_equal(valid + invalid, 66);
	assert_int_equal(invalid, 27);
	assert_int_equal(no_iv, 6);
	assert_int_equal(valid + invalid + other_key + other_iv + no_iv,
		json_integer_value(json_object_get(root, "numberOfTests")));
}

static void wycheproof(void **state)
{
	(void)state;
	on_both(run_wycheproof);
}

static void reference_seal(const uint8_t *key, const uint8_t *nonce, const uint8_t *ad, size_t ad_n,
	uint8_t *data, size_t n, uint8_t *tag)
{
	br_aes_small_ctr_keys keys;
	br_gcm_context context;

	br_aes_small_ctr_init(&keys, key, GCM_KEY);
	br_gcm_init(&context, &keys.vtable, br_ghash_ctmul32);
	br_gcm_reset(&context, nonce, GCM_NONCE);
	br_gcm_aad_inject(&context, ad, ad_n);
	br_gcm_flip(&context);
	br_gcm_run(&context, 1, data, n);
	br_gcm_get_tag(&context, tag);
}

static void check_size(size_t ad_n, size_t n)
{
	uint8_t key[GCM_KEY], nonce[GCM_NONCE], ad[512], tag[GCM_TAG];
	uint8_t *text = malloc(n + 1), *ref = malloc(n + 1), *out = malloc(n + GCM_TAG + 1);
	struct gcm g, copy;

	fill_pattern(key, sizeof key, (uint32_t)n);
	fill_pattern(nonce, sizeof nonce, 5);
	fill_pattern(ad, sizeof ad, 6);
	fill_pattern(text, n, 7);
	memcpy(ref, text, n);
	memcpy(out, text, n);
	out[n + GCM_TAG] = 0x5a;
	reference_seal(key, nonce, ad, ad_n, ref, n, tag);
	gcm_init(&g, key);
	gcm_seal(&g, nonce, ad, ad_n, out, n, out + n); /* the tag right behind */
	assert_memory_equal(out, ref, n);
	assert_memory_equal(out + n, tag, GCM_TAG);
	copy = g;
	wipe(&g, sizeof g);
	assert_int_equal(gcm_open(&copy, nonce, ad, ad_n, out, n, out + n), 0);
	assert_memory_equal(out, text, n);
	assert_memory_equal(out + n, tag, GCM_TAG);
	assert_int_equal(out[n + GCM_TAG], 0x5a);
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
	check_size(0, 65535);
	check_size(32, 65519);
	check_size(0, 1000003);
}

static void sizes_agree(void **state)
{
	(void)state;
	on_both(run_sizes_agree);
}

enum { TEXT = 50, AD = 20 };

/* Opens with one bit of one input turned; the input is as it was afterwards. */
static void check_flip(uint8_t *input, size_t bit, const struct gcm *g, const uint8_t *nonce,
	const uint8_t *ad, const uint8_t *sealed, const uint8_t *tag)
{
	static const uint8_t zero[TEXT];
	uint8_t data[TEXT];

	input[bit / 8] ^= (uint8_t)(1u << bit % 8);
	memcpy(data, sealed, TEXT);
	assert_int_equal(gcm_open(g, nonce, ad, AD, data, TEXT, tag), -1);
	assert_memory_equal(data, zero, TEXT);
	input[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static void run_flips(void)
{
	uint8_t key[GCM_KEY] = {1}, nonce[GCM_NONCE] = {2}, ad[AD] = {3}, tag[GCM_TAG];
	uint8_t text[TEXT], data[TEXT];
	struct {
		uint8_t *p;
		size_t n;
	} inputs[] = {{nonce, GCM_NONCE}, {ad, AD}, {data, TEXT}, {tag, GCM_TAG}};
	struct gcm g;

	fill_pattern(text, sizeof text, 1);
	memcpy(data, text, sizeof data);
	gcm_init(&g, key);
	gcm_seal(&g, nonce, ad, AD, data, TEXT, tag);
	for (size_t i = 0; i < COUNT(inputs); i++) {
		for (size_t bit = 0; bit < 8 * inputs[i].n; bit++) {
			check_flip(inputs[i].p, bit, &g, nonce, ad, data, tag);
		}
	}
	assert_int_equal(gcm_open(&g, nonce, ad, AD, data, TEXT, tag), 0);
	assert_memory_equal(data, text, TEXT);
}

static void flips(void **state)
{
	(void)state;
	on_both(run_flips);
}

static void run_cuts(void)
{
	uint8_t key[GCM_KEY] = {1}, nonce[GCM_NONCE] = {2}, ad[AD] = {3}, tag[GCM_TAG];
	uint8_t sealed[TEXT + 1] = {0}, data[TEXT + 1];
	struct gcm g;

	gcm_init(&g, key);
	gcm_seal(&g, nonce, ad, AD, sealed, TEXT, tag);
	for (size_t n = 0; n <= TEXT + 1; n++) {
		memcpy(data, sealed, sizeof data);
		assert_int_equal(gcm_open(&g, nonce, ad, AD, data, n, tag), n == TEXT ? 0 : -1);
	}
	for (size_t n = 0; n < AD; n++) {
		memcpy(data, sealed, sizeof data);
		assert_int_equal(gcm_open(&g, nonce, ad, n, data, TEXT, tag), -1);
	}
}

static void cuts(void **state)
{
	(void)state;
	on_both(run_cuts);
}

static void run_empty(void)
{
	uint8_t key[GCM_KEY] = {1}, nonce[GCM_NONCE] = {2}, tag[GCM_TAG];
	struct gcm g;

	gcm_init(&g, key);
	gcm_seal(&g, nonce, NULL, 0, NULL, 0, tag);
	assert_int_equal(gcm_open(&g, nonce, NULL, 0, NULL, 0, tag), 0);
	tag[15] ^= 1;
	assert_int_equal(gcm_open(&g, nonce, NULL, 0, NULL, 0, tag), -1);
}

static void empty(void **state)
{
	(void)state;
	on_both(run_empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("Wycheproof: the 66 with keys of 256 and IVs of 96 bits", wycheproof),
		T("0 to 300 bytes, and many, agree with the reference, in place", sizes_agree),
		T("one bit of nonce, data or tag turned: refused and wiped", flips),
		T("cut or longer, in text or associated data: refused", cuts),
		T("nothing at all has a tag, too", empty),
	};
	return RUN(tests);
}
