/* Sealed files and the keys in them as text, for an identity that everybody knows. Whole and in
 * small pieces the same comes out, and what was opened is sealed and opened again. */
#include "fuzz.h"

#include <string.h>

#include "../../crypto/age.h"

/* of the age test kit, whose files are seeds */
static const char known[] =
	"AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";

static struct x25519_pair identity;

static int keep(void *arg, const void *p, size_t n, struct err *e)
{
	(void)e;
	assert(n > 0);
	assert(buf_append(arg, p, n) == 0);
	return 0;
}

static enum age_fault open_pieces(const uint8_t *p, size_t n, size_t piece, struct buf *out)
{
	static struct age_open o;
	enum age_fault fault;
	struct err e;
	int rc = 0;

	age_open_begin(&o, &identity, 1, AGE_EITHER, (struct age_sink){keep, out});
	for (size_t at = 0; at < n && rc == 0; at += piece) {
		rc = age_open_write(&o, p + at, n - at < piece ? n - at : piece, &e);
	}
	rc = rc == 0 ? age_open_end(&o, &e) : rc;
	fault = o.fault;
	assert((rc == 0) == (fault == AGE_SOUND) && fault != AGE_OTHER);
	age_open_wipe(&o);
	return fault;
}

static void seal_again(const struct buf *text, bool armored)
{
	static struct age_seal s;
	struct age_recipient to;
	struct buf sealed = {0}, out = {0};
	struct err e;

	memcpy(to.key, identity.public, sizeof to.key);
	assert(age_seal_begin(&s, &to, 1, armored, (struct age_sink){keep, &sealed}, &e) == 0);
	assert(age_seal_write(&s, text->p, text->n, &e) == 0);
	assert(age_seal_end(&s, &e) == 0);
	age_seal_wipe(&s);
	assert(open_pieces(sealed.p, sealed.n, 1000, &out) == AGE_SOUND);
	assert(out.n == text->n && (out.n == 0 || memcmp(out.p, text->p, out.n) == 0));
	buf_free(&sealed);
	buf_free(&out);
}

/* What is taken as a key is written the same way again. */
static void read_keys(const char *text, size_t n)
{
	char name[AGE_RECIPIENT_TEXT + 1], secret[AGE_IDENTITY_TEXT + 1];
	uint8_t public[X25519_BYTES];
	struct x25519_pair pair;
	struct err e;

	if (age_read_recipient(public, text, n, &e) == 0) {
		age_write_recipient(name, public);
		assert(n == AGE_RECIPIENT_TEXT && memcmp(name, text, n) == 0);
	}
	if (age_read_identity(&pair, text, n, &e) == 0) {
		age_write_identity(secret, pair.private);
		assert(n == AGE_IDENTITY_TEXT && memcmp(secret, text, n) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = {0}, pieces = {0};
	enum age_fault fault;
	struct err e;

	assert(age_read_identity(&identity, known, strlen(known), &e) == 0);
	fault = open_pieces(data, size, size + 1, &whole);
	assert(open_pieces(data, size, size > 4096 ? 61 : 1, &pieces) == fault);
	assert(whole.n == pieces.n);
	assert(whole.n == 0 || memcmp(whole.p, pieces.p, whole.n) == 0);
	if (fault == AGE_SOUND) {
		seal_again(&whole, size % 2 == 0);
	}
	buf_free(&whole);
	buf_free(&pieces);
	read_keys((const char *)data, size);
	return 0;
}
