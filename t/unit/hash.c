/* SHA-1, which the python dialect's login has, and MD5, which file transfer's founding wire has.
 * The digests are what `openssl dgst` prints. */
#include "unit.h"

#include "../../crypto/hash.h"

static void assert_digest(const void *p, size_t n, const char *want)
{
	uint8_t digest[HASH_SHA1_BYTES];
	char hex[2 * HASH_SHA1_BYTES + 1];

	hash_sha1(p, n, digest);
	hex_encode(hex, digest, sizeof digest);
	assert_string_equal(hex, want);
}

static void digests(void **state)
{
	static const struct {
		const char *text, *digest;
	} rows[] = {
		{"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
			"84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
		{"client1\npassword1", "1d86bc36e92bbfe09795383d97ec85ac054b704a"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_digest(rows[i].text, strlen(rows[i].text), rows[i].digest);
	}
}

static void long_text(void **state)
{
	enum { N = 1000000 };
	char *text = malloc(N);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', N);
	assert_digest(text, N, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
	free(text);
}

static void assert_md5(const char *text, size_t n, size_t piece, const char *want)
{
	uint8_t digest[HASH_MD5_BYTES];
	char hex[2 * HASH_MD5_BYTES + 1];
	struct hash_md5 h;

	hash_md5_begin(&h);
	for (size_t at = 0; at < n; at += piece) {
		hash_md5_add(&h, text + at, piece < n - at ? piece : n - at);
	}
	hash_md5_end(&h, digest);
	hex_encode(hex, digest, sizeof digest);
	assert_string_equal(hex, want);
}

static void md5_digests(void **state)
{
	static const struct {
		const char *text, *digest;
	} rows[] = {
		{"", "d41d8cd98f00b204e9800998ecf8427e"},
		{"abc", "900150983cd24fb0d6963f7d28e17f72"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
			"8215ef0796a20bcaaae116d3876c664a"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t piece = 1; piece < 100; piece += 7) {
			assert_md5(rows[i].text, strlen(rows[i].text), piece, rows[i].digest);
		}
	}
}

static void md5_long(void **state)
{
	enum { N = 1000000 };
	char *text = malloc(N);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', N);
	assert_md5(text, N, N, "7707d6ae4e027c70eea2a935c2296f21");
	assert_md5(text, N, 16384, "7707d6ae4e027c70eea2a935c2296f21");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("MD5 of short texts, in any pieces, is openssl's", md5_digests),
		T("MD5 of 1,000,000 bytes is openssl's", md5_long),
		T("SHA-1 of texts of up to a block and more is openssl's", digests),
		T("SHA-1 of 1,000,000 bytes is openssl's", long_text),
	};
	return RUN(tests);
}
