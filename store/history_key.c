/* The key of a history; see history_key.h. */
#include "history_key.h"

#include <errno.h>
#include <fcntl.h>

#include "../crypto/file.h"
#include "../crypto/hkdf.h"
#include "../crypto/password.h"
#include "../crypto/random.h"

enum {
	MAGIC = 8,
	KIND_AT = MAGIC,
	ID_AT = KIND_AT + 1,
	SALT_AT = ID_AT + HISTORY_ID,
	NONCE_AT = SALT_AT + PASSWORD_SALT,
	SEALED_AT = NONCE_AT + GCM_NONCE,
	KEY_FILE = SEALED_AT + GCM_KEY + GCM_TAG
};

static const char magic[MAGIC + 1] = "S361HKY1";
static const char info[] = "smtp361 history key 1";

static int damaged(const char *name, struct err *e)
{
	return err_set(e, EX_CONFIG, "cannot open %s: it is no key of a history", name);
}

static bool all_zero(const uint8_t *p, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++) {
		any |= p[i];
	}
	return any == 0;
}

/* 0; 1: there is none, or it was destroyed; or -1. */
static int load(int dir, const char *name, uint8_t out[static KEY_FILE], struct err *e)
{
	struct buf in = {0};
	int rc = -1;

	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
		return 1;
	}
	if (file_read(dir, name, KEY_FILE, &in, NULL, e) != 0) {
		if (e != NULL && e->code != EX_TEMPFAIL && e->code != EX_IOERR) {
			e->code = EX_CONFIG;
		}
	} else if (in.n == KEY_FILE && all_zero(in.p, in.n)) {
		rc = 1;
	} else if (in.n != KEY_FILE || memcmp(in.p, magic, MAGIC) != 0 ||
		   (in.p[KIND_AT] != HISTORY_IDENTITY && in.p[KIND_AT] != HISTORY_PASSPHRASE)) {
		damaged(name, e);
	} else {
		memcpy(out, in.p, KEY_FILE);
		rc = 0;
	}
	buf_free(&in);
	return rc;
}

int history_key_look(int dir, const char *name, enum history_kind *kind, struct err *e)
{
	uint8_t file[KEY_FILE];
	int rc = load(dir, name, file, e);

	*kind = HISTORY_NONE;
	if (rc == 0) {
		*kind = file[KIND_AT] == HISTORY_IDENTITY ? HISTORY_IDENTITY : HISTORY_PASSPHRASE;
	}
	wipe(file, sizeof file);
	return rc < 0 ? -1 : 0;
}

static enum history_kind kind_of(const struct history_secret *secret)
{
	return secret->identity != NULL ? HISTORY_IDENTITY : HISTORY_PASSPHRASE;
}

static int sealing_key(
	struct gcm *g, const struct history_secret *secret, const uint8_t *salt, struct err *e)
{
	uint8_t key[GCM_KEY];
	int rc = secret->identity != NULL
			 ? hkdf_sha256(key, sizeof key, salt, PASSWORD_SALT,
				   secret->identity->private, X25519_BYTES, info, sizeof info - 1)
			 : password_key(key, secret->passphrase, secret->passphrase_n, salt, e);

	if (rc == 0) {
		gcm_init(g, key);
	}
	wipe(key, sizeof key);
	return rc;
}

int history_key_make(int dir, const char *name, const struct history_secret *secret,
	struct history_key *out, struct err *e)
{
	uint8_t file[KEY_FILE];
	struct gcm g;
	int rc = -1;

	memcpy(file, magic, MAGIC);
	file[KIND_AT] = (uint8_t)kind_of(secret);
	if (random_bytes(file + ID_AT, SEALED_AT - ID_AT, e) != 0 ||
		random_bytes(out->key, sizeof out->key, e) != 0 ||
		sealing_key(&g, secret, file + SALT_AT, e) != 0) {
		goto out;
	}
	memcpy(out->id, file + ID_AT, sizeof out->id);
	memcpy(file + SEALED_AT, out->key, sizeof out->key);
	gcm_seal(&g, file + NONCE_AT, file, NONCE_AT, file + SEALED_AT, GCM_KEY,
		file + SEALED_AT + GCM_KEY);
	rc = file_write(dir, name, file, sizeof file, 0600, FILE_NEW, e);
out:
	wipe(&g, sizeof g);
	wipe(file, sizeof file);
	return rc;
}

/* "bob.history-key": what a person is told of it. */
static int other_kind(const char *name, enum history_kind kind, struct err *e)
{
	return err_set(e, EX_CONFIG, "cannot open %s: it is opened by %s", name,
		kind == HISTORY_PASSPHRASE ? "a passphrase" : "the private key of its owner");
}

int history_key_open(int dir, const char *name, const struct history_secret *secret,
	struct history_key *out, struct err *e)
{
	uint8_t file[KEY_FILE];
	struct gcm g;
	int rc = load(dir, name, file, e);

	if (rc != 0) {
		return rc < 0 ? -1 : err_set(e, EX_NOINPUT, "there is no %s", name);
	}
	if (file[KIND_AT] != (uint8_t)kind_of(secret)) {
		rc = other_kind(name, (enum history_kind)file[KIND_AT], e);
	} else if (sealing_key(&g, secret, file + SALT_AT, e) != 0) {
		rc = -1;
	} else if (gcm_open(&g, file + NONCE_AT, file, NONCE_AT, file + SEALED_AT, GCM_KEY,
			   file + SEALED_AT + GCM_KEY) != 0) {
		rc = err_set(e, EX_NOPERM, "cannot open %s: %s", name,
			secret->identity != NULL ? "it is not of this private key"
						 : "this is not its passphrase");
	} else {
		memcpy(out->key, file + SEALED_AT, sizeof out->key);
		memcpy(out->id, file + ID_AT, sizeof out->id);
	}
	wipe(&g, sizeof g);
	wipe(file, sizeof file);
	return rc;
}
