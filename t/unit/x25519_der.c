/* X25519 keys as DER: RFC 8410's forms, what resembles them, and what must not be used. */
#include "unit.h"

#include "../../crypto/x25519_der.h"

/* RFC 7748 6.1, Alice; RFC 8410 10.2 has this public key in its certificate */
#define PRIVATE_HEX "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
#define PUBLIC_HEX "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
#define ALGORITHM "300506032b656e"
#define SPKI "302a" ALGORITHM "032100"
#define PKCS8 "302e020100" ALGORITHM "04220420"
/* as RFC 8410 10.3 has it: attributes ([0], a friendly name), and the public key ([1]) */
#define ATTRIBUTES "a01f301d060a2a864886f70d01090914310f0c0d437572646c6520436861697273"

static const char public_label[] = "PUBLIC KEY", private_label[] = "PRIVATE KEY";
static struct x25519_pair pair; /* what was read last */
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
	rc = strstr(label, "PRIVATE") == NULL ? x25519_der_read_public(pair.public, &pem, &e)
					      : x25519_der_read_private(&pair, &pem, &e);
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

	hex_encode(got, p, n);
	assert_string_equal(got, hex);
}

static void public_read(void **state)
{
	(void)state;
	assert_int_equal(read_hex(public_label, SPKI PUBLIC_HEX), 0);
	assert_hex(pair.public, X25519_BYTES, PUBLIC_HEX);
}

static void private_read(void **state)
{
	static const char *const forms[] = {PKCS8 PRIVATE_HEX,
		"302e020101" ALGORITHM "04220420" PRIVATE_HEX,
		"304f020100" ALGORITHM "04220420" PRIVATE_HEX ATTRIBUTES,
		"304f020101" ALGORITHM "04220420" PRIVATE_HEX ATTRIBUTES,
		"3051020101" ALGORITHM "04220420" PRIVATE_HEX "812100" PUBLIC_HEX,
		"3072020101" ALGORITHM "04220420" PRIVATE_HEX ATTRIBUTES "812100" PUBLIC_HEX};

	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		memset(&pair, 0, sizeof pair);
		if (read_hex(private_label, forms[i]) != 0) {
			fail_msg("form %zu: %s", i, e.text);
		}
		assert_hex(pair.private, X25519_BYTES, PRIVATE_HEX);
		assert_hex(pair.public, X25519_BYTES, PUBLIC_HEX);
	}
}

static void written(void **state)
{
	struct buf der = {0};

	(void)state;
	assert_int_equal(read_hex(private_label, PKCS8 PRIVATE_HEX), 0);
	assert_int_equal(x25519_der_write_public(&der, pair.public), 0);
	assert_hex(der.p, der.n, SPKI PUBLIC_HEX);
	der.n = 0;
	assert_int_equal(x25519_der_write_private(&der, pair.private), 0);
	assert_hex(der.p, der.n, PKCS8 PRIVATE_HEX);
	buf_free(&der);
}

/* Each is refused for its own reason, which the text tells. */
struct bad {
	const char *label, *hex, *why;
};

static void assert_all_refused(const struct bad *bad, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_refused(read_hex(bad[i].label, bad[i].hex), e, EX_CONFIG);
		assert_contains(e.text, bad[i].why);
	}
}

#define RSA_ALGORITHM "300d06092a864886f70d0101010500"

static void other_kinds(void **state)
{
	static const struct bad bad[] = {
		{public_label, "301c" RSA_ALGORITHM "030b00300802020cff02020003",
			"no X25519 key: it is RSA"},
		{private_label, "3019020100" RSA_ALGORITHM "040530030201ff",
			"no X25519 key: it is RSA"},
		{"RSA PUBLIC KEY", "300802020cff02020003", "no X25519 key: it is RSA"},
		{"RSA PRIVATE KEY", "3003020100", "no X25519 key: it is RSA"},
		{"EC PRIVATE KEY", "3003020101", "no X25519 key: it is EC"},
		{"DSA PRIVATE KEY", "3003020100", "no X25519 key: it is DSA"},
		{public_label, "302a300506032b6570032100" PUBLIC_HEX, "it is Ed25519"},
		{private_label, "302e020100300506032b657004220420" PRIVATE_HEX, "it is Ed25519"},
		{public_label, "302a300506032b656f032100" PUBLIC_HEX, "it is X448"},
		{private_label, "302e020100300506032b656f04220420" PRIVATE_HEX, "it is X448"},
		{public_label, "302a300506032b6571032100" PUBLIC_HEX, "it is Ed448"},
		{public_label, "3015301306072a8648ce3d020106082a8648ce3d030107", "it is EC"},
		{public_label, "302a300506032b656d032100" PUBLIC_HEX, "it is no X25519 key"},
		{public_label, "3025300006032b656e032100" PUBLIC_HEX, "it is no X25519 key"},
	};

	(void)state;
	assert_all_refused(bad, COUNT(bad));
}

static void other_labels(void **state)
{
	static const struct bad bad[] = {
		{private_label, SPKI PUBLIC_HEX, "X25519 private key is damaged"},
		{public_label, PKCS8 PRIVATE_HEX, "X25519 public key is damaged"},
		{"", SPKI PUBLIC_HEX, "it holds a \"\", not a public key"},
		{"X25519 PRIVATE KEY", PKCS8 PRIVATE_HEX, "it holds a \"X25519 PRIVATE KEY\""},
		{"CERTIFICATE", SPKI PUBLIC_HEX, "it holds a \"CERTIFICATE\", not a public key"},
		{"ENCRYPTED PRIVATE KEY", PKCS8 PRIVATE_HEX, "hint: take its passphrase off"},
	};
	struct pem pem = {.label = "PRIVATE KEY"};

	(void)state;
	assert_all_refused(bad, COUNT(bad));
	assert_refused(x25519_der_read_public(pair.public, &pem, &e), e, EX_CONFIG);
	assert_contains(e.text, "it holds a \"PRIVATE KEY\", not a public key");
	(void)snprintf(pem.label, sizeof pem.label, "PUBLIC KEY");
	assert_refused(x25519_der_read_private(&pair, &pem, &e), e, EX_CONFIG);
	assert_contains(e.text, "it holds a \"PUBLIC KEY\", not a private key");
}

#define LESS_HEX "6d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a77"

static void wrong_sizes(void **state)
{
	static const struct bad bad[] = {
		{public_label, "3029" ALGORITHM "032000" LESS_HEX, "public key has 31 bytes"},
		{public_label, "302b" ALGORITHM "032200" PUBLIC_HEX "00", "has 33 bytes, not 32"},
		{public_label, "300a" ALGORITHM "030100", "public key has 0 bytes, not 32"},
		{private_label, "302d020100" ALGORITHM "0421041f" LESS_HEX, "has 31 bytes"},
		{private_label, "302f020100" ALGORITHM "04230421" PRIVATE_HEX "00", "has 33 bytes"},
		{private_label, "300e020100" ALGORITHM "04020400", "private key has 0 bytes"},
		/* the sizes of inner and outer string disagree, or one of them is not there */
		{private_label, "302f020100" ALGORITHM "04230420" PRIVATE_HEX "00", "damaged"},
		{private_label, "302e020100" ALGORITHM "04220421" PRIVATE_HEX, "damaged"},
		{private_label, "302c020100" ALGORITHM "0420" PRIVATE_HEX, "damaged"},
		{private_label, "300c020100" ALGORITHM "0400", "damaged"},
		{public_label, "3009" ALGORITHM "0300", "damaged"},
		{private_label, "3050020101" ALGORITHM "04220420" PRIVATE_HEX "812000" LESS_HEX,
			"public key has 31 bytes"},
		{private_label,
			"3052020101" ALGORITHM "04220420" PRIVATE_HEX "812200" PUBLIC_HEX "00",
			"public key has 33 bytes"},
	};

	(void)state;
	assert_all_refused(bad, COUNT(bad));
}

static void loose_forms(void **state)
{
	static const struct bad bad[] = {
		/* parameters, though RFC 8410 3 allows none */
		{public_label, "302c300706032b656e0500032100" PUBLIC_HEX, "damaged"},
		{private_label, "3030020100300706032b656e050004220420" PRIVATE_HEX, "damaged"},
		/* unused bits; a constructed string; another tag */
		{public_label, "302a" ALGORITHM "032101" PUBLIC_HEX, "damaged"},
		{public_label, "302a" ALGORITHM "232100" PUBLIC_HEX, "damaged"},
		{public_label, "302a" ALGORITHM "042100" PUBLIC_HEX, "damaged"},
		/* lengths that are longer than they need be, or indefinite */
		{public_label, "30812a" ALGORITHM "032100" PUBLIC_HEX, "damaged"},
		{public_label, "302b" ALGORITHM "03812100" PUBLIC_HEX, "damaged"},
		{public_label, "3080" ALGORITHM "032100" PUBLIC_HEX "0000", "damaged"},
		/* something behind it, inside and outside */
		{public_label, "302c" ALGORITHM "032100" PUBLIC_HEX "0500", "damaged"},
		{public_label, SPKI PUBLIC_HEX "00", "damaged"},
		{private_label, PKCS8 PRIVATE_HEX "00", "damaged"},
		{private_label, "3030020100" ALGORITHM "04220420" PRIVATE_HEX "0500", "damaged"},
		/* versions */
		{private_label, "302e020102" ALGORITHM "04220420" PRIVATE_HEX, "damaged"},
		{private_label, "302e0201ff" ALGORITHM "04220420" PRIVATE_HEX, "damaged"},
		{private_label, "302f02020000" ALGORITHM "04220420" PRIVATE_HEX, "damaged"},
		{private_label, "302d0200" ALGORITHM "04220420" PRIVATE_HEX, "damaged"},
		/* a public key where version 0 has none, twice, and ahead of the attributes */
		{private_label, "3051020100" ALGORITHM "04220420" PRIVATE_HEX "812100" PUBLIC_HEX,
			"damaged"},
		{private_label,
			"3074020101" ALGORITHM "04220420" PRIVATE_HEX "812100" PUBLIC_HEX
			"812100" PUBLIC_HEX,
			"damaged"},
		{private_label,
			"3072020101" ALGORITHM "04220420" PRIVATE_HEX
			"812100" PUBLIC_HEX ATTRIBUTES,
			"damaged"},
		/* the explicit tag that some write */
		{private_label,
			"3053020101" ALGORITHM "04220420" PRIVATE_HEX "a123032100" PUBLIC_HEX,
			"damaged"},
		/* another's public key: the base point */
		{private_label,
			"3051020101" ALGORITHM "04220420" PRIVATE_HEX "812100"
			"09000000000000000000000000000000"
			"00000000000000000000000000000000",
			"its public key is not that of its private key"},
		{private_label,
			PKCS8 "00000000000000000000000000000000"
			      "00000000000000000000000000000000",
			"all zeros"},
	};

	(void)state;
	assert_all_refused(bad, COUNT(bad));
}

/* The seven values that are of low order (RFC 7748 6.1), each with and without the high bit. */
static void low_order(void **state)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
	uint8_t der[512];
	size_t n;

	(void)state;
	n = bytes_of(der, SPKI PUBLIC_HEX);
	for (size_t i = 0; i < 2 * COUNT(points); i++) {
		assert_int_equal(hex_decode(der + 12, 32, points[i / 2], 64), 0);
		der[n - 1] ^= i % 2 == 0 ? 0 : 0x80;
		memset(pair.public, 7, sizeof pair.public);
		assert_refused(read_bytes(public_label, der, n), e, EX_CONFIG);
		assert_contains(e.text, "low order");
		assert_int_equal(pair.public[0], 7);
	}
}

static void published_points(void **state)
{
	json_t *groups = json_object_get(vectors("wycheproof/x25519_test.json"), "testGroups");
	json_t *group, *row;
	size_t i, k, low = 0, sound = 0;

	(void)state;
	json_array_foreach(groups, i, group)
	{
		json_array_foreach(json_object_get(group, "tests"), k, row)
		{
			char hex[256];
			bool zero = strspn(text_of(row, "shared"), "0") == 64;
			(void)snprintf(hex, sizeof hex, SPKI "%s", text_of(row, "public"));
			assert_int_equal(read_hex(public_label, hex), zero ? -1 : 0);
			(void)snprintf(hex, sizeof hex, PKCS8 "%s", text_of(row, "private"));
			assert_int_equal(read_hex(private_label, hex), 0);
			low += zero ? 1 : 0;
			sound += zero ? 0 : 1;
		}
	}
	assert_int_equal(low, 31);
	assert_true(sound > 400);
}

static void cut_anywhere(void **state)
{
	static const char *const forms[] = {SPKI PUBLIC_HEX, PKCS8 PRIVATE_HEX,
		"3072020101" ALGORITHM "04220420" PRIVATE_HEX ATTRIBUTES "812100" PUBLIC_HEX};
	uint8_t der[512];

	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		size_t n = bytes_of(der, forms[i]);
		for (size_t k = 0; k < n; k++) {
			assert_int_equal(
				read_bytes(i == 0 ? public_label : private_label, der, k), -1);
		}
	}
}

/* Whatever one byte becomes: the structure takes no change, and a key another key. */
static void changed_anywhere(void **state)
{
	static const struct {
		const char *label, *hex;
		size_t head; /* bytes of structure ahead of the key */
	} forms[] = {{public_label, SPKI PUBLIC_HEX, 12}, {private_label, PKCS8 PRIVATE_HEX, 16}};
	uint8_t der[512];

	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		size_t n = bytes_of(der, forms[i].hex);
		for (size_t k = 0; k < n; k++) {
			for (unsigned x = 1; x < 256; x++) {
				der[k] ^= (uint8_t)x;
				bool version1 = i == 1 && k == 4 && der[k] == 1;
				assert_int_equal(read_bytes(forms[i].label, der, n),
					k >= forms[i].head || version1 ? 0 : -1);
				der[k] ^= (uint8_t)x;
			}
		}
	}
}

static void failure_wipes(void **state)
{
	static const uint8_t zeros[sizeof pair];

	(void)state;
	memset(&pair, 7, sizeof pair);
	assert_refused(read_hex(private_label,
			       "3051020101" ALGORITHM "04220420" PRIVATE_HEX "812100" PRIVATE_HEX),
		e, EX_CONFIG);
	assert_memory_equal(&pair, zeros, sizeof pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("a public key is read as RFC 8410 has it", public_read),
		T("a private key is read, with and without attributes and public key",
			private_read),
		T("both are written byte for byte as openssl writes them", written),
		T("another kind of key is refused and named", other_kinds),
		T("a wrong label is refused, and a passphrase gets a hint", other_labels),
		T("0, 31 and 33 bytes are refused and counted", wrong_sizes),
		T("what is not DER, not RFC 8410, or does not agree is refused", loose_forms),
		T("zeros and each other point of low order are refused", low_order),
		T("of Wycheproof's points those that give zero are refused, and no other",
			published_points),
		T("a key cut anywhere is refused", cut_anywhere),
		T("a changed byte of structure is refused, one of the key is another key",
			changed_anywhere),
		T("a private key that is refused leaves nothing", failure_wipes),
	};
	return RUN(tests);
}
