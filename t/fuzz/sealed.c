/* Sealed mail, for an identity that everybody knows: as it is stored, and as what is inside of it.
 * What is handed out is what was checked. */
#include "fuzz.h"

#include <string.h>

#include "../../proto/sealed.h"

/* of the age test kit */
static const char known[] =
	"AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";

static struct x25519_pair identity;

static int keep(void *arg, const void *p, size_t n, struct err *e)
{
	(void)e;
	assert(n > 0 && buf_append(arg, p, n) == 0);
	return 0;
}

static int hold(void *arg, const void *p, size_t n, struct err *e)
{
	return held_put(arg, p, n, e);
}

static void check(const struct held *sealed, const uint8_t *inside, size_t n)
{
	struct buf content = {0}, whole = {0};
	uint8_t digest[HASH_BYTES];
	struct sealed_head h;
	struct err e;

	if (sealed_open(&h, sealed, &identity, 1, &e) != 0) {
		assert(e.code == EX_DATAERR || e.code == EX_NOPERM);
		sealed_free(&h);
		return;
	}
	assert(sealed_each(&h, sealed, &identity, 1, false, keep, &content, &e) == 0);
	assert(sealed_each(&h, sealed, &identity, 1, true, keep, &whole, &e) == 0);
	assert(content.n == h.content_bytes && whole.n == h.text.n + content.n);
	assert(content.n == 0 || memcmp(whole.p + h.text.n, content.p, content.n) == 0);
	assert(inside == NULL || h.signature.n + whole.n == n);
	assert(inside == NULL || whole.n == 0 ||
		memcmp(inside + h.signature.n, whole.p, whole.n) == 0);
	if (h.is_signed) {
		hash_of(whole.p, whole.n, digest);
		assert(memcmp(digest, h.digest, sizeof digest) == 0);
		assert(h.numbers_n > 0 && h.from.n > 0 && h.to.n > 0);
	}
	buf_free(&content);
	buf_free(&whole);
	sealed_free(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct age_seal s;
	struct held sealed = HELD_EMPTY;
	struct age_recipient to;
	struct err e;

	assert(age_read_identity(&identity, known, strlen(known), &e) == 0);
	assert(held_put(&sealed, data, size, &e) == 0);
	(void)sealed_is(data, size);
	check(&sealed, NULL, 0);
	held_clear(&sealed);
	memcpy(to.key, identity.public, sizeof to.key);
	assert(age_seal_begin(&s, &to, 1, true, (struct age_sink){hold, &sealed}, &e) == 0);
	assert(age_seal_write(&s, data, size, &e) == 0 && age_seal_end(&s, &e) == 0);
	age_seal_wipe(&s);
	check(&sealed, data, size);
	held_free(&sealed);
	return 0;
}
