/* What the kinds of keys differ in, for keyfile.c alone: names, PEM labels, modes, and how they are
 * made and written. */
#ifndef KEYS_KEYFILE_KIND_H
#define KEYS_KEYFILE_KIND_H

#include <sys/types.h>

#include "../crypto/pem.h"
#include "keyfile.h"

/* A pair of any kind. Secret. */
union keyfile_pair {
	struct rsa_private rsa;
	struct x25519_pair x25519;
	struct p256_pair p256;
};

struct keyfile_half {
	const char *label; /* of its PEM */
	mode_t mode;
	int (*write)(struct buf *der, const union keyfile_pair *pair);
};

struct keyfile_kind_row {
	const char *infix; /* NAME, this, "_private.pem" */
	struct keyfile_half private, public;
	int (*generate)(union keyfile_pair *out, unsigned bits, struct err *e);
	int (*load_private)(int dir, const char *name, union keyfile_pair *out, struct err *e);
	int (*check)(
		const union keyfile_pair *pair, struct err *e); /* do its parts belong together? */
};

extern const struct keyfile_kind_row keyfile_kinds[KEYFILE_KINDS];

/* What at the end of name would make its RSA pair another's pair, or NULL. */
const char *keyfile_bad_end(const char *name);

#endif
