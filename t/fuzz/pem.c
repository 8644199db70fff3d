/* Key files: PEM, and the DER inside it, as a public and as a private key. What is taken is written
 * in our way, and read again as the same key. */
#include "fuzz.h"

#include "../../crypto/rsa_der.h"
#include "../../crypto/x25519_der.h"

static struct rsa_private secret, secret_again;

static void write_rsa(const struct rsa_public *public, const struct rsa_private *private)
{
	struct pem pem = {.label = "PUBLIC KEY"};
	struct rsa_public again;
	struct err e;

	assert(rsa_der_write_public(&pem.der, public) == 0);
	assert(rsa_der_read_public(&again, &pem, &e) == 0);
	assert(again.n_len == public->n_len && memcmp(again.n, public->n, again.n_len) == 0);
	assert(again.e_len == public->e_len && memcmp(again.e, public->e, again.e_len) == 0);
	pem_free(&pem);
	if (private != NULL) {
		pem = (struct pem){.label = "RSA PRIVATE KEY"};
		/* parts that do not belong together have no exponent, and are not written */
		if (rsa_der_write_private(&pem.der, private) == 0) {
			assert(rsa_der_read_private(&secret_again, &pem, &e) == 0);
			assert(memcmp(secret_again.public.n, public->n, public->n_len) == 0);
		}
		pem_free(&pem);
	}
}

static void write_x25519(const uint8_t public[static X25519_BYTES], const struct x25519_pair *pair)
{
	struct pem pem = {.label = "PUBLIC KEY"};
	struct x25519_pair again;
	struct err e;

	assert(x25519_der_write_public(&pem.der, public) == 0);
	assert(x25519_der_read_public(again.public, &pem, &e) == 0);
	assert(memcmp(again.public, public, X25519_BYTES) == 0);
	pem_free(&pem);
	if (pair != NULL) {
		pem = (struct pem){.label = "PRIVATE KEY"};
		assert(x25519_der_write_private(&pem.der, pair->private) == 0);
		assert(x25519_der_read_private(&again, &pem, &e) == 0);
		assert(memcmp(&again, pair, sizeof again) == 0);
		pem_free(&pem);
	}
}

/* As each kind of key, by its label. */
static void read_all(const struct pem *pem)
{
	struct rsa_public public;
	struct x25519_pair pair;
	struct err e;

	if (rsa_der_read_public(&public, pem, &e) == 0) {
		write_rsa(&public, NULL);
	}
	if (rsa_der_read_private(&secret, pem, &e) == 0) {
		write_rsa(&secret.public, &secret);
	}
	if (x25519_der_read_public(pair.public, pem, &e) == 0) {
		write_x25519(pair.public, NULL);
	}
	if (x25519_der_read_private(&pair, pem, &e) == 0) {
		write_x25519(pair.public, &pair);
	}
}

/* Written again it is the same label and bytes. */
static void write_pem(const struct pem *pem)
{
	struct buf text = {0};
	struct pem again;
	struct err e;

	assert(pem_encode(&text, pem->label, pem->der.p, pem->der.n) == 0);
	if (pem_decode(&again, text.p, text.n, &e) == 0) {
		assert(strcmp(again.label, pem->label) == 0 && again.der.n == pem->der.n &&
			(again.der.n == 0 || memcmp(again.der.p, pem->der.p, again.der.n) == 0));
		pem_free(&again);
	} else {
		assert(text.n > PEM_TEXT_MAX);
	}
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const labels[] = {
		"PUBLIC KEY", "RSA PUBLIC KEY", "PRIVATE KEY", "RSA PRIVATE KEY"};
	struct pem pem;
	struct err e;

	if (pem_decode(&pem, data, size, &e) == 0) {
		read_all(&pem);
		write_pem(&pem);
		pem_free(&pem);
	}
	/* and the bytes as DER, so that base64 does not stand in the way */
	pem = (struct pem){.der = {.p = (uint8_t *)(uintptr_t)data, .n = size}};
	for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
		(void)snprintf(pem.label, sizeof pem.label, "%s", labels[i]);
		read_all(&pem);
	}
	return 0;
}
