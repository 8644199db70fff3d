/* A server's certificate and key in files: made, read, and refused by name; and pins as text. */
#include "tls.h"

#include "../../crypto/file.h"
#include "../../keys/certificate.h"

static struct err e;

static void make_here(struct tls_certificate *made)
{
	const struct x509_wish wish = wish_of("localhost", -1, 1);

	assert_int_equal(certificate_make(folder.fd, &wish, false, made, &e), 0);
}

static int load(void)
{
	struct tls_identity *id;
	int rc = certificate_load(folder.fd, CERTIFICATE_FILE, CERTIFICATE_KEY_FILE, &id, &e);

	tls_identity_free(id);
	return rc;
}

static void made(void **state)
{
	const struct x509_wish wish = wish_of("localhost", -1, 1);
	struct tls_certificate first, second;
	struct tls_identity *id;
	struct tls_trust *trust;
	struct stat st;
	char path[PATH_MAX + 64];

	(void)state;
	make_here(&first);
	assert_int_equal(fstatat(folder.fd, CERTIFICATE_KEY_FILE, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(count_names("."), 2);
	assert_int_equal(
		certificate_load(folder.fd, CERTIFICATE_FILE, CERTIFICATE_KEY_FILE, &id, &e), 0);
	assert_memory_equal(tls_identity_certificate(id), &first, sizeof first);
	tls_identity_free(id);
	(void)snprintf(path, sizeof path, "%s/" CERTIFICATE_FILE, folder.path);
	assert_int_equal(certificate_load_trust(path, &trust, &e), 0);
	tls_trust_free(trust);
	assert_refused(certificate_make(folder.fd, &wish, false, &second, &e), e, EX_CANTCREAT);
	assert_int_equal(certificate_make(folder.fd, &wish, true, &second, &e), 0);
	assert_memory_not_equal(first.pin, second.pin, sizeof first.pin);
	assert_int_equal(load(), 0);
}

/* What a writer that was killed left is swept; and a wish that cannot be leaves what is there. */
static void left_behind(void **state)
{
	const struct x509_wish no_name = wish_of("", -1, 1),
			       early = wish_of("localhost", -99999, 1);
	struct tls_certificate cert;

	(void)state;
	spew_text("." CERTIFICATE_KEY_FILE ".new", "half a secret");
	make_here(&cert);
	assert_int_equal(count_names("."), 2);
	assert_refused(certificate_make(folder.fd, &no_name, true, &cert, &e), e, EX_USAGE);
	assert_refused(certificate_make(folder.fd, &early, true, &cert, &e), e, EX_USAGE);
	assert_int_equal(load(), 0);
}

static void open_to_others(void **state)
{
	static const mode_t modes[] = {0640, 0604, 0660, 0644, 0610};
	struct tls_certificate cert;

	(void)state;
	make_here(&cert);
	for (size_t i = 0; i < COUNT(modes); i++) {
		assert_int_equal(fchmodat(folder.fd, CERTIFICATE_KEY_FILE, modes[i], 0), 0);
		assert_refused(load(), e, EX_CONFIG);
		assert_contains(e.text, "others can read it");
		assert_contains(e.text, "hint: chmod 600 " CERTIFICATE_KEY_FILE);
	}
	assert_int_equal(fchmodat(folder.fd, CERTIFICATE_KEY_FILE, 0400, 0), 0);
	assert_int_equal(load(), 0);
}

static void put_missing(const char *name)
{
	assert_int_equal(unlinkat(folder.fd, name, 0), 0);
}

static void put_fifo(const char *name)
{
	put_missing(name);
	assert_int_equal(mkfifoat(folder.fd, name, 0600), 0);
}

static void put_folder(const char *name)
{
	put_missing(name);
	assert_int_equal(mkdirat(folder.fd, name, 0700), 0);
}

static void put_large(const char *name)
{
	int fd = openat(folder.fd, name, O_WRONLY);

	assert_int_equal(ftruncate(fd, (off_t)2 << 30), 0);
	(void)close(fd);
}

static void put_garbage(const char *name)
{
	spew_text(name, "-----BEGIN CERTIFICATE-----\nAAAA\n");
}

static void bad_files(void **state)
{
	static const struct {
		void (*put)(const char *name);
		int code;
	} rows[] = {{put_missing, EX_NOINPUT}, {put_fifo, EX_NOINPUT}, {put_folder, EX_NOINPUT},
		{put_large, EX_CONFIG}, {put_garbage, EX_CONFIG}};
	static const char *const names[] = {CERTIFICATE_FILE, CERTIFICATE_KEY_FILE};
	struct tls_certificate cert;
	struct tls_trust *trust;
	char path[PATH_MAX + 64];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t k = 0; k < COUNT(names); k++) {
			make_here(&cert);
			rows[i].put(names[k]);
			assert_refused(load(), e, rows[i].code);
			assert_contains(e.text, names[k]);
			(void)snprintf(path, sizeof path, "%s/%s", folder.path, names[k]);
			assert_int_equal(certificate_load_trust(path, &trust, &e), -1);
			assert_int_equal(e.code, rows[i].code);
			assert_contains(e.text, path);
			assert_null(trust);
			(void)unlinkat(
				folder.fd, names[k], rows[i].put == put_folder ? AT_REMOVEDIR : 0);
			(void)unlinkat(folder.fd, names[1 - k], 0);
		}
	}
}

static void pins(void **state)
{
	static const char *const bad[] = {"", "SHA256:", "SHA256:AAAA", "sha256//",
		"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
		"SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFUA",
		"SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF",
		"SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU==",
		"SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV", /* stray bits */
		"SHA1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"};
	static const char *const good[] = {"SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
		"SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
		"sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="};
	uint8_t pin[TLS_PIN_BYTES];
	char text[CERTIFICATE_PIN_MAX], hex[CERTIFICATE_DIGEST_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(certificate_read_pin(good[i], pin, &e), 0);
		certificate_write_pin(pin, text);
		assert_string_equal(text, good[0]);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_refused(certificate_read_pin(bad[i], pin, &e), e, EX_USAGE);
	}
	certificate_write_digest(pin, hex); /* SHA-256 of nothing, FIPS 180-4 */
	assert_string_equal(hex,
		"E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:"
		"4C:A4:95:99:1B:78:52:B8:55");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("what is made is read back, and replaced by force alone", made),
		T_FOLDER("what a killed writer left is swept", left_behind),
		T_FOLDER("a key that others can read is refused", open_to_others),
		T_FOLDER("no file, a FIFO, a folder, 2 GB, garbage: refused by name", bad_files),
		T("pins are read in both forms, and nothing else is", pins),
	};
	return RUN(tests);
}
