/* Writing a certificate (RFC 5280 4.1); see x509_make.h. */
#include "x509_make.h"

#include <bearssl.h>

#include "der.h"
#include "hash.h"
#include "random.h"
#include "rsa_der.h"
#include "tls_state.h"

enum {
	TAG_BOOLEAN = 0x01,
	TAG_UTF8 = 0x0c,
	TAG_SET = 0x31,
	TAG_UTC_TIME = 0x17,
	TAG_GENERALIZED_TIME = 0x18,
	TAG_VERSION = 0xa0,
	TAG_EXTENSIONS = 0xa3,
	TAG_DNS_NAME = 0x82,
	TAG_ADDRESS = 0x87,
	SERIAL_BYTES = 20, /* RFC 5280 4.1.2.2 */
	COMMON_NAME_MAX = 64,
	LABEL_MAX = 63,
	EC_POINT_BYTES = 65,
	SIGNATURE_MAX = 512,
	YEAR_OF_GENERALIZED = 2050
};

/* What is written so far. The first failure is kept, and looked at once at the end. */
struct writer {
	struct buf b;
	bool failed;
};

static void put(struct writer *w, const void *p, size_t n)
{
	w->failed = buf_append(&w->b, p, n) != 0 || w->failed;
}

/* What was put since `at` becomes the content of an element. */
static void enclose(struct writer *w, size_t at, uint8_t tag)
{
	size_t n = w->b.n - at, head_n;
	uint8_t head[8];

	w->failed = der_put_head(&w->b, tag, n) != 0 || w->failed;
	if (w->failed) {
		return;
	}
	head_n = w->b.n - at - n; /* it stands behind, and belongs ahead */
	memcpy(head, w->b.p + at + n, head_n);
	memmove(w->b.p + at + head_n, w->b.p + at, n);
	memcpy(w->b.p + at, head, head_n);
}

static void put_element(struct writer *w, uint8_t tag, const void *p, size_t n)
{
	size_t at = w->b.n;

	put(w, p, n);
	enclose(w, at, tag);
}

/* --- names --- */

static bool is_label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

static bool is_host_name(const char *name)
{
	size_t n = strlen(name), label = 0;

	if (n == 0 || n > X509_NAME_MAX) {
		return false;
	}
	for (size_t i = strncmp(name, "*.", 2) == 0 ? 2 : 0; i <= n; i++) {
		if (name[i] == '.' || name[i] == '\0') {
			if (label == 0 || label > LABEL_MAX || name[i - label] == '-' ||
				name[i - 1] == '-') {
				return false;
			}
			label = 0;
		} else if (!is_label_char(name[i])) {
			return false;
		} else {
			label++;
		}
	}
	return true;
}

int x509_check_name(const char *name, struct err *e)
{
	uint8_t address[16];

	return tls_address(name, address) > 0 || is_host_name(name)
		       ? 0
		       : err_set(e, EX_USAGE, "\"%.80s\" is neither a host name nor an IP address",
				 name);
}

/* --- keys --- */

/* One of the two is made. Secret. */
struct key {
	struct rsa_private rsa;
	br_ec_private_key ec;
	uint8_t ec_buf[BR_EC_KBUF_PRIV_MAX_SIZE];
	bool is_rsa;
};

static int make_key(struct key *k, unsigned rsa_bits, struct err *e)
{
	const br_prng_class **prng;

	k->is_rsa = rsa_bits != 0;
	if (k->is_rsa) {
		return rsa_generate(&k->rsa, rsa_bits, e);
	}
	prng = random_prng(e);
	if (prng == NULL) {
		return -1;
	}
	return br_ec_keygen(prng, br_ec_get_default(), &k->ec, k->ec_buf, BR_EC_secp256r1) != 0
		       ? 0
		       : err_set(e, EX_SOFTWARE, "cannot generate an EC key");
}

static void ec_public(const struct key *k, uint8_t point[static EC_POINT_BYTES])
{
	br_ec_public_key public;
	uint8_t all[BR_EC_KBUF_PUB_MAX_SIZE];

	(void)br_ec_compute_pub(br_ec_get_default(), &public, all, &k->ec);
	memcpy(point, public.q, EC_POINT_BYTES);
}

static void put_spki(struct writer *w, const struct key *k)
{
	/* RFC 5480: a SEQUENCE of id-ecPublicKey and prime256v1; the BIT STRING's head */
	static const uint8_t ec_head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
		0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
		0x03, 0x42, 0x00};
	uint8_t point[EC_POINT_BYTES];

	if (k->is_rsa) {
		w->failed = rsa_der_write_public(&w->b, &k->rsa.public) != 0 || w->failed;
	} else {
		ec_public(k, point);
		put(w, ec_head, sizeof ec_head);
		put(w, point, sizeof point);
	}
}

static int write_rsa(struct buf *out, const struct key *k)
{
	struct buf inner = {0};
	int rc = rsa_der_write_private(&inner, &k->rsa);

	rc = rc == 0 ? der_put_private_head(out, DER_RSA, inner.n) : rc;
	rc = rc == 0 ? buf_append(out, inner.p, inner.n) : rc;
	buf_free(&inner);
	return rc;
}

static int write_ec(struct buf *out, const struct key *k)
{
	uint8_t point[EC_POINT_BYTES];
	br_ec_public_key public = {.curve = BR_EC_secp256r1, .q = point, .qlen = sizeof point};
	size_t n;

	ec_public(k, point);
	n = br_encode_ec_pkcs8_der(NULL, &k->ec, &public);
	if (buf_reserve(out, n) != 0) {
		return -1;
	}
	out->n += br_encode_ec_pkcs8_der(out->p + out->n, &k->ec, &public);
	return 0;
}

/* --- the certificate --- */

static void put_algorithm(struct writer *w, bool is_rsa)
{
	/* RFC 8017 A.2.4: sha256WithRSAEncryption; RFC 5758 3.2: ecdsa-with-SHA256 */
	static const uint8_t rsa[] = {
		0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00};
	static const uint8_t ec[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};

	put_element(w, DER_SEQUENCE, is_rsa ? rsa : ec, is_rsa ? sizeof rsa : sizeof ec);
}

static void put_name(struct writer *w, const char *name)
{
	static const uint8_t common_name[] = {0x06, 0x03, 0x55, 0x04, 0x03};
	size_t at = w->b.n, n = strlen(name);

	put(w, common_name, sizeof common_name);
	put_element(w, TAG_UTF8, name, n < COMMON_NAME_MAX ? n : COMMON_NAME_MAX);
	enclose(w, at, DER_SEQUENCE);
	enclose(w, at, TAG_SET);
	enclose(w, at, DER_SEQUENCE);
}

/* RFC 5280 4.1.2.5: the year has two digits until 2049. */
static int put_time(struct writer *w, int64_t seconds, struct err *e)
{
	time_t when = (time_t)seconds;
	char text[40]; /* more than a year needs, for the compiler */
	struct tm t;
	int year;

	if (seconds < 0 || gmtime_r(&when, &t) == NULL || t.tm_year + 1900 > X509_YEAR_MAX) {
		return err_set(e, EX_USAGE,
			"cannot make a certificate that is valid before 1970 or after %d",
			(int)X509_YEAR_MAX);
	}
	year = t.tm_year + 1900;
	if (year < YEAR_OF_GENERALIZED) {
		(void)strftime(text, sizeof text, "%y%m%d%H%M%SZ", &t);
	} else {
		(void)strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &t);
	}
	put_element(w, year < YEAR_OF_GENERALIZED ? TAG_UTC_TIME : TAG_GENERALIZED_TIME, text,
		strlen(text));
	return 0;
}

static int put_validity(struct writer *w, const struct x509_wish *wish, struct err *e)
{
	size_t at = w->b.n;

	if (put_time(w, wish->from, e) != 0 || put_time(w, wish->until, e) != 0) {
		return -1;
	}
	enclose(w, at, DER_SEQUENCE);
	return 0;
}

/* The OID and the criticality are given in DER; the value is what the OCTET STRING holds. */
static void put_extension(
	struct writer *w, const uint8_t *head, size_t head_n, const void *value, size_t value_n)
{
	size_t at = w->b.n;

	put(w, head, head_n);
	put_element(w, DER_OCTET_STRING, value, value_n);
	enclose(w, at, DER_SEQUENCE);
}

static void put_alternative_names(struct writer *w, const struct x509_wish *wish)
{
	static const uint8_t oid[] = {0x06, 0x03, 0x55, 0x1d, 0x11};
	uint8_t address[16];
	size_t all = w->b.n, at, names;

	put(w, oid, sizeof oid);
	at = names = w->b.n;
	for (size_t i = 0; i < wish->names_n; i++) {
		size_t n = tls_address(wish->names[i], address);
		if (n > 0) {
			put_element(w, TAG_ADDRESS, address, n);
		} else {
			put_element(w, TAG_DNS_NAME, wish->names[i], strlen(wish->names[i]));
		}
	}
	enclose(w, names, DER_SEQUENCE);
	enclose(w, at, DER_OCTET_STRING);
	enclose(w, all, DER_SEQUENCE);
}

static void put_extensions(struct writer *w, const struct x509_wish *wish)
{
	static const uint8_t constraints[] = {0x06, 0x03, 0x55, 0x1d, 0x13, TAG_BOOLEAN, 1, 0xff};
	static const uint8_t no_ca[] = {DER_SEQUENCE, 0};
	static const uint8_t usage[] = {0x06, 0x03, 0x55, 0x1d, 0x0f, TAG_BOOLEAN, 1, 0xff};
	static const uint8_t signs[] = {DER_BIT_STRING, 2, 7, 0x80}; /* digitalSignature */
	static const uint8_t purpose[] = {0x06, 0x03, 0x55, 0x1d, 0x25};
	static const uint8_t server[] = {DER_SEQUENCE, 10, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05,
		0x07, 0x03, 0x01}; /* serverAuth */
	size_t at = w->b.n;

	put_extension(w, constraints, sizeof constraints, no_ca, sizeof no_ca);
	put_extension(w, usage, sizeof usage, signs, sizeof signs);
	put_extension(w, purpose, sizeof purpose, server, sizeof server);
	put_alternative_names(w, wish);
	enclose(w, at, DER_SEQUENCE);
	enclose(w, at, TAG_EXTENSIONS);
}

/* All that is signed. */
static int put_tbs(
	struct writer *w, const struct x509_wish *wish, const struct key *k, struct err *e)
{
	static const uint8_t v3[] = {DER_INTEGER, 1, 2};
	uint8_t serial[SERIAL_BYTES];

	if (random_bytes(serial, sizeof serial, e) != 0) {
		return -1;
	}
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40); /* positive, and as short as DER wants */
	put_element(w, TAG_VERSION, v3, sizeof v3);
	put_element(w, DER_INTEGER, serial, sizeof serial);
	put_algorithm(w, k->is_rsa);
	put_name(w, wish->names[0]);
	if (put_validity(w, wish, e) != 0) {
		return -1;
	}
	put_name(w, wish->names[0]);
	put_spki(w, k);
	put_extensions(w, wish);
	enclose(w, 0, DER_SEQUENCE);
	return 0;
}

/* The bytes of the signature, or 0. */
static size_t sign(const struct key *k, const struct buf *tbs, uint8_t out[static SIGNATURE_MAX])
{
	uint8_t hash[HASH_BYTES];

	hash_of(tbs->p, tbs->n, hash);
	if (!k->is_rsa) {
		return br_ecdsa_sign_asn1_get_default()(
			br_ec_get_default(), &br_sha256_vtable, hash, &k->ec, out);
	}
	return br_rsa_pkcs1_sign_get_default()(
		       BR_HASH_OID_SHA256, hash, sizeof hash, &k->rsa.key, out) == 1
		       ? k->rsa.public.n_len
		       : 0;
}

static int write_certificate(
	struct writer *w, const struct x509_wish *wish, const struct key *k, struct err *e)
{
	uint8_t signature[SIGNATURE_MAX];
	size_t n, at;

	if (put_tbs(w, wish, k, e) != 0) {
		return -1;
	}
	n = w->failed ? 0 : sign(k, &w->b, signature);
	if (!w->failed && n == 0) {
		return err_set(e, EX_SOFTWARE, "cannot sign the certificate");
	}
	put_algorithm(w, k->is_rsa);
	at = w->b.n;
	put(w, "", 1); /* how many of the last byte's bits are unused: none */
	put(w, signature, n);
	enclose(w, at, DER_BIT_STRING);
	enclose(w, 0, DER_SEQUENCE);
	return w->failed ? err_set(e, EX_TEMPFAIL, "out of memory") : 0;
}

static int check_wish(const struct x509_wish *wish, struct err *e)
{
	if (wish->names_n == 0 || wish->names_n > X509_NAMES_MAX) {
		return err_set(e, EX_USAGE, "a certificate is for 1 to %d names", X509_NAMES_MAX);
	}
	for (size_t i = 0; i < wish->names_n; i++) {
		if (x509_check_name(wish->names[i], e) != 0) {
			return -1;
		}
	}
	return 0;
}

int x509_make(
	const struct x509_wish *wish, struct buf *certificate, struct buf *private, struct err *e)
{
	struct writer w = {.failed = false};
	struct key k;
	int rc = check_wish(wish, e);

	rc = rc == 0 ? make_key(&k, wish->rsa_bits, e) : rc;
	if (rc == 0) {
		rc = write_certificate(&w, wish, &k, e);
	}
	if (rc == 0 && (buf_append(certificate, w.b.p, w.b.n) != 0 ||
			       (k.is_rsa ? write_rsa(private, &k) : write_ec(private, &k)) != 0)) {
		rc = err_set(e, EX_TEMPFAIL, "out of memory");
	}
	buf_free(&w.b);
	wipe(&k, sizeof k);
	return rc;
}
