/* HMAC and HKDF over BearSSL; see hkdf.h. */
#include "hkdf.h"

#include "bytes.h"

void hmac_sha256(
	uint8_t out[static HASH_BYTES], const void *key, size_t key_n, const void *data, size_t n)
{
	br_hmac_key_context keyed;
	br_hmac_context context;

	br_hmac_key_init(&keyed, &br_sha256_vtable, key_n > 0 ? key : "", key_n);
	br_hmac_init(&context, &keyed, 0);
	br_hmac_update(&context, n > 0 ? data : "", n);
	(void)br_hmac_out(&context, out);
	wipe(&keyed, sizeof keyed);
	wipe(&context, sizeof context);
}

int hkdf_sha256(void *out, size_t out_n, const void *salt, size_t salt_n, const void *ikm,
	size_t ikm_n, const void *info, size_t info_n)
{
	br_hkdf_context context;

	if (out_n > HKDF_MAX) {
		return -1;
	}
	/* no salt is a salt of zeros (RFC 5869 2.2), and HMAC fills its key up with these */
	br_hkdf_init(&context, &br_sha256_vtable, salt_n > 0 ? salt : "", salt_n);
	br_hkdf_inject(&context, ikm_n > 0 ? ikm : "", ikm_n);
	br_hkdf_flip(&context);
	(void)br_hkdf_produce(&context, info_n > 0 ? info : "", info_n, out, out_n);
	wipe(&context, sizeof context);
	return 0;
}
