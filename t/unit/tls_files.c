/* What is read of certificates and keys, when bytes of them are changed or missing. */
#include "tls.h"

#include "../../crypto/x509.h"

static struct err e;

static void put_pem(struct buf *out, const char *label, const struct buf *der)
{
	out->n = 0;
	assert_int_equal(pem_encode(out, label, der->p, der->n), 0);
}

/* Any outcome but a crash or a leak. */
static void try_files(const struct buf *certificate, const struct buf *key)
{
	struct tls_identity *id;
	struct tls_trust *trust;
	bool from_key;

	if (tls_identity_parse(
		    &id, certificate->p, certificate->n, key->p, key->n, &from_key, &e) == 0) {
		tls_identity_free(id);
	}
	if (tls_trust_parse(&trust, certificate->p, certificate->n, &e) == 0) {
		tls_trust_free(trust);
	}
}

static void damaged_files(void **state)
{
	static const uint8_t local[] = {127, 0, 0, 1};
	static const uint8_t changes[] = {0x01, 0x80, 0xff};
	struct x509_wish wish = wish_of("127.0.0.1", -1, 1);
	struct buf cert = {0}, key = {0}, cert_pem = {0}, key_pem = {0};
	struct cursor spki;

	(void)state;
	assert_int_equal(x509_make(&wish, &cert, &key, &e), 0);
	put_pem(&key_pem, "PRIVATE KEY", &key);
	for (size_t i = 0; i < cert.n; i++) {
		uint8_t *copy = malloc(i + 1); /* of this size, for the sanitizer */
		memcpy(copy, cert.p, i);
		assert_false(x509_spki(copy, i, &spki));
		assert_false(x509_has_address(copy, i, local, sizeof local));
		free(copy);
		for (size_t k = 0; k < sizeof changes; k++) {
			cert.p[i] ^= changes[k];
			put_pem(&cert_pem, "CERTIFICATE", &cert);
			try_files(&cert_pem, &key_pem);
			(void)x509_has_address(cert.p, cert.n, local, sizeof local);
			cert.p[i] ^= changes[k];
		}
	}
	assert_true(x509_has_address(cert.p, cert.n, local, sizeof local));
	put_pem(&cert_pem, "CERTIFICATE", &cert);
	for (size_t i = 0; i < key.n; i++) {
		key.p[i] ^= 0x01;
		put_pem(&key_pem, "PRIVATE KEY", &key);
		try_files(&cert_pem, &key_pem);
		key.p[i] ^= 0x01;
	}
	buf_free(&cert);
	buf_free(&key);
	buf_free(&cert_pem);
	buf_free(&key_pem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("a certificate or a key with any byte changed does no harm", damaged_files),
	};
	return RUN(tests);
}
