/* How a client judges the server's certificate; see tls_state.h. BearSSL's validator looks for host
 * names alone, so that a certificate for an IP address is kept here and searched for it; and a pin
 * is compared with the key in the server's own certificate, by which the handshake is signed. */
#include "tls_state.h"

#include <arpa/inet.h>

#include "hash.h"
#include "x509.h"

enum {
	OWN_MAX = 65536,     /* bytes of a server's certificate that we would keep */
	RSA_MIN_BYTES = 256, /* 2048 bits */
	DAYS_TO_1970 = 719528
};

static struct tls_verify *verifier(const br_x509_class **context)
{
	return (struct tls_verify *)(void *)context;
}

static void start_chain(const br_x509_class **context, const char *server_name)
{
	struct tls_verify *v = verifier(context);

	(void)server_name; /* what SNI could say: what is looked for is the caller's host */
	v->seen = 0;
	v->failed = 0;
	if (v->pin != NULL) {
		br_x509_decoder_init(&v->decoder, NULL, NULL);
	} else {
		v->minimal.vtable->start_chain(&v->minimal.vtable, v->name);
	}
}

static void start_cert(const br_x509_class **context, uint32_t length)
{
	struct tls_verify *v = verifier(context);

	if (v->seen++ == 0 && length > OWN_MAX) {
		v->failed = TLS_ERR_LARGE_CERTIFICATE;
	}
	if (v->pin == NULL) {
		v->minimal.vtable->start_cert(&v->minimal.vtable, length);
	}
}

static void append(const br_x509_class **context, const unsigned char *p, size_t n)
{
	struct tls_verify *v = verifier(context);

	if (v->seen == 1 && v->failed == 0 && buf_append(&v->own, p, n) != 0) {
		v->failed = BR_ERR_X509_LIMIT_EXCEEDED;
	}
	if (v->pin == NULL) {
		v->minimal.vtable->append(&v->minimal.vtable, p, n);
	} else if (v->seen == 1) {
		br_x509_decoder_push(&v->decoder, p, n);
	}
}

static void end_cert(const br_x509_class **context)
{
	struct tls_verify *v = verifier(context);

	if (v->pin == NULL) {
		v->minimal.vtable->end_cert(&v->minimal.vtable);
	}
}

static unsigned judge_pin(struct tls_verify *v)
{
	uint8_t digest[HASH_BYTES];
	struct cursor spki;
	int damage = br_x509_decoder_last_error(&v->decoder);

	if (v->seen == 0) {
		return BR_ERR_X509_EMPTY_CHAIN;
	}
	if (damage != 0) {
		return (unsigned)damage;
	}
	if (!x509_spki(v->own.p, v->own.n, &spki)) {
		return BR_ERR_X509_INVALID_VALUE;
	}
	hash_of(spki.p, spki.n, digest);
	return ct_eq(digest, v->pin, sizeof digest) ? 0 : TLS_ERR_PIN;
}

static unsigned end_chain(const br_x509_class **context)
{
	struct tls_verify *v = verifier(context);
	unsigned code = v->failed;

	if (v->pin != NULL) {
		return code != 0 ? code : judge_pin(v);
	}
	if (code == 0) {
		code = v->minimal.vtable->end_chain(&v->minimal.vtable);
	}
	if (code == 0 && v->name == NULL &&
		!x509_has_address(v->own.p, v->own.n, v->address, v->address_n)) {
		code = BR_ERR_X509_BAD_SERVER_NAME;
	}
	v->failed = code;
	return code;
}

static const br_x509_pkey *get_pkey(const br_x509_class *const *context, unsigned *usages)
{
	const struct tls_verify *v = (const struct tls_verify *)(const void *)context;

	if (v->pin == NULL) {
		return v->failed != 0 ? NULL
				      : v->minimal.vtable->get_pkey(&v->minimal.vtable, usages);
	}
	if (usages != NULL) {
		*usages = BR_KEYTYPE_SIGN;
	}
	/* the decoder's getter has no const, but only reads */
	return br_x509_decoder_get_pkey((br_x509_decoder_context *)(uintptr_t)&v->decoder);
}

static const br_x509_class class = {.context_size = sizeof(struct tls_verify),
	.start_chain = start_chain,
	.start_cert = start_cert,
	.append = append,
	.end_cert = end_cert,
	.end_chain = end_chain,
	.get_pkey = get_pkey};

size_t tls_address(const char *host, uint8_t out[static 16])
{
	if (host == NULL) {
		return 0;
	}
	return inet_pton(AF_INET, host, out) == 1    ? 4
	       : inet_pton(AF_INET6, host, out) == 1 ? 16
						     : 0;
}

static void init_minimal(br_x509_minimal_context *m, const struct tls_trust *trust)
{
	time_t now = time(NULL);

	br_x509_minimal_init(m, &br_sha256_vtable, trust->anchors, trust->n);
	br_x509_minimal_set_hash(m, br_sha256_ID, &br_sha256_vtable);
	br_x509_minimal_set_hash(m, br_sha384_ID, &br_sha384_vtable);
	br_x509_minimal_set_hash(m, br_sha512_ID, &br_sha512_vtable);
	br_x509_minimal_set_rsa(m, br_rsa_pkcs1_vrfy_get_default());
	br_x509_minimal_set_ecdsa(m, br_ec_get_default(), br_ecdsa_vrfy_asn1_get_default());
	br_x509_minimal_set_minrsa(m, RSA_MIN_BYTES);
	br_x509_minimal_set_time(
		m, (uint32_t)(now / 86400 + DAYS_TO_1970), (uint32_t)(now % 86400));
}

int tls_verify_init(struct tls_verify *v, const struct tls_trust *trust, const uint8_t *pin,
	const char *host, struct err *e)
{
	*v = (struct tls_verify){.class = &class, .pin = pin};
	if (pin != NULL) {
		return 0;
	}
	if (trust == NULL || host == NULL || host[0] == '\0') {
		return err_set(e, EX_SOFTWARE, "cannot verify a TLS server without its host name");
	}
	v->address_n = tls_address(host, v->address);
	v->name = v->address_n > 0 ? NULL : host;
	init_minimal(&v->minimal, trust);
	return 0;
}

void tls_verify_free(struct tls_verify *v)
{
	buf_free(&v->own);
}
