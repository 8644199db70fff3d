/* keygen --age; see keygen_age.h. */
#include "keygen_age.h"

#include "../crypto/file.h"
#include "../keys/keyfile.h"
#include "age_keys.h"
#include "keygen_folder.h"

static int print_public(int dir, const char *name, struct err *e)
{
	char text[AGE_RECIPIENT_TEXT + 1];
	uint8_t public[X25519_BYTES];

	if (keyfile_load_x25519_public(dir, name, public, e) != 0) {
		return -1;
	}
	age_write_recipient(text, public);
	(void)printf("%s\n", text);
	return 0;
}

/* As age-keygen writes an identity file. */
static int print_secret(int dir, const char *name, struct err *e)
{
	char text[AGE_RECIPIENT_TEXT + 1], secret[AGE_IDENTITY_TEXT + 1];
	struct x25519_pair pair;

	if (keyfile_load_x25519_private(dir, name, &pair, e) != 0) {
		return -1;
	}
	age_write_recipient(text, pair.public);
	age_write_identity(secret, pair.private);
	/* written at once: what stdio keeps would not be wiped */
	(void)setvbuf(stdout, NULL, _IONBF, 0);
	(void)printf("# public key: %s\n", text);
	(void)fputs(secret, stdout);
	(void)fputc('\n', stdout);
	wipe(secret, sizeof secret);
	wipe(&pair, sizeof pair);
	return 0;
}

static int import(int dir, const char *name, const struct keygen_age *wanted, struct err *e)
{
	char fingerprint[KEYFILE_FINGERPRINT_MAX];
	struct age_keys_identities own = {.n = 0};
	enum keyfile_made made = KEYFILE_GENERATED;
	int rc = age_keys_identify(&own, wanted->import, e);

	if (rc == 0 && own.n != 1) {
		rc = err_set(e, EX_DATAERR, "%s holds %zu identities: which is to be %s's?",
			wanted->import, own.n, name);
	}
	if (rc == 0 && file_lock(dir, e) != 0) {
		rc = -1;
	}
	if (rc == 0) {
		rc = keyfile_import_x25519(dir, name, &own.keys[0], wanted->force, &made, e);
	}
	if (rc == 0 && keyfile_x25519_fingerprint(own.keys[0].public, fingerprint) != 0) {
		rc = err_set(e, EX_TEMPFAIL, "out of memory");
	}
	wipe(&own, sizeof own);
	if (rc == 0) {
		(void)printf("%s: X25519 %s (%s)\n", name, fingerprint,
			made == KEYFILE_REPLACED ? "replaced" : "imported");
	}
	return rc;
}

static int print(const char *folder, const char *name, bool secret, struct err *e)
{
	char file[USER_NAME_MAX + 32];
	int dir, rc;

	(void)snprintf(file, sizeof file, "%s_x25519_%s.pem", name, secret ? "private" : "public");
	dir = keygen_folder_open(folder, file, e);
	if (dir < 0) {
		return -1;
	}
	rc = secret ? print_secret(dir, name, e) : print_public(dir, name, e);
	(void)close(dir);
	return keygen_folder_told(folder, rc, e);
}

static int import_into(
	const char *folder, const char *name, const struct keygen_age *wanted, struct err *e)
{
	int dir = file_open_dir(folder == NULL ? "." : folder, e), rc;

	if (dir < 0) {
		return -1;
	}
	rc = import(dir, name, wanted, e);
	(void)close(dir);
	return rc;
}

int keygen_age(const struct cli *c, const char *folder, const struct keygen_age *wanted)
{
	struct err e;
	int rc;

	cli_protect();
	rc = wanted->import != NULL ? import_into(folder, c->args[0], wanted, &e)
				    : print(folder, c->args[0], wanted->secret, &e);
	return cli_finish(c, rc == 0 ? EX_OK : cli_fail(c, &e));
}
