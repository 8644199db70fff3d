/* A walk through a certificate; see x509.h. */
#include "x509.h"

enum {
	TAG_BOOLEAN = 0x01,
	TAG_OID = 0x06,
	TAG_VERSION = 0xa0,    /* [0], constructed */
	TAG_EXTENSIONS = 0xa3, /* [3], constructed */
	TAG_ISSUER_ID = 0x81,  /* [1] and [2]: primitive */
	TAG_SUBJECT_ID = 0x82,
	TAG_ADDRESS = 0x87 /* [7] of a GeneralName */
};

/* An element of any tag is passed over. */
static void skip(struct cursor *c)
{
	(void)der_get_element(c, cursor_left(c) > 0 ? c->p[0] : 0);
}

/* The to-be-signed part, from its public key on. RFC 5280 4.1. */
static struct cursor open_at_key(const void *der, size_t n)
{
	struct cursor c = cursor_over(der, n), all = der_get_element(&c, DER_SEQUENCE);
	struct cursor tbs = der_get_element(&all, DER_SEQUENCE);

	if (der_next_is(&tbs, TAG_VERSION)) {
		skip(&tbs);
	}
	(void)der_get_element(&tbs, DER_INTEGER);  /* serial number */
	(void)der_get_element(&tbs, DER_SEQUENCE); /* signature's algorithm */
	(void)der_get_element(&tbs, DER_SEQUENCE); /* issuer */
	(void)der_get_element(&tbs, DER_SEQUENCE); /* validity */
	(void)der_get_element(&tbs, DER_SEQUENCE); /* subject */
	tbs.failed = tbs.failed || c.failed || c.n > 0;
	return tbs;
}

bool x509_spki(const void *der, size_t n, struct cursor *spki)
{
	struct cursor tbs = open_at_key(der, n);
	const uint8_t *start = tbs.p;

	(void)der_get_element(&tbs, DER_SEQUENCE);
	*spki = cursor_over(start, tbs.failed ? 0 : (size_t)(tbs.p - start));
	return !tbs.failed;
}

static bool names_have(struct cursor names, const uint8_t *address, size_t n)
{
	while (cursor_left(&names) > 0) {
		bool is_address = der_next_is(&names, TAG_ADDRESS);
		struct cursor one = der_get_element(&names, names.p[0]);
		if (is_address && !one.failed && one.n == n && memcmp(one.p, address, n) == 0) {
			return true;
		}
	}
	return false;
}

/* The GeneralNames of the subjectAltName, or an empty cursor. */
static struct cursor alternative_names(struct cursor tbs)
{
	static const uint8_t oid[] = {0x55, 0x1d, 0x11}; /* 2.5.29.17 */
	struct cursor list, extensions;

	skip(&tbs); /* the public key */
	for (uint8_t tag = TAG_ISSUER_ID; tag <= TAG_SUBJECT_ID; tag++) {
		if (der_next_is(&tbs, tag)) {
			skip(&tbs);
		}
	}
	list = der_get_element(&tbs, TAG_EXTENSIONS);
	extensions = der_get_element(&list, DER_SEQUENCE);
	while (cursor_left(&extensions) > 0) {
		struct cursor one = der_get_element(&extensions, DER_SEQUENCE);
		struct cursor id = der_get_element(&one, TAG_OID);
		if (der_next_is(&one, TAG_BOOLEAN)) {
			skip(&one);
		}
		struct cursor value = der_get_element(&one, DER_OCTET_STRING);
		if (!one.failed && id.n == sizeof oid && memcmp(id.p, oid, sizeof oid) == 0) {
			return der_get_element(&value, DER_SEQUENCE);
		}
	}
	return cursor_over(NULL, 0);
}

bool x509_has_address(const void *der, size_t n, const uint8_t *address, size_t address_n)
{
	return names_have(alternative_names(open_at_key(der, n)), address, address_n);
}
