/* Certificates in files; see certificate.h. */
#include "certificate.h"

#include <errno.h>
#include <fcntl.h>

#include "../crypto/file.h"
#include "../crypto/pem.h"

/* --- loading --- */

static int read_pem(
	int dir, const char *path, size_t max, struct buf *text, struct stat *st, struct err *e)
{
	int rc = file_read(dir, path, max, text, st, e);

	if (rc != 0) {
		e->code = e->code == EX_DATAERR ? EX_CONFIG : e->code;
	}
	return rc;
}

static int read_key(int dir, const char *path, struct buf *text, struct err *e)
{
	struct stat st;

	if (read_pem(dir, path, PEM_TEXT_MAX, text, &st, e) != 0) {
		return -1;
	}
	if ((st.st_mode & 077) != 0) {
		err_set(e, EX_CONFIG, "cannot use %s: others can read it (mode %04o)", path,
			(unsigned)(st.st_mode & 07777));
		return err_hint(e, "chmod 600 %s", path);
	}
	return 0;
}

int certificate_load(int dir, const char *cert_path, const char *key_path,
	struct tls_identity **out, struct err *e)
{
	struct buf chain = {0}, key = {0};
	bool from_key = false;
	int rc = read_pem(dir, cert_path, TLS_CHAIN_TEXT_MAX, &chain, NULL, e);

	*out = NULL;
	rc = rc == 0 ? read_key(dir, key_path, &key, e) : rc;
	if (rc == 0 && tls_identity_parse(out, chain.p, chain.n, key.p, key.n, &from_key, e) != 0) {
		rc = err_prefix(e, "cannot use %s", from_key ? key_path : cert_path);
	}
	buf_free(&chain);
	buf_free(&key);
	return rc;
}

int certificate_load_trust(const char *path, struct tls_trust **out, struct err *e)
{
	struct buf text = {0};
	int rc = read_pem(AT_FDCWD, path, TLS_TRUST_TEXT_MAX, &text, NULL, e);

	*out = NULL;
	if (rc == 0 && tls_trust_parse(out, text.p, text.n, e) != 0) {
		rc = err_prefix(e, "cannot use %s", path);
	}
	buf_free(&text);
	return rc;
}

/* --- making --- */

static int look_for(int dir, const char *file, bool *there, struct err *e)
{
	struct stat st;

	*there = fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0;
	return *there || errno == ENOENT
		       ? 0
		       : err_sys(e, file_errno_code(EX_NOINPUT), "cannot look at %s", file);
}

/* Nothing stands in the way: or it goes, the certificate first. */
static int make_way(int dir, bool force, enum file_how *how, struct err *e)
{
	bool has_key, has_cert;

	if (file_sweep(dir, CERTIFICATE_KEY_FILE, e) != 0 ||
		file_sweep(dir, CERTIFICATE_FILE, e) != 0 ||
		look_for(dir, CERTIFICATE_KEY_FILE, &has_key, e) != 0 ||
		look_for(dir, CERTIFICATE_FILE, &has_cert, e) != 0) {
		return -1;
	}
	if ((has_key || has_cert) && !force) {
		err_set(e, EX_CANTCREAT, "cannot create %s: it exists",
			has_cert ? CERTIFICATE_FILE : CERTIFICATE_KEY_FILE);
		return err_hint(e, "--force replaces certificate and key: who trusts the old ones "
				   "must be given the new ones");
	}
	if (has_cert && unlinkat(dir, CERTIFICATE_FILE, 0) != 0) {
		return err_sys(
			e, file_errno_code(EX_CANTCREAT), "cannot replace %s", CERTIFICATE_FILE);
	}
	*how = has_key ? FILE_REPLACE : FILE_NEW;
	return has_cert ? file_sync(dir, "the folder", e) : 0;
}

static int write_pem(int dir, const char *file, const char *label, const struct buf *der,
	mode_t mode, enum file_how how, struct err *e)
{
	struct buf text = {0};
	int rc = pem_encode(&text, label, der->p, der->n);

	rc = rc != 0 ? err_set(e, EX_TEMPFAIL, "cannot write %s: out of memory", file)
		     : file_write(dir, file, text.p, text.n, mode, how, e);
	buf_free(&text);
	return rc;
}

/* Read back what was written: nobody is told of a certificate that no server would take. */
static int look_at_made(int dir, struct tls_certificate *made, struct err *e)
{
	struct tls_identity *id;

	if (certificate_load(dir, CERTIFICATE_FILE, CERTIFICATE_KEY_FILE, &id, e) != 0) {
		return -1;
	}
	*made = *tls_identity_certificate(id);
	tls_identity_free(id);
	return 0;
}

int certificate_make(int dir, const struct x509_wish *wish, bool force,
	struct tls_certificate *made, struct err *e)
{
	struct buf certificate = {0}, private = {0};
	enum file_how how = FILE_NEW;
	int rc = x509_make(wish, &certificate, &private, e);

	rc = rc == 0 ? make_way(dir, force, &how, e) : rc;
	if (rc == 0) {
		rc = write_pem(dir, CERTIFICATE_KEY_FILE, "PRIVATE KEY", &private, 0600, how, e);
	}
	if (rc == 0) {
		rc = write_pem(
			dir, CERTIFICATE_FILE, "CERTIFICATE", &certificate, 0644, FILE_NEW, e);
	}
	rc = rc == 0 ? look_at_made(dir, made, e) : rc;
	buf_free(&certificate);
	buf_free(&private);
	return rc;
}

/* --- fingerprints --- */

void certificate_write_pin(
	const uint8_t pin[static TLS_PIN_BYTES], char out[static CERTIFICATE_PIN_MAX])
{
	memcpy(out, "SHA256:", 7);
	(void)base64_encode(out + 7, pin, TLS_PIN_BYTES);
}

int certificate_read_pin(const char *text, uint8_t pin[static TLS_PIN_BYTES], struct err *e)
{
	bool curls = strncmp(text, "sha256//", 8) == 0;
	const char *p = text + (curls ? 8 : 7);
	size_t n;

	if (curls || strncmp(text, "SHA256:", 7) == 0) {
		n = strlen(p);
		n -= n > 0 && p[n - 1] == '=' ? 1 : 0;
		if (base64_decode(pin, TLS_PIN_BYTES, p, n) == TLS_PIN_BYTES) {
			return 0;
		}
	}
	err_set(e, EX_USAGE, "\"%.80s\" is no pin: \"SHA256:\" and 43 characters of base64", text);
	return err_hint(
		e, "keygen --tls prints it; it is of the server's key, not of its certificate");
}

void certificate_write_digest(
	const uint8_t digest[static TLS_PIN_BYTES], char out[static CERTIFICATE_DIGEST_MAX])
{
	for (size_t i = 0; i < TLS_PIN_BYTES; i++) {
		(void)snprintf(out + 3 * i, 4, i + 1 < TLS_PIN_BYTES ? "%02X:" : "%02X", digest[i]);
	}
}
