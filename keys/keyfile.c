/* Key files: names, modes, generation; see keyfile.h for the states on disk. What the kinds of
 * keys differ in stands in keyfile_kind.c; the order of steps is the same for all. */
#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>

#include "../crypto/file.h"
#include "../crypto/hash.h"
#include "../crypto/rsa_der.h"
#include "../crypto/p256_der.h"
#include "../crypto/x25519_der.h"
#include "keyfile_kind.h"

enum { FILE_NAME_MAX = USER_NAME_MAX + 24 };

/* --- names --- */

static int file_name(char out[static FILE_NAME_MAX], const char *name,
	const struct keyfile_kind_row *kind, const char *half, struct err *e)
{
	if (!user_name_valid(name)) {
		return err_set(e, EX_USAGE, "\"%s\" is no valid name: %s", name,
			"1 to 32 of a-z 0-9 _ -, beginning with a letter or digit");
	}
	(void)snprintf(out, FILE_NAME_MAX, "%s%s_%s.pem", name, kind->infix, half);
	return 0;
}

bool keyfile_name_valid(const char *name)
{
	return user_name_valid(name) && keyfile_bad_end(name) == NULL;
}

/* The two files of a pair, by name, and which of them are there. */
struct files {
	char private[FILE_NAME_MAX], public[FILE_NAME_MAX];
	bool has_private, has_public;
};

static int look_for(int dir, const char *file, bool *there, struct err *e)
{
	struct stat st;

	*there = fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0;
	return *there || errno == ENOENT
		       ? 0
		       : err_sys(e, file_errno_code(EX_NOINPUT), "cannot look at %s", file);
}

/* What a writer that was killed left is swept: half of a private key may stand there. */
static int find_files(int dir, const char *name, const struct keyfile_kind_row *kind,
	struct files *f, struct err *e)
{
	if (file_name(f->private, name, kind, "private", e) != 0 ||
		file_name(f->public, name, kind, "public", e) != 0 ||
		file_sweep(dir, f->private, e) != 0 || file_sweep(dir, f->public, e) != 0) {
		return -1;
	}
	return look_for(dir, f->private, &f->has_private, e) != 0
		       ? -1
		       : look_for(dir, f->public, &f->has_public, e);
}

int keyfile_look(
	int dir, const char *name, enum keyfile_kind kind, enum keyfile_state *state, struct err *e)
{
	struct files f;

	if (find_files(dir, name, &keyfile_kinds[kind], &f, e) != 0) {
		return -1;
	}
	*state = f.has_private && f.has_public ? KEYFILE_WHOLE
		 : f.has_private               ? KEYFILE_PRIVATE_ALONE
		 : f.has_public                ? KEYFILE_PUBLIC_ALONE
					       : KEYFILE_NONE;
	return 0;
}

/* --- writing --- */

static int write_half(int dir, const char *file, const struct keyfile_half *half,
	const union keyfile_pair *pair, enum file_how how, struct err *e)
{
	struct buf der = {0}, text = {0};
	int rc;

	if (half->write(&der, pair) != 0 || pem_encode(&text, half->label, der.p, der.n) != 0) {
		rc = err_set(e, EX_TEMPFAIL, "cannot write %s: out of memory", file);
	} else {
		rc = file_write(dir, file, text.p, text.n, half->mode, how, e);
	}
	buf_free(&text);
	buf_free(&der);
	return rc;
}

/* The public half goes first when a pair is replaced. */
static int remove_public(int dir, const char *file, struct err *e)
{
	if (unlinkat(dir, file, 0) != 0) {
		return errno == ENOENT ? 0
				       : err_sys(e, file_errno_code(EX_CANTCREAT),
						 "cannot replace %s", file);
	}
	return file_sync(dir, "the folder", e);
}

/* A replacement failed: what private half still stands gets its public half back, if that can be.
 */
static void restore_public(
	int dir, const char *name, const struct keyfile_kind_row *kind, const struct files *f)
{
	union keyfile_pair pair;
	struct err ignored;
	bool there;

	if (look_for(dir, f->public, &there, &ignored) == 0 && !there &&
		kind->load_private(dir, name, &pair, &ignored) == 0) {
		(void)write_half(dir, f->public, &kind->public, &pair, FILE_NEW, &ignored);
		wipe(&pair, sizeof pair);
	}
}

/* --- generating --- */

static int refuse_existing(const struct files *f, struct err *e)
{
	err_set(e, EX_CANTCREAT, "cannot create %s: it exists",
		f->has_private ? f->private : f->public);
	return err_hint(e, "--force replaces the pair, and the old key is gone for good");
}

/* A new pair, of which the private half is on disk. given: it is there already. */
static int make(int dir, const struct keyfile_kind_row *kind, const struct files *f, bool given,
	unsigned bits, union keyfile_pair *pair, struct err *e)
{
	if ((!given && kind->generate(pair, bits, e) != 0) ||
		(f->has_public && remove_public(dir, f->public, e) != 0)) {
		return -1;
	}
	return write_half(
		dir, f->private, &kind->private, pair, f->has_private ? FILE_REPLACE : FILE_NEW, e);
}

/* Generate, complete or replace; pair is the caller's to wipe. given: it holds the pair. */
static int generate(int dir, const char *name, const struct keyfile_kind_row *kind, bool given,
	unsigned bits, bool force, enum keyfile_made *made, union keyfile_pair *pair, struct err *e)
{
	struct files f;
	int rc;

	if (!keyfile_name_valid(name) && user_name_valid(name)) {
		return err_set(e, EX_USAGE, "\"%s\" is no name for keys: it ends in \"%s\"", name,
			keyfile_bad_end(name));
	}
	if (find_files(dir, name, kind, &f, e) != 0) {
		return -1;
	}
	if ((f.has_public || (given && f.has_private)) && !force) {
		return refuse_existing(&f, e);
	}
	if (f.has_private && !force) {
		*made = KEYFILE_COMPLETED;
		rc = kind->load_private(dir, name, pair, e);
		rc = rc == 0 ? kind->check(pair, e) : rc;
	} else {
		*made = f.has_private || f.has_public ? KEYFILE_REPLACED : KEYFILE_GENERATED;
		rc = make(dir, kind, &f, given, bits, pair, e);
	}
	if (rc == 0) {
		rc = write_half(dir, f.public, &kind->public, pair, FILE_NEW, e);
	}
	if (rc != 0 && f.has_private && f.has_public) {
		restore_public(dir, name, kind, &f);
	}
	return rc;
}

int keyfile_generate(int dir, const char *name, unsigned bits, bool force, enum keyfile_made *made,
	struct rsa_public *public, struct err *e)
{
	union keyfile_pair pair;
	int rc = generate(
		dir, name, &keyfile_kinds[KEYFILE_RSA], false, bits, force, made, &pair, e);

	if (rc == 0) {
		*public = pair.rsa.public;
	}
	wipe(&pair, sizeof pair);
	return rc;
}

int keyfile_generate_x25519(int dir, const char *name, bool force, enum keyfile_made *made,
	uint8_t public[static X25519_BYTES], struct err *e)
{
	union keyfile_pair pair;
	int rc = generate(
		dir, name, &keyfile_kinds[KEYFILE_X25519], false, 0, force, made, &pair, e);

	if (rc == 0) {
		memcpy(public, pair.x25519.public, X25519_BYTES);
	}
	wipe(&pair, sizeof pair);
	return rc;
}

int keyfile_generate_p256(int dir, const char *name, bool force, enum keyfile_made *made,
	uint8_t public[static P256_PUBLIC], struct err *e)
{
	union keyfile_pair pair;
	int rc = generate(dir, name, &keyfile_kinds[KEYFILE_P256], false, 0, force, made, &pair, e);

	if (rc == 0) {
		memcpy(public, pair.p256.public, P256_PUBLIC);
	}
	wipe(&pair, sizeof pair);
	return rc;
}

int keyfile_import_x25519(int dir, const char *name, const struct x25519_pair *given, bool force,
	enum keyfile_made *made, struct err *e)
{
	union keyfile_pair pair = {.x25519 = *given};
	int rc =
		generate(dir, name, &keyfile_kinds[KEYFILE_X25519], true, 0, force, made, &pair, e);

	wipe(&pair, sizeof pair);
	return rc;
}

/* --- loading --- */

/* A file that is read: its name, for errors, and what it holds. */
struct key_file {
	char name[FILE_NAME_MAX];
	const char *file; /* the name, or the caller's path */
	struct pem pem;
};

/* Read and decode the PEM in f->file. */
static int read_file(struct key_file *f, int dir, bool secret, struct err *e)
{
	struct buf text = {0};
	struct stat st;
	int rc = file_read(dir, f->file, PEM_TEXT_MAX, &text, &st, e);

	if (rc != 0) {
		e->code = e->code == EX_DATAERR ? EX_CONFIG : e->code;
	} else if (secret && (st.st_mode & 077) != 0) {
		err_set(e, EX_CONFIG, "cannot use %s: others can read it (mode %04o)", f->file,
			(unsigned)(st.st_mode & 07777));
		rc = err_hint(e, "chmod 600 %s", f->file);
	} else if (pem_decode(&f->pem, text.p, text.n, e) != 0) {
		rc = err_prefix(e, "cannot use %s", f->file);
	}
	buf_free(&text);
	return rc;
}

/* One half of NAME's pair; on 0 close_file() it. */
static int open_file(struct key_file *f, int dir, const char *name, enum keyfile_kind kind,
	const char *half, struct err *e)
{
	f->file = f->name;
	return file_name(f->name, name, &keyfile_kinds[kind], half, e) != 0
		       ? -1
		       : read_file(f, dir, strcmp(half, "private") == 0, e);
}

/* rc: of reading its DER, which is returned. */
static int close_file(struct key_file *f, int rc, struct err *e)
{
	pem_free(&f->pem);
	return rc == 0 ? 0 : err_prefix(e, "cannot use %s", f->file);
}

int keyfile_load_public(int dir, const char *name, struct rsa_public *out, struct err *e)
{
	struct key_file f;

	return open_file(&f, dir, name, KEYFILE_RSA, "public", e) != 0
		       ? -1
		       : close_file(&f, rsa_der_read_public(out, &f.pem, e), e);
}

int keyfile_load_private(int dir, const char *name, struct rsa_private *out, struct err *e)
{
	struct key_file f;

	return open_file(&f, dir, name, KEYFILE_RSA, "private", e) != 0
		       ? -1
		       : close_file(&f, rsa_der_read_private(out, &f.pem, e), e);
}

int keyfile_load_x25519_public(
	int dir, const char *name, uint8_t out[static X25519_BYTES], struct err *e)
{
	struct key_file f;

	return open_file(&f, dir, name, KEYFILE_X25519, "public", e) != 0
		       ? -1
		       : close_file(&f, x25519_der_read_public(out, &f.pem, e), e);
}

int keyfile_read_x25519_public(const char *path, uint8_t out[static X25519_BYTES], struct err *e)
{
	struct key_file f = {.file = path};

	return read_file(&f, AT_FDCWD, false, e) != 0
		       ? -1
		       : close_file(&f, x25519_der_read_public(out, &f.pem, e), e);
}

/* Of pair the public half alone is there. */
static int save_public(int dir, const char *name, const struct keyfile_kind_row *kind,
	const union keyfile_pair *pair, struct err *e)
{
	char file[FILE_NAME_MAX];

	return file_name(file, name, kind, "public", e) != 0
		       ? -1
		       : write_half(dir, file, &kind->public, pair, FILE_REPLACE, e);
}

int keyfile_save_x25519_public(
	int dir, const char *name, const uint8_t public[static X25519_BYTES], struct err *e)
{
	union keyfile_pair pair = {0};

	memcpy(pair.x25519.public, public, X25519_BYTES);
	return save_public(dir, name, &keyfile_kinds[KEYFILE_X25519], &pair, e);
}

int keyfile_save_p256_public(
	int dir, const char *name, const uint8_t public[static P256_PUBLIC], struct err *e)
{
	union keyfile_pair pair = {0};

	memcpy(pair.p256.public, public, P256_PUBLIC);
	return save_public(dir, name, &keyfile_kinds[KEYFILE_P256], &pair, e);
}

int keyfile_load_x25519_private(int dir, const char *name, struct x25519_pair *out, struct err *e)
{
	struct key_file f;

	return open_file(&f, dir, name, KEYFILE_X25519, "private", e) != 0
		       ? -1
		       : close_file(&f, x25519_der_read_private(out, &f.pem, e), e);
}

int keyfile_load_p256_public(
	int dir, const char *name, uint8_t out[static P256_PUBLIC], struct err *e)
{
	struct key_file f;

	return open_file(&f, dir, name, KEYFILE_P256, "public", e) != 0
		       ? -1
		       : close_file(&f, p256_der_read_public(out, &f.pem, e), e);
}

int keyfile_load_p256_private(int dir, const char *name, struct p256_pair *out, struct err *e)
{
	struct key_file f;

	return open_file(&f, dir, name, KEYFILE_P256, "private", e) != 0
		       ? -1
		       : close_file(&f, p256_der_read_private(out, &f.pem, e), e);
}

/* --- fingerprints --- */

/* Of an SPKI, which is freed. rc: whether it could be written, which is returned. */
static int fingerprint(struct buf *spki, int rc, char out[static KEYFILE_FINGERPRINT_MAX])
{
	uint8_t digest[HASH_BYTES];

	if (rc == 0) {
		hash_of(spki->p, spki->n, digest);
		memcpy(out, "SHA256:", 7);
		(void)base64_encode(out + 7, digest, sizeof digest);
	}
	buf_free(spki);
	return rc;
}

int keyfile_fingerprint(const struct rsa_public *key, char out[static KEYFILE_FINGERPRINT_MAX])
{
	struct buf spki = {0};

	return fingerprint(&spki, rsa_der_write_public(&spki, key), out);
}

int keyfile_x25519_fingerprint(
	const uint8_t public[static X25519_BYTES], char out[static KEYFILE_FINGERPRINT_MAX])
{
	struct buf spki = {0};

	return fingerprint(&spki, x25519_der_write_public(&spki, public), out);
}
