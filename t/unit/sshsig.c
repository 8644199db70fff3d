/* OpenSSH's signatures: what ssh-keygen 9.2 made with RFC 6979's key is read, and what was changed
 * is not. The judge of what we make is ssh-keygen itself, in t/76-keys.t. */
#include "unit.h"

#include "../../crypto/sshsig.h"

/* RFC 6979 A.2.5 */
#define PRIVATE_HEX "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"

/* ssh-keygen -y and -l of that key */
static const char public_line[] =
	"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGD+1LolWp0xyWHrdM"
	"Y1bWjASbiSO2H6bOZpYi5g8p+2eQP+EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk=";
static const char fingerprint[] = "SHA256:hfuNWmjIYvsBGZ6dpCLTTAEa5LxbZABRHHVoynAxFlo";

/* ssh-keygen -Y sign -n mail@smtp361 -O hashalg=sha256, of "a message" and LF */
#define BEGIN "-----BEGIN SSH SIGNATURE-----\n"
#define END "-----END SSH SIGNATURE-----\n"
#define KEY_LINES                                                                  \
	"U1NIU0lHAAAAAQAAAGgAAAATZWNkc2Etc2hhMi1uaXN0cDI1NgAAAAhuaXN0cDI1NgAAAE\n" \
	"EEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGy\n"
static const char message[] = "a message\n";
static const char theirs[] =
	BEGIN KEY_LINES "DC1+n1F3o8KU1EYimQAAAAxtYWlsQHNtdHAzNjEAAAAAAAAABnNoYTI1NgAAAGQAAAATZW\n"
			"Nkc2Etc2hhMi1uaXN0cDI1NgAAAEkAAAAgWWDGMCMddpcptEQZEUtwqKahJNVH18D/xTPC\n"
			"BDIm/sIAAAAhAM3TMyL8HVfR0bWGBEe5qkgDkJc/IaKM96SaM6c7d5gn\n" END;
/* the same without -O: SHA-512 */
static const char theirs_512[] =
	BEGIN KEY_LINES "DC1+n1F3o8KU1EYimQAAAAxtYWlsQHNtdHAzNjEAAAAAAAAABnNoYTUxMgAAAGMAAAATZW\n"
			"Nkc2Etc2hhMi1uaXN0cDI1NgAAAEgAAAAgdldj96bls7uisStaA3gP3uakGHeTaT9ZyTeX\n"
			"ohzVDiMAAAAgD/RsIxhLKMHyJCvtj88S3zuKmrbUWhQYgsdwOBigoUc=\n" END;

static struct p256_pair key;
static uint8_t digest[HASH_BYTES], signer[P256_PUBLIC];
static struct err e;

static int begin(void **state)
{
	(void)state;
	hash_of(message, strlen(message), digest);
	return hex_decode(key.private, sizeof key.private, PRIVATE_HEX, 64) != 0
		       ? -1
		       : p256_public(key.public, key.private);
}

/* In a block of its own length, so that its end is the sanitizer's to guard. */
static int check(const void *text, size_t n, const char *namespace)
{
	uint8_t *p = malloc(n == 0 ? 1 : n);
	int rc;

	assert_non_null(p);
	memcpy(p, text, n);
	memset(signer, 0, sizeof signer);
	rc = sshsig_check(signer, p, n, namespace, digest, &e);
	free(p);
	return rc;
}

static int check_text(const char *text)
{
	return check(text, strlen(text), SSHSIG_MAIL);
}

static void theirs_read(void **state)
{
	(void)state;
	assert_int_equal(check_text(theirs), 0);
	assert_memory_equal(signer, key.public, sizeof signer);
}

static void ours_read(void **state)
{
	struct buf out = {0}, again = {0};

	(void)state;
	assert_int_equal(sshsig_sign(&out, &key, SSHSIG_CHAT, digest, &e), 0);
	assert_true(out.n < SSHSIG_TEXT_MAX);
	assert_int_equal(check(out.p, out.n, SSHSIG_CHAT), 0);
	assert_memory_equal(signer, key.public, sizeof signer);
	assert_int_equal(sshsig_sign(&again, &key, SSHSIG_CHAT, digest, &e), 0);
	assert_int_equal(again.n, out.n);
	assert_memory_equal(again.p, out.p, out.n);
	buf_free(&out);
	buf_free(&again);
}

/* An mpint is as short as it can be: r and s with a high bit, and with leading zeros, come in 512
 * signatures often enough. */
static void all_lengths(void **state)
{
	size_t shortest = SIZE_MAX, longest = 0;

	(void)state;
	for (unsigned i = 0; i < 512; i++) {
		struct buf out = {0};

		hash_of(&i, sizeof i, digest);
		assert_int_equal(sshsig_sign(&out, &key, SSHSIG_MAIL, digest, &e), 0);
		assert_int_equal(check(out.p, out.n, SSHSIG_MAIL), 0);
		shortest = out.n < shortest ? out.n : shortest;
		longest = out.n > longest ? out.n : longest;
		buf_free(&out);
	}
	assert_true(shortest < longest);
	(void)begin(NULL);
}

static void refused(void **state)
{
	uint8_t kept = digest[0];

	(void)state;
	assert_refused(check(theirs, strlen(theirs), SSHSIG_CHAT), e, EX_DATAERR);
	assert_contains(e.text, "another purpose than chat@smtp361");
	assert_refused(check_text(theirs_512), e, EX_DATAERR);
	assert_contains(e.text, "not one of ecdsa-sha2-nistp256 and sha256");
	digest[0] ^= 1;
	assert_refused(check_text(theirs), e, EX_DATAERR);
	assert_contains(e.text, "not one of this message");
	digest[0] = kept;
}

static void armor_refused(void **state)
{
	static const char *const bad[] = {"", "\n", BEGIN, BEGIN END, BEGIN "\n" END,
		BEGIN "AAAA\n" END, BEGIN "U1NIU0lHAAAAAQ==\n" END, BEGIN "U1NIU0lHAAAAAg==\n" END,
		BEGIN KEY_LINES, "-----BEGIN SSH SIGNATURE----- \n" END};
	char text[SSHSIG_TEXT_MAX + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_refused(check_text(bad[i]), e, EX_DATAERR);
	}
	(void)snprintf(text, sizeof text, "%s\n", theirs);
	assert_refused(check_text(text), e, EX_DATAERR); /* something behind it */
	(void)snprintf(text, sizeof text, "\n%s", theirs);
	assert_refused(check_text(text), e, EX_DATAERR); /* ahead of it */
	memset(text, 'A', sizeof text);
	memcpy(text, BEGIN, strlen(BEGIN));
	assert_refused(check(text, sizeof text, SSHSIG_MAIL), e, EX_DATAERR);
	for (size_t n = 0; n < strlen(theirs); n++) {
		assert_refused(check(theirs, n, SSHSIG_MAIL), e, EX_DATAERR);
	}
}

/* Of the lines around it, and of the base64. */
static void every_character(void **state)
{
	char text[sizeof theirs];

	(void)state;
	for (size_t i = 0; i + 1 < sizeof theirs; i++) {
		memcpy(text, theirs, sizeof text);
		text[i] = text[i] == 'B' ? 'C' : 'B';
		assert_refused(check_text(text), e, EX_DATAERR);
	}
}

static void public_lines(void **state)
{
	static const char *const bad[] = {"", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256 ",
		"ecdsa-sha2-nistp256 AAAA", "ecdsa-sha2-nistp384 AAAA", " ecdsa-sha2-nistp256 AAAA",
		/* ssh-ed25519's blob */
		"ecdsa-sha2-nistp256 "
		"AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
	char line[SSHSIG_LINE_MAX], text[SSHSIG_LINE_MAX + 16], got[SSHSIG_FINGERPRINT_MAX];
	uint8_t public[P256_PUBLIC];

	(void)state;
	sshsig_write_public(line, key.public);
	assert_string_equal(line, public_line);
	sshsig_fingerprint(got, key.public);
	assert_string_equal(got, fingerprint);
	assert_int_equal(sshsig_read_public(public, line, strlen(line), &e), 0);
	assert_memory_equal(public, key.public, sizeof public);
	(void)snprintf(text, sizeof text, "%s alice b", line);
	memset(public, 0, sizeof public);
	assert_int_equal(sshsig_read_public(public, text, strlen(text), &e), 0);
	assert_memory_equal(public, key.public, sizeof public);
	for (size_t n = 0; n < strlen(line); n++) {
		assert_refused(sshsig_read_public(public, line, n, &e), e, EX_DATAERR);
	}
	line[strlen(line) - 2] = 'o'; /* another Y: off the curve */
	assert_refused(sshsig_read_public(public, line, strlen(line), &e), e, EX_DATAERR);
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_refused(
			sshsig_read_public(public, bad[i], strlen(bad[i]), &e), e, EX_DATAERR);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("a signature of ssh-keygen's is read", theirs_read),
		T("ours is read, and is the same each time", ours_read),
		T("so are those whose numbers are shorter or longer", all_lengths),
		T("another purpose, hash or message is refused, and told", refused),
		T("armor that is cut, or has something around it, is refused", armor_refused),
		T("no character can be another one", every_character),
		T("public keys and fingerprints are as ssh-keygen has them", public_lines),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
