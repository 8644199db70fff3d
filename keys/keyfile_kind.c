/* The kinds of keys; see keyfile_kind.h. */
#include "keyfile_kind.h"

#include "../crypto/p256_der.h"
#include "../crypto/rsa_der.h"
#include "../crypto/x25519_der.h"

/* --- RSA --- */

static int rsa_make(union keyfile_pair *out, unsigned bits, struct err *e)
{
	return rsa_generate(&out->rsa, bits, e);
}

static int rsa_public_der(struct buf *der, const union keyfile_pair *pair)
{
	return rsa_der_write_public(der, &pair->rsa.public);
}

static int rsa_private_der(struct buf *der, const union keyfile_pair *pair)
{
	return rsa_der_write_private(der, &pair->rsa);
}

static int rsa_load(int dir, const char *name, union keyfile_pair *out, struct err *e)
{
	return keyfile_load_private(dir, name, &out->rsa, e);
}

static int rsa_check(const union keyfile_pair *pair, struct err *e)
{
	return rsa_check_private(&pair->rsa, e);
}

/* --- X25519 --- */

static int x25519_make(union keyfile_pair *out, unsigned bits, struct err *e)
{
	(void)bits;
	return x25519_generate(&out->x25519, e);
}

static int x25519_public_der(struct buf *der, const union keyfile_pair *pair)
{
	return x25519_der_write_public(der, pair->x25519.public);
}

static int x25519_private_der(struct buf *der, const union keyfile_pair *pair)
{
	return x25519_der_write_private(der, pair->x25519.private);
}

static int x25519_load(int dir, const char *name, union keyfile_pair *out, struct err *e)
{
	return keyfile_load_x25519_private(dir, name, &out->x25519, e);
}

/* --- P-256 --- */

static int p256_make(union keyfile_pair *out, unsigned bits, struct err *e)
{
	(void)bits;
	return p256_generate(&out->p256, e);
}

static int p256_public_der(struct buf *der, const union keyfile_pair *pair)
{
	return p256_der_write_public(der, pair->p256.public);
}

static int p256_private_der(struct buf *der, const union keyfile_pair *pair)
{
	return p256_der_write_private(der, &pair->p256);
}

static int p256_load(int dir, const char *name, union keyfile_pair *out, struct err *e)
{
	return keyfile_load_p256_private(dir, name, &out->p256, e);
}

/* Of these the public half was computed when they were read. */
static int no_check(const union keyfile_pair *pair, struct err *e)
{
	(void)pair;
	(void)e;
	return 0;
}

const struct keyfile_kind_row keyfile_kinds[KEYFILE_KINDS] = {
	[KEYFILE_RSA] = {.infix = "",
		.private = {"RSA PRIVATE KEY", 0600, rsa_private_der},
		.public = {"PUBLIC KEY", 0644, rsa_public_der},
		.generate = rsa_make,
		.load_private = rsa_load,
		.check = rsa_check},
	[KEYFILE_X25519] = {.infix = "_x25519",
		.private = {"PRIVATE KEY", 0600, x25519_private_der},
		.public = {"PUBLIC KEY", 0644, x25519_public_der},
		.generate = x25519_make,
		.load_private = x25519_load,
		.check = no_check},
	[KEYFILE_P256] = {.infix = "_p256",
		.private = {"PRIVATE KEY", 0600, p256_private_der},
		.public = {"PUBLIC KEY", 0644, p256_public_der},
		.generate = p256_make,
		.load_private = p256_load,
		.check = no_check},
};

const char *keyfile_bad_end(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = KEYFILE_RSA + 1; i < KEYFILE_KINDS; i++) {
		size_t k = strlen(keyfile_kinds[i].infix);
		if (n >= k && strcmp(name + n - k, keyfile_kinds[i].infix) == 0) {
			return keyfile_kinds[i].infix;
		}
	}
	return NULL;
}
