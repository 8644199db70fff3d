/* What the tests of AEADs share: a case of Wycheproof's. */
#ifndef T_AEAD_H
#define T_AEAD_H

#include "unit.h"

struct row {
	struct buf key, iv, ad, msg, ct, tag;
};

/* Free it with row_free. */
static inline void row_load(struct row *r, const json_t *test)
{
	*r = (struct row){0};
	hex_of(test, "key", &r->key);
	hex_of(test, "iv", &r->iv);
	hex_of(test, "aad", &r->ad);
	hex_of(test, "msg", &r->msg);
	hex_of(test, "ct", &r->ct);
	hex_of(test, "tag", &r->tag);
}

static inline void row_free(struct row *r)
{
	buf_free(&r->key);
	buf_free(&r->iv);
	buf_free(&r->ad);
	buf_free(&r->msg);
	buf_free(&r->ct);
	buf_free(&r->tag);
}

#endif
