/* Key files: can each be used, and do both halves of a pair belong together? */
#include "check_keys.h"

#include "../keys/keyfile.h"

struct folder {
	int dir;
	mailbox_finding *found;
	void *arg;
};

/* Do both halves belong together? 0 with *same, or -1: one of them is not sound. */
static int compare_halves(
	int dir, const char *name, enum keyfile_kind kind, bool *same, struct err *e)
{
	char one[KEYFILE_FINGERPRINT_MAX] = "", two[KEYFILE_FINGERPRINT_MAX] = "";
	struct x25519_pair pair;
	uint8_t public[X25519_BYTES];
	struct rsa_private private;
	struct rsa_public rsa;
	int rc;

	if (kind == KEYFILE_X25519) {
		rc = keyfile_load_x25519_private(dir, name, &pair, e);
		rc = rc == 0 ? keyfile_x25519_fingerprint(pair.public, one) : rc;
		wipe(&pair, sizeof pair);
		rc = rc == 0 ? keyfile_load_x25519_public(dir, name, public, e) : rc;
		rc = rc == 0 ? keyfile_x25519_fingerprint(public, two) : rc;
	} else {
		rc = keyfile_load_private(dir, name, &private, e);
		rc = rc == 0 ? keyfile_fingerprint(&private.public, one) : rc;
		wipe(&private, sizeof private);
		rc = rc == 0 ? keyfile_load_public(dir, name, &rsa, e) : rc;
		rc = rc == 0 ? keyfile_fingerprint(&rsa, two) : rc;
	}
	*same = strcmp(one, two) == 0;
	return rc;
}

static void check_private(const struct folder *f, const char *name, enum keyfile_kind kind)
{
	char text[ERR_TEXT_MAX];
	struct err why = {0};
	bool same;

	if (compare_halves(f->dir, name, kind, &same, &why) != 0) {
		/* the public half alone may be kept elsewhere; what is wrong with it is told by its
		 * own name */
		if (strstr(why.text, "_private.pem") != NULL) {
			f->found(f->arg, NULL, false, why.text);
		}
	} else if (!same) {
		(void)snprintf(text, sizeof text,
			"%s%s_private.pem and its _public.pem are halves of two pairs", name,
			kind == KEYFILE_X25519 ? "_x25519" : "");
		f->found(f->arg, NULL, false, text);
	}
}

static void check_public(const struct folder *f, const char *name, enum keyfile_kind kind)
{
	uint8_t public[X25519_BYTES];
	struct rsa_public rsa;
	struct err why = {0};

	if ((kind == KEYFILE_X25519 ? keyfile_load_x25519_public(f->dir, name, public, &why)
				    : keyfile_load_public(f->dir, name, &rsa, &why)) != 0) {
		f->found(f->arg, NULL, false, why.text);
	}
}

/* Does the name end so? What is ahead of it goes to out. */
static bool ends(const char *name, const char *end, char *out, size_t cap)
{
	size_t n = strlen(name), end_n = strlen(end);

	if (n <= end_n || n - end_n >= cap || strcmp(name + n - end_n, end) != 0) {
		return false;
	}
	memcpy(out, name, n - end_n);
	out[n - end_n] = '\0';
	return user_name_valid(out);
}

void check_key(int dir, const char *name, mailbox_finding *found, void *arg)
{
	const struct folder here = {.dir = dir, .found = found, .arg = arg}, *f = &here;
	char owner[USER_NAME_MAX + 1];

	if (ends(name, "_x25519_private.pem", owner, sizeof owner)) {
		check_private(f, owner, KEYFILE_X25519);
	} else if (ends(name, "_x25519_public.pem", owner, sizeof owner)) {
		check_public(f, owner, KEYFILE_X25519);
	} else if (ends(name, "_private.pem", owner, sizeof owner)) {
		check_private(f, owner, KEYFILE_RSA);
	} else if (ends(name, "_public.pem", owner, sizeof owner)) {
		check_public(f, owner, KEYFILE_RSA);
	}
}
