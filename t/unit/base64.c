/* Base64: there and back, strictly, with and without padding, in both alphabets. */
#include "unit.h"

static void base64_round(void **state)
{
	uint8_t p[100], back[100];
	char text[140];

	(void)state;
	fill_pattern(p, sizeof p, 3);
	for (size_t n = 0; n <= sizeof p; n++) {
		assert_int_equal(base64_encode(text, p, n), base64_len(n));
		assert_int_equal(strlen(text), base64_len(n));
		assert_int_equal(base64_decode(back, n, text, strlen(text)), (int)n);
		assert_memory_equal(p, back, n);
		if (n > 0) {
			assert_int_equal(base64_decode(back, n - 1, text, strlen(text)), -1);
		}
	}
}

static void base64_padded(void **state)
{
	static const char *const good[] = {
		"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"}; /* RFC 4648 10 */
	static const char *const bad[] = {"Zg", "Zg=", "Zg===", "Zm8", "Zm8==", "=", "==", "===",
		"====", "Z===", "Zm9v====", "Zg==Zg==", "Z=g=", "Zh==", "Zm9=", " Zg==", "Zg==\n"};
	char text[16];
	uint8_t out[16];

	(void)state;
	for (size_t n = 0; n < COUNT(good); n++) {
		assert_int_equal(base64_padded_encode(text, "foobar", n), base64_padded_len(n));
		assert_string_equal(text, good[n]);
		assert_int_equal(base64_padded_decode(out, n, text, strlen(text)), (int)n);
		assert_memory_equal(out, "foobar", n);
		if (n > 0) {
			assert_int_equal(base64_padded_decode(out, n - 1, text, strlen(text)), -1);
		}
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (base64_padded_decode(out, sizeof out, bad[i], strlen(bad[i])) != -1) {
			fail_msg("taken: \"%s\"", bad[i]);
		}
	}
}

/* Each byte at each place of a text that is read eight characters at once, and of what is left: one
 * of the alphabet gives its six bits there, and any other one is refused. */
static void base64_every_place(void **state)
{
	static const char *const alphabets[] = {
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"};
	enum { N = 20, BYTES = 15 };

	(void)state;
	for (size_t place = 0; place < 2 * 256 * N; place++) {
		const char *alphabet = alphabets[place % 2], *found;
		int c = (int)(place / 2 % 256), rc;
		size_t at = place / 512;
		char text[N];
		uint8_t out[BYTES];

		memset(text, 'V', sizeof text); /* 010101 */
		text[at] = (char)c;
		found = c == 0 ? NULL : strchr(alphabet, c);
		rc = place % 2 == 0 ? base64_decode(out, sizeof out, text, N)
				    : base64url_decode(out, sizeof out, text, N);
		assert_int_equal(rc, found == NULL ? -1 : BYTES);
		for (size_t bit = 0; bit < 8 * BYTES && found != NULL; bit++) {
			uint32_t want = bit / 6 == at ? (uint32_t)(found - alphabet) : 21;
			assert_int_equal(
				out[bit / 8] >> (7 - bit % 8) & 1, want >> (5 - bit % 6) & 1);
		}
	}
}

static void base64_strict(void **state)
{
	static const char *const bad[] = {
		"A", "AAAAA", "AA==", "AAA=", "AB", "AAB", "A A", "AA\n", "-_AA", "=", "\xff\xff"};
	uint8_t out[8];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (base64_decode(out, sizeof out, bad[i], strlen(bad[i])) != -1) {
			fail_msg("\"%s\" was taken", bad[i]);
		}
	}
	assert_int_equal(base64_decode(out, sizeof out, "Zm9vYmE", 7), 5);
	assert_memory_equal(out, "fooba", 5);
	for (int c = 0; c < 256; c++) { /* 64 characters, each its own value */
		char four[4] = {'A', 'A', 'A', (char)c};
		bool in = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			  (c >= '0' && c <= '9') || c == '+' || c == '/';
		assert_int_equal(base64_decode(out, 3, four, 4), in ? 3 : -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("base64 of 0 to 100 bytes comes back, and too little room is refused",
			base64_round),
		T("each byte at each place of base64 is its six bits, or refused",
			base64_every_place),
		T("base64 with padding is RFC 4648's, and must have all of it", base64_padded),
		T("base64 with padding, blanks or stray bits is refused", base64_strict),
	};

	return RUN(tests);
}
