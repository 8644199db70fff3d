/* P-256 keys as DER: what openssl writes, what resembles it, and what must not be used. */
#include "unit.h"

#include "../../crypto/p256_der.h"

/* RFC 6979 A.2.5; the encodings around them are openssl's */
#define PRIVATE_HEX "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"
#define X_HEX "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
#define Y_HEX "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
#define PUBLIC_HEX "04" X_HEX Y_HEX
#define ZERO_HEX "0000000000000000000000000000000000000000000000000000000000000000"
#define ORDER_HEX "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
#define ALGORITHM "301306072a8648ce3d020106082a8648ce3d030107"
#define PARAMETERS "a00a06082a8648ce3d030107"
#define SPKI "3059" ALGORITHM "034200"
#define SEC1 "30770201010420" PRIVATE_HEX PARAMETERS "a144034200" PUBLIC_HEX
#define PKCS8 "308187020100" ALGORITHM "046d306b0201010420" PRIVATE_HEX "a144034200" PUBLIC_HEX

static const char public_label[] = "PUBLIC KEY", private_label[] = "PRIVATE KEY",
		  ec_label[] = "EC PRIVATE KEY";
static struct p256_pair pair; /* what was read last */
static struct err e;

/* The DER in a block of its own length, so that its end is the sanitizer's to guard. */
static int read_bytes(const char *label, const uint8_t *p, size_t n)
{
	struct pem pem = {.der = {.p = malloc(n == 0 ? 1 : n), .n = n}};
	int rc;

	assert_non_null(pem.der.p);
	if (n > 0) {
		memcpy(pem.der.p, p, n);
	}
	(void)snprintf(pem.label, sizeof pem.label, "%s", label);
	rc = strstr(label, "PRIVATE") == NULL ? p256_der_read_public(pair.public, &pem, &e)
					      : p256_der_read_private(&pair, &pem, &e);
	free(pem.der.p);
	return rc;
}

static size_t bytes_of(uint8_t out[static 512], const char *hex)
{
	size_t n = strlen(hex) / 2;

	assert_true(n <= 512);
	assert_int_equal(hex_decode(out, n, hex, strlen(hex)), 0);
	return n;
}

static int read_hex(const char *label, const char *hex)
{
	uint8_t der[512];

	return read_bytes(label, der, bytes_of(der, hex));
}

static void assert_hex(const uint8_t *p, size_t n, const char *hex)
{
	char got[1025];

	assert_true(n <= 512);
	hex_encode(got, p, n);
	assert_string_equal(got, hex);
}

static void public_read(void **state)
{
	(void)state;
	assert_int_equal(read_hex(public_label, SPKI PUBLIC_HEX), 0);
	assert_hex(pair.public, P256_PUBLIC, PUBLIC_HEX);
}

static void private_read(void **state)
{
	static const struct {
		const char *label, *hex;
	} forms[] = {{private_label, PKCS8}, {ec_label, SEC1},
		/* without the public half, as openssl writes what it got without one */
		{private_label, "3041020100" ALGORITHM "042730250201010420" PRIVATE_HEX},
		{ec_label, "30310201010420" PRIVATE_HEX PARAMETERS},
		/* with the curve named a second time */
		{private_label,
			"304d020100" ALGORITHM "043330310201010420" PRIVATE_HEX PARAMETERS}};

	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		memset(&pair, 0, sizeof pair);
		if (read_hex(forms[i].label, forms[i].hex) != 0) {
			fail_msg("form %zu: %s", i, e.text);
		}
		assert_hex(pair.private, P256_PRIVATE, PRIVATE_HEX);
		assert_hex(pair.public, P256_PUBLIC, PUBLIC_HEX);
	}
}

static void written(void **state)
{
	struct buf out = {0};

	(void)state;
	assert_int_equal(read_hex(ec_label, SEC1), 0);
	assert_int_equal(p256_der_write_public(&out, pair.public), 0);
	assert_hex(out.p, out.n, SPKI PUBLIC_HEX);
	buf_free(&out);
	assert_int_equal(p256_der_write_private(&out, &pair), 0);
	assert_hex(out.p, out.n, PKCS8);
	buf_free(&out);
}

static void refused(void **state)
{
	static const struct {
		const char *label, *hex, *why;
	} rows[] = {
		{public_label, SPKI "04" X_HEX X_HEX, "no point of the curve"},
		{public_label, SPKI "04" ZERO_HEX ZERO_HEX, "no point of the curve"},
		{public_label, "3039" ALGORITHM "03220003" X_HEX, "33 bytes, not 65"},
		{public_label, "302a300506032b656e032100" X_HEX, "EC P-256 key: it is X25519"},
		{public_label, "3015301006072a8648ce3d020106052b81040022030100",
			"it is EC of another curve"},
		{public_label,
			"300f"
			"300906072a8648ce3d0201"
			"03020000",
			"EC of another curve"},
		{private_label, SPKI PUBLIC_HEX, "damaged"},
		{ec_label, "30310201010420" ZERO_HEX PARAMETERS, "out of range"},
		{ec_label, "30310201010420" ORDER_HEX PARAMETERS, "out of range"},
		{ec_label, "30250201010420" PRIVATE_HEX, "damaged"},
		{ec_label, "302e0201010420" PRIVATE_HEX "a00706052b81040022", "curve P-256"},
		{ec_label,
			"30310202000104"
			"20" PRIVATE_HEX PARAMETERS,
			"damaged"},
		{ec_label, "30310201020420" PRIVATE_HEX PARAMETERS, "damaged"},
		{ec_label, "30110201010400" PARAMETERS, "0 bytes, not 32"},
		{ec_label,
			"30770201010420" PRIVATE_HEX PARAMETERS "a144034200"
			"04" Y_HEX X_HEX,
			"not that of its private key"},
		{ec_label, "30560201010420" PRIVATE_HEX PARAMETERS "a123032100" X_HEX,
			"32 bytes, not 65"},
		{ec_label, "30770201010420" PRIVATE_HEX PARAMETERS "a144034201" PUBLIC_HEX,
			"damaged"},
		{private_label,
			"306302010130"
			"1306072a8648ce3d020106082a8648ce3d030107"
			"042730250201010420" PRIVATE_HEX "812100" X_HEX,
			"damaged"},
		{"ENCRYPTED PRIVATE KEY", PKCS8, "hint: take its passphrase off"},
		{"RSA PRIVATE KEY", PKCS8, "it is RSA"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		memset(&pair, 0x55, sizeof pair);
		if (read_hex(rows[i].label, rows[i].hex) == 0) {
			fail_msg("row %zu is read", i);
		}
		assert_int_equal(e.code, EX_CONFIG);
		assert_contains(e.text, rows[i].why);
		if (strstr(rows[i].label, "PRIVATE") != NULL) {
			static const struct p256_pair none;
			assert_memory_equal(&pair, &none, sizeof pair);
		}
	}
}

/* Cut at each byte, and with one more. */
static void cut(void **state)
{
	static const struct {
		const char *label, *hex;
	} forms[] = {{public_label, SPKI PUBLIC_HEX}, {private_label, PKCS8}, {ec_label, SEC1}};

	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		uint8_t der[512] = {0};
		size_t n = bytes_of(der, forms[i].hex);

		for (size_t k = 0; k <= n + 1; k++) {
			assert_int_equal(read_bytes(forms[i].label, der, k), k == n ? 0 : -1);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("a public key of openssl's is read", public_read),
		T("each form of a private key is read", private_read),
		T("what is written is openssl's byte for byte", written),
		T("what is no P-256 key is refused, and told", refused),
		T("a key cut anywhere, or with a byte too many, is refused", cut),
	};

	return RUN(tests);
}
