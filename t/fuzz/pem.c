/* Key files: PEM, and the DER inside it, as a public and as a private key. */
#include "fuzz.h"

#include "../../crypto/rsa_der.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rsa_private secret;
	struct rsa_public public;
	struct pem pem;
	struct err e;

	if (pem_decode(&pem, data, size, &e) == 0) {
		(void)rsa_der_read_public(&public, &pem, &e);
		(void)rsa_der_read_private(&secret, &pem, &e);
		pem_free(&pem);
	}
	/* and the bytes as DER, so that base64 does not stand in the way */
	pem = (struct pem){.der = {.p = (uint8_t *)(uintptr_t)data, .n = size}};
	for (const char *const *label = (const char *const[]){"PUBLIC KEY", "RSA PUBLIC KEY", NULL};
		*label != NULL; label++) {
		(void)snprintf(pem.label, sizeof pem.label, "%s", *label);
		(void)rsa_der_read_public(&public, &pem, &e);
	}
	for (const char *const *label =
			(const char *const[]){"PRIVATE KEY", "RSA PRIVATE KEY", NULL};
		*label != NULL; label++) {
		(void)snprintf(pem.label, sizeof pem.label, "%s", *label);
		(void)rsa_der_read_private(&secret, &pem, &e);
	}
	return 0;
}
