/* AES-256-GCM over BearSSL; see gcm.h. */
#include "gcm.h"

#include "bytes.h"

/* What this CPU has. */
static const br_block_ctr_class *ctr;
static br_ghash ghash;

void gcm_prepare(void)
{
	/* asked once a process: the answer is a CPUID, which is slow in a virtual machine */
	ctr = br_aes_x86ni_ctr_get_vtable();
	ctr = ctr == NULL ? &br_aes_ct64_ctr_vtable : ctr;
	ghash = br_ghash_pclmul_get();
	ghash = ghash == 0 ? br_ghash_ctmul64 : ghash;
}

void gcm_init(struct gcm *g, const uint8_t key[static GCM_KEY])
{
	if (ctr == NULL) {
		gcm_prepare();
	}
	g->ghash = ghash;
	ctr->init(&g->keys.vtable, key, GCM_KEY);
}

/* The context with its nonce and associated data in it. */
static void begin(br_gcm_context *context, const struct gcm *g,
	const uint8_t nonce[static GCM_NONCE], const void *ad, size_t ad_n)
{
	/* BearSSL takes the keys without const, but only reads them */
	br_gcm_init(context, (const br_block_ctr_class **)(uintptr_t)&g->keys.vtable, g->ghash);
	br_gcm_reset(context, nonce, GCM_NONCE);
	if (ad_n > 0) {
		br_gcm_aad_inject(context, ad, ad_n);
	}
	br_gcm_flip(context);
}

void gcm_seal(const struct gcm *g, const uint8_t nonce[static GCM_NONCE], const void *ad,
	size_t ad_n, uint8_t *data, size_t n, uint8_t tag[static GCM_TAG])
{
	br_gcm_context context;

	begin(&context, g, nonce, ad, ad_n);
	if (n > 0) {
		br_gcm_run(&context, 1, data, n);
	}
	br_gcm_get_tag(&context, tag);
	wipe(&context, sizeof context);
}

int gcm_open(const struct gcm *g, const uint8_t nonce[static GCM_NONCE], const void *ad,
	size_t ad_n, uint8_t *data, size_t n, const uint8_t tag[static GCM_TAG])
{
	br_gcm_context context;
	bool ok;

	begin(&context, g, nonce, ad, ad_n);
	if (n > 0) {
		br_gcm_run(&context, 0, data, n);
	}
	ok = br_gcm_check_tag(&context, tag) == 1;
	wipe(&context, sizeof context);
	if (!ok) {
		wipe(data, n);
		return -1;
	}
	return 0;
}
