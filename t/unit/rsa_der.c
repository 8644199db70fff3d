/* RSA keys as DER, in each of the forms that others write. */
#include "unit.h"

#include "../../crypto/rsa_der.h"

static struct rsa_private key;
static struct buf spki, pkcs1; /* the public key; the private one */

static int setup(void **state)
{
	(void)state;
	return rsa_generate(&key, 2048, NULL) != 0 ||
	       rsa_der_write_public(&spki, &key.public) != 0 ||
	       rsa_der_write_private(&pkcs1, &key) != 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_free(&spki);
	buf_free(&pkcs1);
	return 0;
}

static struct pem as_pem(const char *label, const void *p, size_t n)
{
	struct pem pem = {.der = {.p = (uint8_t *)(uintptr_t)p, .n = n}};

	(void)snprintf(pem.label, sizeof pem.label, "%s", label);
	return pem;
}

static int read_public(const char *label, const void *p, size_t n, struct err *e)
{
	struct pem pem = as_pem(label, p, n);
	struct rsa_public out;
	int rc = rsa_der_read_public(&out, &pem, e);

	if (rc == 0) {
		assert_int_equal(out.n_len, key.public.n_len);
		assert_memory_equal(out.n, key.public.n, out.n_len);
		assert_int_equal(out.e_len, key.public.e_len);
		assert_memory_equal(out.e, key.public.e, out.e_len);
	}
	return rc;
}

static int read_private(const char *label, const void *p, size_t n, struct err *e)
{
	static struct rsa_private out;
	struct pem pem = as_pem(label, p, n);
	int rc = rsa_der_read_private(&out, &pem, e);

	if (rc == 0) {
		assert_memory_equal(&out.public, &key.public, sizeof key.public);
	}
	return rc;
}

enum { PKCS1_AT = 24 }; /* of the RSAPublicKey in the SPKI of a 2048-bit key */

static void public_forms(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(spki.n, 294);
	assert_int_equal(read_public("PUBLIC KEY", spki.p, spki.n, &e), 0);
	assert_int_equal(
		read_public("RSA PUBLIC KEY", spki.p + PKCS1_AT, spki.n - PKCS1_AT, &e), 0);
	assert_refused(read_public("RSA PUBLIC KEY", spki.p, spki.n, &e), e, EX_CONFIG);
	assert_refused(
		read_public("PUBLIC KEY", spki.p + PKCS1_AT, spki.n - PKCS1_AT, &e), e, EX_CONFIG);
}

static void private_forms(void **state)
{
	/* PKCS#8 around it (RFC 5958): SEQUENCE { 0, rsaEncryption, OCTET STRING } */
	static const uint8_t inner[] = {0x02, 0x01, 0x00, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48,
		0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x04, 0x82};
	uint8_t pkcs8[2048] = {0x30, 0x82};
	size_t n = 4;
	struct err e;

	(void)state;
	assert_int_equal(read_private("RSA PRIVATE KEY", pkcs1.p, pkcs1.n, &e), 0);
	memcpy(pkcs8 + n, inner, sizeof inner);
	n += sizeof inner;
	pkcs8[n++] = (uint8_t)(pkcs1.n >> 8);
	pkcs8[n++] = (uint8_t)pkcs1.n;
	memcpy(pkcs8 + n, pkcs1.p, pkcs1.n);
	n += pkcs1.n;
	pkcs8[2] = (uint8_t)((n - 4) >> 8);
	pkcs8[3] = (uint8_t)(n - 4);
	assert_int_equal(read_private("PRIVATE KEY", pkcs8, n, &e), 0);
}

static void wrong_labels(void **state)
{
	struct err e;

	(void)state;
	assert_refused(read_public("RSA PRIVATE KEY", spki.p, spki.n, &e), e, EX_CONFIG);
	assert_contains(e.text, "RSA PRIVATE KEY");
	assert_refused(read_private("PUBLIC KEY", pkcs1.p, pkcs1.n, &e), e, EX_CONFIG);
	assert_refused(read_private("CERTIFICATE", pkcs1.p, pkcs1.n, &e), e, EX_CONFIG);
	assert_refused(read_private("ENCRYPTED PRIVATE KEY", pkcs1.p, pkcs1.n, &e), e, EX_CONFIG);
	assert_contains(e.text, "hint: take its passphrase off");
	assert_refused(read_public("", spki.p, spki.n, &e), e, EX_CONFIG);
	/* one kind under the other's label */
	assert_refused(read_private("PRIVATE KEY", spki.p, spki.n, &e), e, EX_CONFIG);
	assert_refused(read_public("PUBLIC KEY", pkcs1.p, pkcs1.n, &e), e, EX_CONFIG);
}

static void other_algorithm(void **state)
{
	/* an X25519 key, RFC 8410: SEQUENCE { SEQUENCE { 1.3.101.110 } BIT STRING } */
	uint8_t x25519[44] = {
		0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00};
	struct err e;

	(void)state;
	assert_refused(read_public("PUBLIC KEY", x25519, sizeof x25519, &e), e, EX_CONFIG);
	assert_contains(e.text, "it is no RSA key: it is X25519");
	assert_refused(read_private("EC PRIVATE KEY", x25519, sizeof x25519, &e), e, EX_CONFIG);
	assert_contains(e.text, "it is no RSA key: it is EC");
}

static void cut_anywhere(void **state)
{
	struct err e;

	(void)state;
	for (size_t n = 0; n < spki.n; n++) {
		uint8_t *part = malloc(n + 1); /* its end is the sanitizer's to guard */
		uint8_t *exact = n == 0 ? part : malloc(n);
		memcpy(exact, spki.p, n);
		assert_int_equal(read_public("PUBLIC KEY", exact, n, &e), -1);
		if (exact != part) {
			free(exact);
		}
		free(part);
	}
	for (size_t n = 0; n < pkcs1.n; n++) {
		assert_int_equal(read_private("RSA PRIVATE KEY", pkcs1.p, n, &e), -1);
	}
}

static void grown(void **state)
{
	struct buf more = {0};
	struct err e;

	(void)state;
	assert_int_equal(buf_append(&more, spki.p, spki.n), 0);
	assert_int_equal(buf_append(&more, "\0", 1), 0);
	assert_refused(read_public("PUBLIC KEY", more.p, more.n, &e), e, EX_CONFIG);
	assert_refused(read_public("RSA PUBLIC KEY", more.p + PKCS1_AT, more.n - PKCS1_AT, &e), e,
		EX_CONFIG);
	buf_free(&more);
}

/* Any byte changed: another key, or a refusal; never a crash. The parts before the modulus are
 * structure: no change in them is taken. */
static void changed_public(void **state)
{
	struct rsa_public out;
	struct err e;

	(void)state;
	for (size_t i = 0; i < spki.n; i++) {
		for (unsigned x = 1; x < 256; x++) {
			spki.p[i] ^= (uint8_t)x;
			struct pem pem = as_pem("PUBLIC KEY", spki.p, spki.n);
			int rc = rsa_der_read_public(&out, &pem, &e);
			spki.p[i] ^= (uint8_t)x;
			if (rc == 0) {
				/* from the sign byte on it is the modulus */
				assert_true(i > PKCS1_AT + 7);
				assert_int_equal(rsa_check_public(&out, NULL), 0);
			}
		}
	}
}

static void changed_private(void **state)
{
	static struct rsa_private out;
	struct err e;
	size_t taken = 0;

	(void)state;
	for (size_t i = 0; i < pkcs1.n; i += i < 16 ? 1 : 37) {
		pkcs1.p[i] ^= 0x21;
		struct pem pem = as_pem("RSA PRIVATE KEY", pkcs1.p, pkcs1.n);
		/* BearSSL does not use n, e and d: a change there may pass, for p and q rule */
		if (rsa_der_read_private(&out, &pem, &e) == 0 && rsa_check_private(&out, &e) == 0) {
			assert_memory_equal(&out.public, &key.public, sizeof key.public);
			taken++;
		}
		pkcs1.p[i] ^= 0x21;
	}
	assert_true(taken < 30);
}

static void written_lengths(void **state)
{
	/* every size of modulus, at a first byte that needs a sign byte and at one that does not */
	struct rsa_public in = key.public, out;
	struct err e;

	(void)state;
	for (size_t n = 257; n <= RSA_BYTES_MAX; n++) {
		for (unsigned first = 1; first < 256; first += 127) {
			struct buf der = {0};
			in.n_len = n;
			in.n[0] = (uint8_t)first;
			in.n[n - 1] |= 1;
			assert_int_equal(rsa_der_write_public(&der, &in), 0);
			struct pem pem = as_pem("PUBLIC KEY", der.p, der.n);
			if (rsa_der_read_public(&out, &pem, &e) != 0) {
				fail_msg("%zu bytes: %s", n, e.text);
			}
			assert_int_equal(out.n_len, n);
			assert_memory_equal(out.n, in.n, n);
			buf_free(&der);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("a public key is read as SPKI and as PKCS#1", public_forms),
		T("a private key is read as PKCS#1 and as PKCS#8", private_forms),
		T("a wrong label is refused, and a passphrase gets a hint", wrong_labels),
		T("an X25519 or EC key is told to be no RSA key", other_algorithm),
		T("a key cut anywhere is refused", cut_anywhere),
		T("a key with a byte behind it is refused", grown),
		T("a changed public key is refused or another sound one", changed_public),
		T("a changed private key is refused or the same one", changed_private),
		T("what is written is read, at every size of modulus", written_lengths),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
