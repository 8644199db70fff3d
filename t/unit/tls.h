/* Certificates for the tests of TLS: made here, in memory. */
#ifndef T_UNIT_TLS_H
#define T_UNIT_TLS_H

#include "unit.h"

#include "../../crypto/pem.h"
#include "../../crypto/tls.h"
#include "../../crypto/x509_make.h"

enum { DAY = 86400 };

/* A server: its identity, and its certificate as a client's trust. */
struct site {
	struct tls_identity *id;
	struct tls_trust *trust;
	const uint8_t *pin;
};

/* The two files' texts. The caller frees them. */
static inline void make_pems(
	const struct x509_wish *wish, struct buf *certificate, struct buf *private)
{
	struct buf cert_der = {0}, key_der = {0};
	struct err e;

	assert_int_equal(x509_make(wish, &cert_der, &key_der, &e), 0);
	assert_int_equal(pem_encode(certificate, "CERTIFICATE", cert_der.p, cert_der.n), 0);
	assert_int_equal(pem_encode(private, "PRIVATE KEY", key_der.p, key_der.n), 0);
	buf_free(&cert_der);
	buf_free(&key_der);
}

/* Valid from and until so many days from now. */
static inline struct x509_wish wish_of(const char *name, int from, int until)
{
	int64_t now = (int64_t)time(NULL);

	return (struct x509_wish){.names = {name},
		.names_n = 1,
		.from = now + (int64_t)from * DAY,
		.until = now + (int64_t)until * DAY};
}

static inline void site_from(struct site *s, const struct x509_wish *wish)
{
	struct buf certificate = {0}, private = {0};
	bool from_key;
	struct err e;

	make_pems(wish, &certificate, &private);
	assert_int_equal(tls_identity_parse(&s->id, certificate.p, certificate.n, private.p,
				 private.n, &from_key, &e),
		0);
	assert_int_equal(tls_trust_parse(&s->trust, certificate.p, certificate.n, &e), 0);
	s->pin = tls_identity_certificate(s->id)->pin;
	buf_free(&certificate);
	buf_free(&private);
}

static inline void site_make(struct site *s, const char *name)
{
	const struct x509_wish wish = wish_of(name, -1, 1);

	site_from(s, &wish);
}

static inline void site_free(struct site *s)
{
	tls_identity_free(s->id);
	tls_trust_free(s->trust);
}

#endif
