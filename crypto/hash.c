/* Hashes over BearSSL; see hash.h. */
#include "hash.h"

#include "bytes.h"

void hash_begin(struct hash *h)
{
	br_sha256_init(&h->context);
}

void hash_add(struct hash *h, const void *p, size_t n)
{
	br_sha256_update(&h->context, p, n);
}

void hash_end(const struct hash *h, uint8_t out[static HASH_BYTES])
{
	br_sha256_out(&h->context, out);
}

void hash_of(const void *p, size_t n, uint8_t out[static HASH_BYTES])
{
	struct hash h;

	hash_begin(&h);
	hash_add(&h, p, n);
	hash_end(&h, out);
}

void hash_sha1(const void *p, size_t n, uint8_t out[static HASH_SHA1_BYTES])
{
	br_sha1_context context;

	br_sha1_init(&context);
	br_sha1_update(&context, p, n);
	br_sha1_out(&context, out);
	wipe(&context, sizeof context); /* what was hashed may hold a password */
}

void hash_md5_begin(struct hash_md5 *h)
{
	br_md5_init(&h->context);
}

void hash_md5_add(struct hash_md5 *h, const void *p, size_t n)
{
	br_md5_update(&h->context, p, n);
}

void hash_md5_end(const struct hash_md5 *h, uint8_t out[static HASH_MD5_BYTES])
{
	br_md5_out(&h->context, out);
}
