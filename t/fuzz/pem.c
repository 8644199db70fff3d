/* Key files: PEM, and the DER inside it, as a public and as a private key. */
#include "fuzz.h"

#include "../../crypto/rsa_der.h"
#include "../../crypto/x25519_der.h"

/* As each kind of key, by its label. */
static void read_all(const struct pem *pem)
{
	static struct rsa_private secret;
	struct rsa_public public;
	struct x25519_pair pair;
	struct err e;

	(void)rsa_der_read_public(&public, pem, &e);
	(void)rsa_der_read_private(&secret, pem, &e);
	(void)x25519_der_read_public(pair.public, pem, &e);
	(void)x25519_der_read_private(&pair, pem, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const labels[] = {
		"PUBLIC KEY", "RSA PUBLIC KEY", "PRIVATE KEY", "RSA PRIVATE KEY"};
	struct pem pem;
	struct err e;

	if (pem_decode(&pem, data, size, &e) == 0) {
		read_all(&pem);
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
