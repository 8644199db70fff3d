/* A self-signed certificate for a server, with a new key. It is no CA (basicConstraints), and may
 * be used for a server alone (digitalSignature, serverAuth): who takes the key can pass for this
 * server and no other, even to clients that were given the certificate as a CA. */
#ifndef CRYPTO_X509_MAKE_H
#define CRYPTO_X509_MAKE_H

#include "bytes.h"
#include "err.h"

enum {
	X509_NAMES_MAX = 32,
	X509_NAME_MAX = 253, /* characters of a host name, RFC 1035 2.3.4 */
	X509_YEAR_MAX = 9999 /* RFC 5280 4.1.2.5.2 */
};

struct x509_wish {
	const char
		*names[X509_NAMES_MAX]; /* host names, or IP addresses; the first is the CN, too */
	size_t names_n;                 /* at least 1 */
	int64_t from, until;            /* valid; seconds since 1970 */
	unsigned rsa_bits;              /* 2048, 3072 or 4096; 0: EC P-256 */
};

/* Is it a host name ("*.example.org" is one) or an IP address? 0, or -1 (EX_USAGE). */
int x509_check_name(const char *name, struct err *e);

/* Append the certificate, and the private key as PKCS#8 (secret), both in DER. 0, or -1 (EX_USAGE:
 * the wish cannot be; EX_TEMPFAIL: no memory, no seed). */
int x509_make(
	const struct x509_wish *wish, struct buf *certificate, struct buf *private, struct err *e);

#endif
