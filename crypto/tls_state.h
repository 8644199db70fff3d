/* What the files of TLS share and nobody else sees. */
#ifndef CRYPTO_TLS_STATE_H
#define CRYPTO_TLS_STATE_H

#include <bearssl.h>

#include "bytes.h"
#include "tls.h"

struct tls_identity {
	br_x509_certificate chain[TLS_CHAIN_MAX]; /* each is owned */
	size_t chain_n;
	struct tls_certificate certificate;
	int key_type;
	br_skey_decoder_context key; /* holds the numbers that it points to */
};

struct tls_trust {
	br_x509_trust_anchor *anchors;
	size_t n;
};

/* Errors of ours, beside BearSSL's. */
enum { TLS_ERR_PIN = 1000, TLS_ERR_LARGE_CERTIFICATE };

/* How a client judges a certificate: BearSSL's validator with the address check that it lacks, or a
 * pin alone. A validator of BearSSL's kind: its first field is the table of functions. */
struct tls_verify {
	const br_x509_class *class;
	br_x509_minimal_context minimal;
	br_x509_decoder_context decoder; /* of the server's own certificate, for a pin */
	const uint8_t *pin;              /* NULL: the chain is judged */
	const char *name;                /* NULL: an address is looked for */
	uint8_t address[16];
	size_t address_n;
	struct buf own; /* the server's own certificate */
	size_t seen;    /* certificates begun */
	unsigned failed;
};

/* trust and host, or pin. 0, or -1 (EX_SOFTWARE: neither). */
int tls_verify_init(struct tls_verify *v, const struct tls_trust *trust, const uint8_t *pin,
	const char *host, struct err *e);
void tls_verify_free(struct tls_verify *v);

/* The bytes of an IP address given as text: 4 or 16, or 0 when host (or NULL) is none. */
size_t tls_address(const char *host, uint8_t out[static 16]);

/* BearSSL's elliptic curves, but for those that we use alone, and without its tolerance for points
 * that make a shared secret of zeros (RFC 8422 5.11). */
const br_ec_impl *tls_curves(void);

#endif
