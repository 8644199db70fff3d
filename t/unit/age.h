/* What the tests of sealed files share: a sink that keeps everything, and opening in pieces. */
#ifndef T_UNIT_AGE_H
#define T_UNIT_AGE_H

#include "unit.h"

#include "../../crypto/age.h"
#include "../../crypto/file.h"
#include "../../crypto/hash.h"

static inline int keep(void *arg, const void *p, size_t n, struct err *e)
{
	(void)e;
	assert_true(n > 0);
	assert_int_equal(buf_append(arg, p, n), 0);
	return 0;
}

/* What the streams are lent, or NULL: they work chunk by chunk. */
static struct age_batch *lent;

/* Open it in pieces of so many bytes, into out. The fault. */
static inline enum age_fault open_pieces(const void *p, size_t n, size_t piece,
	const struct x25519_pair *identities, size_t identities_n, enum age_form form,
	struct buf *out)
{
	static struct age_open o;
	const uint8_t *s = p;
	enum age_fault fault;
	struct err e = {0};
	int rc = 0;

	out->n = 0;
	age_open_begin(&o, identities, identities_n, form, (struct age_sink){keep, out});
	o.stream.batch = lent;
	for (size_t at = 0; at < n && rc == 0; at += piece) {
		rc = age_open_write(&o, s + at, n - at < piece ? n - at : piece, &e);
	}
	rc = rc == 0 ? age_open_end(&o, &e) : rc;
	fault = o.fault;
	assert_int_equal(rc, fault == AGE_SOUND ? 0 : -1);
	if (rc != 0) {
		size_t before = out->n;
		assert_int_equal(e.code, fault == AGE_NO_MATCH ? EX_NOPERM : EX_DATAERR);
		assert_true(e.text[0] != '\0');
		/* and nothing is taken any more */
		assert_refused(age_open_write(&o, s, n, &e), e, EX_SOFTWARE);
		assert_refused(age_open_end(&o, &e), e, EX_SOFTWARE);
		assert_int_equal(out->n, before);
		assert_int_equal(o.fault, fault);
	}
	age_open_wipe(&o);
	return fault;
}

/* Seal it in pieces of so many bytes, appending to out. */
static inline void seal_pieces(const uint8_t *p, size_t n, size_t piece,
	const struct age_recipient *recipients, size_t recipients_n, bool armored, struct buf *out)
{
	static struct age_seal s;
	struct err e = {0};

	assert_int_equal(age_seal_begin(&s, recipients, recipients_n, armored,
				 (struct age_sink){keep, out}, &e),
		0);
	s.stream.batch = lent;
	for (size_t at = 0; at < n; at += piece) {
		assert_int_equal(
			age_seal_write(&s, p + at, n - at < piece ? n - at : piece, &e), 0);
	}
	assert_int_equal(age_seal_end(&s, &e), 0);
	age_seal_wipe(&s);
}

#endif
