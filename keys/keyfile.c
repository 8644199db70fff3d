/* Key files: names, modes, generation; see keyfile.h for the states on disk. */
#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>

#include "../crypto/file.h"
#include "../crypto/hash.h"
#include "../crypto/rsa_der.h"

enum { FILE_NAME_MAX = USER_NAME_MAX + 16 };

static int file_name(
	char out[static FILE_NAME_MAX], const char *name, const char *half, struct err *e)
{
	if (!user_name_valid(name)) {
		return err_set(e, EX_USAGE, "\"%s\" is no valid name: %s", name,
			"1 to 32 of a-z 0-9 _ -, beginning with a letter or digit");
	}
	(void)snprintf(out, FILE_NAME_MAX, "%s_%s.pem", name, half);
	return 0;
}

static bool exists(int dir, const char *file)
{
	struct stat st;

	return fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int write_pem(int dir, const char *file, const char *label, const struct buf *der,
	mode_t mode, enum file_how how, struct err *e)
{
	struct buf text = {0};
	int rc;

	if (pem_encode(&text, label, der->p, der->n) != 0) {
		rc = err_set(e, EX_TEMPFAIL, "cannot write %s: out of memory", file);
	} else {
		rc = file_write(dir, file, text.p, text.n, mode, how, e);
	}
	buf_free(&text);
	return rc;
}

static int write_public(int dir, const char *file, const struct rsa_public *key, struct err *e)
{
	struct buf der = {0};
	int rc;

	if (rsa_der_write_public(&der, key) != 0) {
		rc = err_set(e, EX_TEMPFAIL, "cannot write %s: out of memory", file);
	} else {
		rc = write_pem(dir, file, "PUBLIC KEY", &der, 0644, FILE_NEW, e);
	}
	buf_free(&der);
	return rc;
}

static int write_private(
	int dir, const char *file, const struct rsa_private *key, enum file_how how, struct err *e)
{
	struct buf der = {0};
	int rc;

	if (rsa_der_write_private(&der, key) != 0) {
		rc = err_set(e, EX_TEMPFAIL, "cannot write %s: out of memory", file);
	} else {
		rc = write_pem(dir, file, "RSA PRIVATE KEY", &der, 0600, how, e);
	}
	buf_free(&der);
	return rc;
}

/* The public half goes first when a pair is replaced. */
static int remove_public(int dir, const char *file, struct err *e)
{
	if (unlinkat(dir, file, 0) != 0) {
		return errno == ENOENT ? 0 : err_sys(e, EX_CANTCREAT, "cannot replace %s", file);
	}
	return file_sync(dir, "the folder", e);
}

/* A replacement failed: what private half still stands gets its public half back, if that can be.
 */
static void restore_public(int dir, const char *name, const char *public_name)
{
	struct rsa_private key;
	struct err ignored;

	if (!exists(dir, public_name) && keyfile_load_private(dir, name, &key, &ignored) == 0) {
		(void)write_public(dir, public_name, &key.public, &ignored);
		wipe(&key, sizeof key);
	}
}

int keyfile_generate(int dir, const char *name, unsigned bits, bool force, enum keyfile_made *made,
	struct rsa_public *public, struct err *e)
{
	char private_name[FILE_NAME_MAX], public_name[FILE_NAME_MAX];
	struct rsa_private key;
	int rc = -1;

	if (file_name(private_name, name, "private", e) != 0 ||
		file_name(public_name, name, "public", e) != 0) {
		return -1;
	}
	if (file_sweep(dir, private_name, e) != 0 || file_sweep(dir, public_name, e) != 0) {
		return -1; /* half of a private key may stand there */
	}
	bool has_private = exists(dir, private_name), has_public = exists(dir, public_name);
	if (has_public && !force) {
		err_set(e, EX_CANTCREAT, "cannot create %s: it exists",
			has_private ? private_name : public_name);
		return err_hint(e, "--force replaces the pair, and the old key is gone for good");
	}
	if (has_private && !has_public && !force) {
		*made = KEYFILE_COMPLETED;
		if (keyfile_load_private(dir, name, &key, e) != 0 ||
			rsa_check_private(&key, e) != 0) {
			goto out;
		}
	} else {
		*made = has_private || has_public ? KEYFILE_REPLACED : KEYFILE_GENERATED;
		if (rsa_generate(&key, bits, e) != 0 ||
			(has_public && remove_public(dir, public_name, e) != 0) ||
			write_private(dir, private_name, &key,
				has_private ? FILE_REPLACE : FILE_NEW, e) != 0) {
			goto out;
		}
	}
	*public = key.public;
	rc = write_public(dir, public_name, public, e);
out:
	if (rc != 0 && has_private && has_public) {
		restore_public(dir, name, public_name);
	}
	wipe(&key, sizeof key);
	return rc;
}

/* Read and decode the PEM of one half. */
static int load_pem(int dir, const char *file, struct pem *pem, struct stat *st, struct err *e)
{
	struct buf text = {0};
	int rc = file_read(dir, file, PEM_TEXT_MAX, &text, st, e);

	if (rc != 0) {
		e->code = e->code == EX_DATAERR ? EX_CONFIG : e->code;
	} else if (pem_decode(pem, text.p, text.n, e) != 0) {
		rc = err_prefix(e, "cannot use %s", file);
	}
	buf_free(&text);
	return rc;
}

int keyfile_load_public(int dir, const char *name, struct rsa_public *out, struct err *e)
{
	char file[FILE_NAME_MAX];
	struct pem pem = {0};
	int rc;

	if (file_name(file, name, "public", e) != 0 || load_pem(dir, file, &pem, NULL, e) != 0) {
		return -1;
	}
	rc = rsa_der_read_public(out, &pem, e);
	pem_free(&pem);
	return rc == 0 ? 0 : err_prefix(e, "cannot use %s", file);
}

int keyfile_load_private(int dir, const char *name, struct rsa_private *out, struct err *e)
{
	char file[FILE_NAME_MAX];
	struct pem pem = {0};
	struct stat st;
	int rc;

	if (file_name(file, name, "private", e) != 0 || load_pem(dir, file, &pem, &st, e) != 0) {
		return -1;
	}
	if ((st.st_mode & 077) != 0) {
		pem_free(&pem);
		err_set(e, EX_CONFIG, "cannot use %s: others can read it (mode %04o)", file,
			(unsigned)(st.st_mode & 07777));
		return err_hint(e, "chmod 600 %s", file);
	}
	rc = rsa_der_read_private(out, &pem, e);
	pem_free(&pem);
	return rc == 0 ? 0 : err_prefix(e, "cannot use %s", file);
}

int keyfile_fingerprint(const struct rsa_public *key, char out[static KEYFILE_FINGERPRINT_MAX])
{
	struct buf der = {0};
	uint8_t digest[HASH_BYTES];
	int rc = rsa_der_write_public(&der, key);

	if (rc == 0) {
		hash_of(der.p, der.n, digest);
		memcpy(out, "SHA256:", 7);
		(void)base64_encode(out + 7, digest, sizeof digest);
	}
	buf_free(&der);
	return rc;
}
